/** Why a connection is slow or stuck (issue 4, item 7): the cause by name, and the time that goes to it. */
import assert from 'node:assert/strict'
import { SO_MAX_PACING_RATE, SOL_SOCKET } from '../../src/sock/constants.ts'
import { SF_SNDBUF_LOCK } from '../../src/sock/sock.ts'
import { LIMITER_NAMES, limitedMs, limiterOf } from '../../src/tcp/limiter.ts'
import type { Tcb } from '../../src/tcp/tcb.ts'
import { established, synReceived, synSent, tcp } from './dsl.ts'

const nameOf = (t: Tcb): string | undefined => LIMITER_NAMES[limiterOf(t)]
const timeOf = (t: Tcb, name: string): number => limitedMs(t, LIMITER_NAMES.indexOf(name))

tcp('Limiter: a SYN without an answer is the handshake, with the time since it', () => {
  const c = synSent()
  c.advance(700)
  assert.equal(nameOf(c.t), 'handshake')
  assert.equal(timeOf(c.t, 'handshake'), 700)
  c.sendSyn({ flags: 'S.', ack: 1 })
  assert.equal(nameOf(c.t), 'application')
  assert.equal(timeOf(c.t, 'handshake'), 0)
  assert.equal(nameOf(synReceived().t), 'nothing')
})

tcp('Limiter: a closed peer window holds up what was written, until it opens', () => {
  const c = established({ window: 1000 })
  c.write(1000)
  assert.equal(nameOf(c.t), 'nothing')
  c.send({ ack: 1001, window: 0 })
  c.write(500)
  c.advance(150)
  assert.equal(nameOf(c.t), 'peer-window')
  assert.equal(timeOf(c.t, 'peer-window'), 150)
  c.send({ ack: 1001, window: 5000 })
  assert.equal(nameOf(c.t), 'nothing')
  c.advance(100)
  assert.equal(timeOf(c.t, 'peer-window'), 150)
  c.drain()
  c.send({ ack: 1501 })
  assert.equal(nameOf(c.t), 'application')
})

tcp('Limiter: ten segments out and more written is the congestion window, for the round trip', () => {
  const c = established()
  c.write(1460 * 12)
  c.advance(100)
  assert.equal(nameOf(c.t), 'cwnd')
  assert.equal(timeOf(c.t, 'cwnd'), 100)
  c.send({ ack: 1 + 1460 * 10 })
  assert.equal(nameOf(c.t), 'nothing')
  assert.equal(timeOf(c.t, 'cwnd'), 100)
  c.drain()
  c.send({ ack: 1 + 1460 * 12 })
})

tcp('Limiter: SO_MAX_PACING_RATE spreads segments: pacing', () => {
  const c = established({
    prepare: (t) => t.setOption(SOL_SOCKET, SO_MAX_PACING_RATE, 14600),
  })
  for (let i = 0; i < 2; i++) {
    c.write(1460 * 10)
    c.advance(50)
    c.send({ ack: 1 + 1460 * 10 * (i + 1) })
  }
  c.write(1460 * 4)
  assert.equal(nameOf(c.t), 'pacing')
  c.advance(50)
  assert.ok(timeOf(c.t, 'pacing') >= 50)
  for (let i = 0; i < 20 && c.t.txHead !== null; i++) {
    c.advance(400)
    c.drain()
    c.send({ ack: (c.t.snd.nxt - c.t.snd.iss) | 0 })
  }
})

tcp('Limiter: a program that does not read shuts the window: receive-buffer, until it does', () => {
  const c = established({ rcvbuf: 8192 })
  for (let i = 0; i < 12 && nameOf(c.t) !== 'receive-buffer'; i++) {
    c.send({ data: 512 })
    c.drain()
    c.advance(50)
  }
  assert.equal(nameOf(c.t), 'receive-buffer')
  c.advance(1000)
  assert.ok(timeOf(c.t, 'receive-buffer') >= 1000)
  c.read()
  assert.equal(nameOf(c.t), 'application')
  const spent = timeOf(c.t, 'receive-buffer')
  c.advance(500)
  assert.equal(timeOf(c.t, 'receive-buffer'), spent)
})

tcp('Limiter: everything written is under way and the writer wants more room: send-buffer', () => {
  const c = established()
  c.t.sndbuf = 4608
  c.t.setFlag(SF_SNDBUF_LOCK, true)
  let written = 0
  for (let n = c.write(4096); n > 0; n = c.write(4096)) written += n
  assert.equal(nameOf(c.t), 'send-buffer')
  c.drain()
  c.send({ ack: 1 + written })
  assert.equal(nameOf(c.t), 'application')
})
