/** CLOSED: nobody is there; RFC 9293 §3.10.7.1. */
import assert from 'node:assert/strict'
import { AF_INET, SockAddr } from '../../src/sock/address.ts'
import { EAFNOSUPPORT, EINVAL, ENOTCONN, EPIPE } from '../../src/sys/errno.ts'
import { Host, tcp } from './dsl.ts'

tcp('CLOSED: a RST is discarded (RFC 9293 §3.10.7.1)', () => {
  const c = new Host().peer()
  c.send({ flags: 'R', seq: 5 })
  c.send({ flags: 'R.', seq: 5, ack: 7 })
  c.expectNothing()
})

tcp('CLOSED: a segment with ACK is answered <SEQ=SEG.ACK><CTL=RST> (RFC 9293 §3.10.7.1; LINUX-TCP 37)', () => {
  const c = new Host().peer()
  for (const flags of ['.', 'F.', 'S.', 'P.']) {
    c.send({ flags, seq: 5, ack: 7, ts: [1, 2] })
    c.expect({ flags: 'R', seq: 7, ack: 0, window: 0, layout: '', data: 0 })
    c.expectNothing()
  }
})

tcp('CLOSED: a segment without ACK is answered <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK> (RFC 9293 §3.10.7.1)', () => {
  const c = new Host().peer()
  for (const [flags, data, length] of [
    ['S', 0, 1],
    ['F', 10, 11],
    ['none', 20, 20],
    ['P', 3, 3],
  ] as const) {
    c.send({ flags, seq: 5, data })
    c.expect({ flags: 'R.', seq: -c.iss, ack: 5 + length, window: 0, layout: '' })
    c.expectNothing()
  }
  assert.equal(c.counter('TcpOutRsts'), 4)
})

tcp('CLOSED: a segment with a wrong checksum is dropped and counted (RFC 9293 §3.1)', () => {
  const host = new Host()
  const c = host.peer()
  const inject = host.inject.bind(host)
  host.inject = (bytes: Uint8Array): void => {
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1
    inject(bytes)
  }
  c.send({ flags: 'S', seq: 0, data: 1 })
  c.expectNothing()
  assert.equal(c.counter('TcpInCsumErrors'), 1)
  assert.equal(c.counter('TcpInErrs'), 1)
})

tcp("CLOSED: calls on a fresh socket give Linux's errors (tcp(7), read(2), shutdown(2))", () => {
  const host = new Host()
  const t = host.socket()
  const b = new Uint8Array(10)
  assert.equal(t.send(b, 0, 1, 0, null), -EPIPE)
  assert.equal(t.receive(b, 0, 1, 0, null), -ENOTCONN)
  assert.equal(t.shutdown(1), -ENOTCONN)
  assert.equal(t.shutdown(3), -EINVAL)
  assert.equal(t.accept(), -EINVAL)
  assert.equal(t.getName(true, new SockAddr()), -ENOTCONN)
  assert.equal(t.connect(new SockAddr(10, 1, 1)), -EAFNOSUPPORT)
})

tcp('CLOSED: bind twice is EINVAL, a port is given for 0 (bind(2))', () => {
  const host = new Host()
  const t = host.socket()
  assert.equal(t.bind(new SockAddr(AF_INET, 0, 0)), 0)
  assert.ok(t.localPort >= 32768 && t.localPort <= 60999)
  assert.equal(t.bind(new SockAddr(AF_INET, 0, 5000)), -EINVAL)
})
