/** The transmit queue counted the slow way: what a connection's counters must agree with after every event. */
import assert from 'node:assert/strict'
import { TCP_CLOSE } from '../../src/sock/sock.ts'
import { OPT_SACK } from '../../src/tcp/tcb.ts'
import type { TxSegment } from '../../src/tcp/tx-segment.ts'
import { LOST, RETRANS, SACKED } from '../../src/tcp/tx-segment.ts'
import type { Peer } from './dsl.ts'

/** Asserts that counters, links, sequence numbers and memory of `c`'s connection fit each other. */
export function audit(c: Peer): void {
  const t = c.t
  if (t.state === TCP_CLOSE) {
    // What was lost of a queue that is gone stays told.
    assert.deepEqual([t.txHead, t.packetsOut, t.wmemQueued], [null, 0, 0])
    return
  }
  const rel = (seq: number): number => (seq - c.iss) | 0
  const count = { out: 0, sacked: 0, lost: 0, memory: 0 }
  let retrans = 0
  const shape: string[] = []
  let isSent = true
  let previous: TxSegment | null = null
  let next = t.snd.una
  for (let s = t.txHead; s !== null; s = s.next) {
    if (s === t.sendHead) isSent = false
    assert.equal(s.previous, previous, 'links back')
    if (previous !== null) assert.equal(rel(s.seq), rel(next), 'no hole in the queue')
    previous = s
    next = s.endSeq
    count.memory += s.truesize
    if (!isSent) continue
    shape.push(`${rel(s.seq)}+${s.bytes}x${s.pcount}/${s.sacked}`)
    count.out += s.pcount
    if ((s.sacked & SACKED) !== 0) count.sacked += s.pcount
    if ((s.sacked & LOST) !== 0) count.lost += s.pcount
    if ((s.sacked & RETRANS) !== 0) retrans += s.pcount
    assert.ok((s.sacked & (SACKED | LOST)) !== (SACKED | LOST), `SACKed and lost at once: ${shape.at(-1)}`)
  }
  assert.equal(previous, t.txTail, 'the tail is the last')
  if ((t.opt & OPT_SACK) === 0) count.sacked = t.sackedOut
  const text = `una ${rel(t.snd.una)} nxt ${rel(t.snd.nxt)} mss ${t.snd.mss}: ${shape.join(' ')}`
  assert.deepEqual(
    { out: t.packetsOut, sacked: t.sackedOut, lost: t.lostOut, memory: t.wmemQueued },
    count,
    `counters against the queue, ${text}`,
  )
  // A timeout counts the first segment again if an undo forgot only that it was lost (tcp_retransmit_skb).
  assert.ok(t.retransOut >= retrans, text)
  assert.ok(t.sackedOut + t.lostOut <= t.packetsOut, text)
  assert.ok(t.snd.cwnd >= 1 && t.rmemAlloc >= 0)
}
