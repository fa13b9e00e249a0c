/** SACK as a receiver makes it: RFC 2018, RFC 2883, LINUX-TCP 30. */
import assert from 'node:assert/strict'
import { established, type Peer, tcp } from './dsl.ts'

const sacking = (setup: Parameters<typeof established>[0] = {}): Peer => established({ sack: true, ...setup })

/** Sends ranges [from, to), each acknowledged at once, and gives the blocks of the last ACK. */
function blocks(c: Peer, ...ranges: (readonly [number, number])[]): readonly (readonly [number, number])[] {
  c.t.stack.sysctl.tcp_comp_sack_nr = 0
  for (const [from, to] of ranges) c.send({ seq: from, data: to - from, ack: 1 })
  return c.drain().at(-1)?.sack ?? []
}

tcp('SACK: a range beyond a hole is reported (RFC 2018 §3)', () => {
  const c = sacking()
  c.send({ seq: 1001, data: 100, ack: 1 })
  c.expect({ flags: '.', ack: 1, sack: [[1001, 1101]], layout: 'nop,nop,sack' })
})

tcp('SACK: the newest range comes first, then the most recent others (RFC 2018 §4)', () => {
  const c = sacking()
  assert.deepEqual(blocks(c, [1001, 1101], [3001, 3101], [2001, 2101]), [
    [2001, 2101],
    [3001, 3101],
    [1001, 1101],
  ])
})

tcp('SACK: at most four blocks, three with timestamps (RFC 2018 §3; LINUX-TCP 30)', () => {
  const ranges = [
    [1001, 1101],
    [2001, 2101],
    [3001, 3101],
    [4001, 4101],
    [5001, 5101],
  ] as const
  assert.deepEqual(blocks(sacking(), ...ranges), [
    [5001, 5101],
    [4001, 4101],
    [3001, 3101],
    [2001, 2101],
  ])
  const c = sacking({ ts: true })
  assert.deepEqual(blocks(c, ...ranges), [
    [5001, 5101],
    [4001, 4101],
    [3001, 3101],
  ])
})

tcp('SACK: with timestamps the layout is nop,nop,TS,nop,nop,sack (LINUX-TCP 1)', () => {
  const c = sacking({ ts: true })
  c.send({ seq: 1001, data: 100, ack: 1 })
  c.expect({ layout: 'nop,nop,TS,nop,nop,sack' })
})

tcp('SACK: adjacent and overlapping ranges merge into one (RFC 2018 §4)', () => {
  assert.deepEqual(blocks(sacking(), [1001, 1101], [1101, 1201]), [[1001, 1201]])
  assert.deepEqual(blocks(sacking(), [1101, 1201], [1001, 1101]), [[1001, 1201]])
  assert.deepEqual(blocks(sacking(), [1001, 1101], [1201, 1301], [1101, 1201]), [[1001, 1301]])
})

tcp('SACK: filling the hole up to a block takes it off the list (RFC 2018 §4)', () => {
  const c = sacking()
  assert.deepEqual(blocks(c, [1001, 1101], [2001, 2101]), [
    [2001, 2101],
    [1001, 1101],
  ])
  c.send({ seq: 1, data: 1000, ack: 1 })
  c.expect({ ack: 1101, sack: [[2001, 2101]] })
  c.send({ seq: 1101, data: 900, ack: 1 })
  c.expect({ ack: 2101, sack: [] })
  assert.equal(c.read(), 2100)
})

tcp('SACK: none without sackOK from the peer, none with tcp_sack=0 (RFC 2018 §2)', () => {
  assert.deepEqual(blocks(established(), [1001, 1101]), [])
  assert.deepEqual(blocks(sacking({ sysctl: { tcp_sack: 0 } }), [1001, 1101]), [])
})

tcp('DSACK: data below RCV.NXT is reported first (RFC 2883 §4.1; LINUX-TCP 30)', () => {
  const c = sacking()
  c.send({ data: 500 })
  c.drain()
  c.send({ seq: 101, data: 100, ack: 1 })
  c.expect({ ack: 501, sack: [[101, 201]] })
  assert.equal(c.counter('TcpExtTCPDSACKOldSent'), 1)
})

tcp('DSACK: a duplicate of out-of-order data is reported first, inside the block that has it (RFC 2883 §4.1.1)', () => {
  const c = sacking()
  assert.deepEqual(blocks(c, [1001, 1501], [1101, 1201]), [
    [1101, 1201],
    [1001, 1501],
  ])
  assert.equal(c.counter('TcpExtTCPDSACKOfoSent'), 1)
})

tcp('DSACK: only the part already there of a partial duplicate (RFC 2883 §4.2)', () => {
  const c = sacking()
  assert.deepEqual(blocks(c, [1001, 1501], [1401, 1601]), [
    [1401, 1501],
    [1001, 1601],
  ])
})

tcp('DSACK: a segment that straddles RCV.NXT reports its old part (RFC 2883 §4.2.1)', () => {
  const c = sacking()
  c.send({ data: 500 })
  c.drain()
  c.send({ seq: 401, data: 200, ack: 1 })
  c.expect({ ack: 601, sack: [[401, 501]] })
})

tcp('DSACK: is said once (RFC 2883 §4)', () => {
  const c = sacking()
  c.send({ data: 500 })
  c.drain()
  c.send({ seq: 1, data: 100, ack: 1 })
  c.expect({ sack: [[1, 101]] })
  c.send({ seq: 700, data: 100, ack: 1 })
  c.expect({ sack: [[700, 800]] })
})

