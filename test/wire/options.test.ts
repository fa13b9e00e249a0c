import assert from 'node:assert/strict'
import test from 'node:test'
import { ipv4Options as ipOptions, tcpOptions as options } from '../../src/wire/index.ts'

const parse = (...bytes: number[]): options.ParsedOptions => {
  const into = new options.ParsedOptions()
  options.parse(Uint8Array.from(bytes), 0, bytes.length, into)
  return into
}

test('the options of a Linux SYN are all read (RFC 9293 §3.2, RFC 7323, RFC 2018)', () => {
  const b = new Uint8Array(20)
  let o = options.emitMss(b, 0, 1460)
  o = options.emitSackPermitted(b, o)
  o = options.emitTimestamp(b, o, 0xdeadbeef | 0, -1)
  o = options.emitWscale(b, options.emitNop(b, o), 7)
  assert.equal(o, 20)
  const p = parse(...b)
  assert.deepEqual([p.ok, p.mss, p.wscale, p.sackPermitted, p.hasTs], [true, 1460, 7, true, true])
  assert.deepEqual([p.tsVal, p.tsEcr], [0xdeadbeef | 0, -1])
})

test('the aligned layout and any other place of timestamps read the same (RFC 7323 appendix A)', () => {
  const b = new Uint8Array(16)
  assert.equal(options.emitTimestampAligned(b, 0, 5, 6), 12)
  const fast = parse(...b.subarray(0, 12))
  const slow = parse(...b.subarray(2, 12), 1, 1)
  for (const p of [fast, slow]) assert.deepEqual([p.ok, p.hasTs, p.tsVal, p.tsEcr], [true, true, 5, 6])
})

test('one record is reused: nothing of the segment before is left in it', () => {
  const into = new options.ParsedOptions()
  const all = Uint8Array.of(2, 4, 5, 180, 3, 3, 7, 4, 2, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2)
  const rest = Uint8Array.of(34, 6, 1, 2, 3, 4, 28, 4, 1, 2, 172, 2, 19, 18, ...new Uint8Array(16))
  assert.ok(options.parse(all, 0, all.length, into))
  assert.ok(options.parse(rest, 0, rest.length, into))
  assert.deepEqual([into.mss, into.wscale, into.sackCount, into.hasTs], [0, -1, 0, false])
  assert.ok(into.hasMd5)
  assert.ok(options.parse(rest, 0, 0, into))
  assert.deepEqual(into, new options.ParsedOptions())
})

test('SACK blocks are counted and found; a length that is no whole number of blocks is skipped (RFC 2018 §3)', () => {
  const b = new Uint8Array(28)
  b.set([1, 1])
  let o = options.emitSackHeader(b, 2, 3)
  for (let i = 0; i < 3; i++) o = options.emitSackBlock(b, o, i * 100 - 100, i * 100)
  const p = parse(...b)
  assert.deepEqual([p.sackCount, p.sackOffset], [3, 4])
  assert.equal(options.sackLeft(b, p, 0), -100)
  assert.equal(options.sackRight(b, p, 2), 200)
  assert.equal(parse(5, 9, 0, 0, 0, 0, 0, 0, 0).sackCount, 0)
  assert.equal(parse(5, 2, 1, 1).sackCount, 0)
})

test('fast open: request, cookie and the experimental form (RFC 7413 §4.1.1, appendix A)', () => {
  assert.deepEqual([parse(34, 2).fastOpenOffset, parse(34, 2).fastOpenLength], [2, 0])
  const b = new Uint8Array(12)
  assert.equal(options.emitFastOpen(b, 0, Uint8Array.of(9, 1, 2, 3, 4, 9), 1, 4), 6)
  const p = parse(...b.subarray(0, 6))
  assert.deepEqual([p.fastOpenOffset, p.fastOpenLength, p.fastOpenExperimental], [2, 4, false])
  const e = parse(254, 8, 0xf9, 0x89, 1, 2, 3, 4)
  assert.deepEqual([e.fastOpenOffset, e.fastOpenLength, e.fastOpenExperimental], [4, 4, true])
  assert.equal(parse(254, 4, 0xf9, 0x88).fastOpenLength, -1)
  assert.equal(parse(254, 3, 0xf9).fastOpenLength, -1)
  assert.equal(parse().fastOpenLength, -1)
})

test('user timeout, MD5 and accurate ECN are found (RFC 5482, RFC 2385, RFC 9768)', () => {
  const b = new Uint8Array(4)
  assert.equal(options.emitUserTimeout(b, 0, 0x8005), 4)
  assert.equal(parse(...b).userTimeout, 0x8005)
  const p = parse(1, 1, 19, 18, ...new Uint8Array(16))
  assert.deepEqual([p.hasMd5, p.md5Offset], [true, 4])
  assert.equal(parse(1, 172, 5, 0, 0, 0).accEcnOffset, 1)
  assert.equal(parse(174, 2).accEcnOffset, 0)
})

