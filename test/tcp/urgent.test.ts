/** Urgent data: RFC 9293 §3.8.5, RFC 6093, as Linux reads the pointer (tcp(7)). */
import assert from 'node:assert/strict'
import { SF_OOBINLINE } from '../../src/sock/sock.ts'
import { POLLPRI } from '../../src/sock/wait-queue.ts'
import { EAGAIN, EINVAL } from '../../src/sys/errno.ts'
import { established, tcp } from './dsl.ts'

const MSG_OOB = 1
const SIOCATMARK = 0x8905
const MSS = 1460

/** recv(MSG_OOB): the byte, or -errno. */
function oob(t: ReturnType<typeof established>['t']): number {
  const b = new Uint8Array(1)
  const n = t.receive(b, 0, 1, MSG_OOB, null)
  return n === 1 ? (b[0] as number) : n
}

tcp('Urgent: send(MSG_OOB) sets URG with the pointer behind the last byte (RFC 6093 §3.1, Linux)', () => {
  const c = established()
  c.write(5, MSG_OOB)
  c.expect({ flags: '.U', seq: 1, data: 5, urgent: 5 })
  c.send()
})

tcp('Urgent: the pointer stays until the byte is acknowledged, later segments have none (RFC 9293 §3.8.5)', () => {
  const c = established({ prepare: (t) => t.setOption(6, 1, 1) })
  c.write(5, MSG_OOB)
  c.expect({ flags: '.U', urgent: 5 })
  c.write(3)
  c.expect({ flags: '.', urgent: 0, seq: 6 })
  c.send()
})

tcp('Urgent: the byte before the pointer is taken out of the stream and read with MSG_OOB (tcp(7))', () => {
  const c = established()
  c.woken()
  c.send({ flags: '.U', data: new TextEncoder().encode('abcX'), urgent: 4 })
  assert.equal(c.woken() & POLLPRI, POLLPRI)
  assert.equal(c.t.poll() & POLLPRI, POLLPRI)
  assert.equal(oob(c.t), 0x58)
  assert.equal(oob(c.t), -EINVAL)
  const b = new Uint8Array(10)
  assert.equal(c.t.receive(b, 0, 10, 0, null), 3)
  assert.equal(new TextDecoder().decode(b.subarray(0, 3)), 'abc')
})

tcp('Urgent: a read stops at the mark and SIOCATMARK tells (tcp(7), sockatmark(3))', () => {
  const c = established()
  c.send({ flags: '.U', data: new TextEncoder().encode('abcXdef'), urgent: 4 })
  const b = new Uint8Array(10)
  assert.equal(c.t.ioctl(SIOCATMARK), 0)
  assert.equal(c.t.receive(b, 0, 10, 0, null), 3)
  assert.equal(c.t.ioctl(SIOCATMARK), 1)
  assert.equal(c.t.receive(b, 0, 10, 0, null), 3)
  assert.equal(new TextDecoder().decode(b.subarray(0, 3)), 'def')
  assert.equal(c.t.ioctl(SIOCATMARK), 0)
})

tcp('Urgent: with SO_OOBINLINE the byte stays in the stream (socket(7); RFC 6093 §6)', () => {
  const c = established()
  c.t.setFlag(SF_OOBINLINE, true)
  c.send({ flags: '.U', data: new TextEncoder().encode('abcX'), urgent: 4 })
  const b = new Uint8Array(10)
  assert.equal(oob(c.t), -EINVAL)
  assert.equal(c.t.receive(b, 0, 10, 0, null), 3)
  assert.equal(c.t.ioctl(SIOCATMARK), 1)
  assert.equal(c.t.receive(b, 3, 7, 0, null), 1)
  assert.equal(new TextDecoder().decode(b.subarray(0, 4)), 'abcX')
})

tcp('Urgent: announced before it comes: MSG_OOB waits, then gives it (tcp_recv_urg)', () => {
  const c = established()
  c.send({ flags: '.U', data: new TextEncoder().encode('ab'), urgent: 4 })
  assert.equal(oob(c.t), -EAGAIN)
  c.send({ data: new TextEncoder().encode('cX') })
  assert.equal(oob(c.t), 0x58)
})

tcp('Urgent: a newer pointer moves the mark (tcp_check_urg)', () => {
  const c = established()
  c.send({ flags: '.U', data: new TextEncoder().encode('aX'), urgent: 2 })
  c.send({ flags: '.U', data: new TextEncoder().encode('bY'), urgent: 2 })
  assert.equal(oob(c.t), 0x59)
})

tcp('Urgent: pointers into the past and far into the future do no harm (hostile)', () => {
  const c = established()
  c.send({ data: 10 })
  for (const urgent of [0, 1, 65535, 30000]) c.send({ flags: '.U', data: 1, urgent })
  c.send({ flags: '.U', seq: c.next, urgent: 65535 })
  for (let i = 0; i < 100; i++) c.send({ flags: '.U', data: 10, urgent: i * 600 })
  const b = new Uint8Array(5000)
  let total = 0
  for (let n = c.t.receive(b, 0, 5000, 0, null); n > 0; n = c.t.receive(b, 0, 5000, 0, null)) total += n
  assert.ok(total > 900 && total <= 1014, String(total))
})

tcp('Urgent: what goes again has the pointer only if that is within 65535 bytes (__tcp_transmit_skb)', () => {
  for (const [length, flags, urgent] of [[65534, '.U', 65535], [65535, '.', 0]] as const) {
    const c = established({ window: 5000, wscale: 7, sndbuf: 1e6 })
    c.write(MSS)
    c.t.snd.cwnd = 100
    c.write(length - MSS)
    c.write(1, MSG_OOB)
    c.drain()
    assert.equal(c.t.sendHead, null)
    c.expectAfter(300, { flags, seq: 1, urgent })
    c.send()
  } // biome-ignore format: one line
})