tcp('DSACK: tcp_dsack=0 turns it off (ip-sysctl)', () => {
  const c = sacking({ sysctl: { tcp_dsack: 0 } })
  c.send({ data: 500 })
  c.drain()
  c.send({ seq: 1, data: 100, ack: 1 })
  c.expect({ ack: 501, sack: [] })
})

tcp('SACK: blocks are told with data segments too, which become shorter (tcp_established_options)', () => {
  const c = sacking()
  c.send({ seq: 1001, data: 100, ack: 1 })
  c.drain()
  c.write(3000)
  c.expect({ seq: 1, data: 1460 - 12, sack: [[1001, 1101]] })
  c.drain()
  c.send({ seq: 1, ack: 3001, data: 1000 })
})

tcp('SACK: a covered range swallows the older pieces (tcp_data_queue_ofo)', () => {
  const c = sacking()
  assert.deepEqual(blocks(c, [2001, 2101], [2201, 2301], [2401, 2501]).length, 3)
  assert.deepEqual(blocks(c, [1901, 2601])[1], [1901, 2601])
  c.send({ seq: 1, data: 1000, ack: 1 })
  c.send({ seq: 1001, data: 900, ack: 1 })
  assert.equal(c.drain().at(-1)?.ack, 2601)
  assert.equal(c.read(), 2600)
})

tcp('SACK: out-of-order data dropped for want of memory is not reported any more (RFC 2018 §8)', () => {
  const c = sacking({ rcvbuf: 16000 })
  for (let i = 0; i < 40; i++) c.send({ seq: 4001 - i * 100, data: 50, ack: 1 })
  c.drain()
  assert.ok(c.t.rmemAlloc <= 2 * 16000)
  c.send({ seq: 1, data: 50, ack: 1 })
  const last = c.drain().at(-1)
  for (const [left, right] of last?.sack ?? []) {
    let found = false
    for (let p = c.t.oooHead; p !== null; p = p.next) {
      const seq = (p.seq - c.irs) | 0
      if (seq <= left && left < seq + p.length) found = true
    }
    assert.ok(found, `block ${left}:${right} is still held`)
  }
})

tcp('SACK compression: after three, those of data out of order wait 1 ms (tcp_comp_sack_delay_ns)', () => {
  const c = sacking()
  c.t.rcv.rttUs = 8 * 100000
  for (let i = 1; i <= 3; i++) c.send({ seq: 1 + 100 * i, data: 100, ack: 1 })
  assert.equal(c.drain().length, 3)
  for (let i = 4; i <= 9; i++) c.send({ seq: 1 + 100 * i, data: 100, ack: 1 })
  c.expectNothing()
  c.advance(2)
  c.expect({ flags: '.', ack: 1, sack: [[101, 1001]] })
  c.expectNothing()
  assert.equal(c.t.stack.counters.TcpExtTCPAckCompressed, 5)
})

tcp('SACK compression: with two ranges told of, a third sends what waits first (tcp_sack_compress_send_ack)', () => {
  const c = sacking()
  c.t.rcv.rttUs = 8 * 100000
  for (const seq of [201, 401, 501]) c.send({ seq, data: 100, ack: 1 })
  assert.equal(c.drain().length, 3)
  c.send({ seq: 601, data: 100, ack: 1 })
  c.expectNothing()
  c.send({ seq: 1001, data: 100, ack: 1 })
  c.expect({ flags: '.', ack: 1, sack: [[401, 701], [201, 301]] }) // biome-ignore format: one line
  c.expectNothing()
})

tcp('D-SACK: one not reported yet is forgotten when new data comes out of order (tcp_data_queue)', () => {
  const c = sacking()
  c.t.quickAck = 0
  c.t.ato = 40000
  c.send({ seq: 1, data: 100, ack: 1 })
  c.send({ seq: 51, data: 100, ack: 1 })
  c.drain()
  c.t.hasDsack = true
  c.send({ seq: 1001, data: 100, ack: 1 })
  c.expect({ flags: '.', ack: 151, sack: [[1001, 1101]] })
})

tcp('close() with data out of order: the reset still tells of it (tcp_close, tcp_send_active_reset)', () => {
  const c = sacking()
  c.send({ seq: 1, data: 100, ack: 1 })
  c.send({ seq: 1001, data: 100, ack: 1 })
  c.drain()
  c.t.close()
  c.expect({ flags: 'R.', ack: 101, sack: [[1001, 1101]] })
})

tcp('Overlap: what came twice stays as it came, and is charged whole (tcp_data_queue)', () => {
  const c = sacking()
  c.send({ seq: 1, data: 1000, ack: 1 })
  const once = c.t.rmemAlloc
  c.send({ seq: 501, data: 1000, ack: 1 })
  assert.equal(c.t.rmemAlloc, 2 * once)
  assert.equal(c.read(), 1500)
  assert.equal(c.t.rmemAlloc, 0)
})

tcp('SACK compression: the segment that fills the hole is acknowledged at once, for all (RFC 5681 §4.2)', () => {
  const c = sacking()
  c.t.rcv.rttUs = 8 * 100000
  for (let i = 1; i <= 6; i++) c.send({ seq: 1 + 100 * i, data: 100, ack: 1 })
  c.drain()
  c.send({ seq: 1, data: 100, ack: 1 })
  c.expect({ flags: '.', ack: 701 })
  c.advance(5)
  c.expectNothing()
})