test('length 0, length 1 and a length past the end stop the parse; what came before counts (tcp_parse_options)', () => {
  for (const tail of [[3, 0, 7], [3, 1, 7], [3, 4, 7], [3]]) {
    const p = parse(2, 4, 5, 180, ...tail)
    assert.deepEqual([p.ok, p.mss, p.wscale], [false, 1460, -1])
  }
})

test('an option whose length is wrong for its kind is skipped, the next is read (tcp_parse_options)', () => {
  const p = parse(2, 3, 5, 3, 4, 7, 0, 4, 3, 0, 8, 9, 0, 0, 0, 0, 0, 0, 0, 28, 3, 0, 19, 4, 0, 0, 2, 4, 5, 180)
  assert.deepEqual([p.ok, p.mss, p.wscale, p.sackPermitted, p.hasTs], [true, 1460, -1, false, false])
  assert.deepEqual([p.userTimeout, p.hasMd5], [-1, false])
})

test('end of list ends the parse: what follows is padding (RFC 9293 §3.2)', () => {
  const p = parse(1, 0, 2, 4, 5, 180)
  assert.deepEqual([p.ok, p.mss], [true, 0])
})

test('pad fills up with NOP to a word', () => {
  const b = new Uint8Array(8).fill(9)
  assert.equal(options.pad(b, 0, options.emitWscale(b, 0, 3)), 4)
  assert.equal(b[3], 1)
  assert.equal(options.pad(b, 0, options.emitEol(b, 3)), 4)
  assert.equal(b[3], 0)
})

const parseIp = (...bytes: number[]): ipOptions.ParsedOptions => {
  const into = new ipOptions.ParsedOptions()
  ipOptions.parse(Uint8Array.from(bytes), 0, bytes.length, into)
  return into
}

test('record route has room until its pointer passes its length; addresses go there (RFC 791 §3.1)', () => {
  const b = new Uint8Array(12)
  assert.equal(ipOptions.pad(b, 0, ipOptions.emitRecordRoute(b, 0, 2)), 12)
  assert.deepEqual([parseIp(...b).recordRoute, parseIp(...b).routeNeedsAddress], [0, true])
  ipOptions.recordAddress(b, 0, 0x0a000001)
  ipOptions.recordAddress(b, 0, 0x0a000002)
  assert.equal(parseIp(...b).routeNeedsAddress, false)
  ipOptions.recordAddress(b, 0, -1)
  assert.deepEqual([...b], [7, 11, 12, 10, 0, 0, 1, 10, 0, 0, 2, 0])
})

test('source routes, timestamps and router alert are found (RFC 791 §3.1, RFC 2113)', () => {
  const loose = parseIp(131, 7, 4, 10, 0, 0, 9, 0)
  assert.deepEqual([loose.sourceRoute, loose.strict, loose.bad], [0, false, -1])
  assert.ok(parseIp(1, 137, 7, 4, 10, 0, 0, 9).strict)
  assert.equal(ipOptions.pointedAddress(Uint8Array.of(131, 7, 4, 10, 0, 0, 9), 0), 0x0a000009)
  assert.ok(parseIp(68, 8, 5, 0, 0, 0, 0, 0).timestampNeedsTime)
  assert.ok(parseIp(68, 8, 9, 0, 0, 0, 0, 0).timestampOverflow)
  assert.equal(parseIp(148, 4, 0, 0).routerAlert, 0)
  assert.equal(parseIp(148, 4, 0, 1).routerAlert, -1)
})

test('a malformed option is reported by the offset of its bad byte (ip_options_compile)', () => {
  const cases: [number[], number][] = [
    [[7], 0],
    [[1, 7, 1, 0], 1],
    [[7, 9, 4, 0], 0],
    [[7, 2, 1, 1], 1],
    [[7, 7, 3, 0, 0, 0, 0], 2],
    [[7, 7, 5, 0, 0, 0, 0], 2],
    [[7, 3, 4, 7, 3, 4], 3],
    [[131, 7, 3, 0, 0, 0, 0], 2],
    [[131, 3, 4, 137, 3, 4], 3],
    [[68, 3, 5], 1],
    [[68, 8, 4, 0, 0, 0, 0, 0], 2],
    [[68, 8, 5, 1, 0, 0, 0, 0], 2],
    [[68, 8, 9, 0xf0, 0, 0, 0, 0], 3],
    [[148, 3, 0], 1],
  ]
  for (const [bytes, bad] of cases) assert.equal(parseIp(...bytes).bad, bad, bytes.join())
  assert.equal(parseIp(0, 7).bad, -1)
  assert.equal(parseIp(200, 4, 1, 2, 1, 0).bad, -1)
})
