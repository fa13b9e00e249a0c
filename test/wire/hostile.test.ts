import assert from 'node:assert/strict'
import test from 'node:test'
import { DissectContext, line, type TreeNode, tree } from '../../src/wire/dissect.ts'
import { arp, ethernet, icmpv4, ipv4, ipv4Options, tcp, tcpOptions, udp } from '../../src/wire/index.ts'
import { VECTORS as BUILT } from './vectors/built.ts'
import { VECTORS as KERNEL } from './vectors/kernel.ts'
import { bytesOf } from './vectors/vector.ts'

const ipFound = new ipv4Options.ParsedOptions()
const tcpFound = new tcpOptions.ParsedOptions()
const context = new DissectContext(16)
const IP = ethernet.HDR_LEN
const ALL = [...KERNEL, ...BUILT].map(bytesOf)

/** Parses everything a stack would parse; whatever passes `check` must lie inside the bytes. */
function readAll(b: Uint8Array): void {
  const end = b.length
  if (ethernet.check(b, 0, end)) ethernet.parse(b, 0)
  if (arp.check(b, IP, end)) assert.ok(arp.parse(b, IP).targetMac.length === 6)
  ipv4.fault(b, IP, end)
  if (!ipv4.check(b, IP, end)) return
  const o = IP + ipv4.headerLength(b, IP)
  const stop = IP + ipv4.totalLength(b, IP)
  assert.ok(o <= stop && stop <= end)
  ipv4.parse(b, IP)
  ipv4Options.parse(b, IP + ipv4.HDR_LEN, o, ipFound)
  assert.ok(ipFound.bad < o && ipFound.recordRoute < o && ipFound.timestamp < o && ipFound.sourceRoute < o)
  readTransports(b, o, stop)
}

function readTransports(b: Uint8Array, o: number, end: number): void {
  if (udp.check(b, o, end)) {
    assert.ok(o + udp.length(b, o) <= end)
    udp.checksumOk(b, o, 0, true)
    udp.format(udp.parse(b, o))
  }
  if (icmpv4.check(b, o, end)) icmpv4.format(icmpv4.parse(b, o))
  if (!tcp.check(b, o, end)) return
  const options = o + tcp.headerLength(b, o)
  assert.ok(options <= end)
  tcp.format(tcp.parse(b, o))
  tcpOptions.parse(b, tcp.optionsOffset(o), options, tcpFound)
  assert.ok(tcpFound.sackCount <= tcpOptions.MAX_SACK_BLOCKS)
  if (tcpFound.sackCount > 0) assert.ok(tcpFound.sackOffset + 8 * tcpFound.sackCount <= options)
  if (tcpFound.hasMd5) assert.ok(tcpFound.md5Offset + 16 <= options)
  if (tcpFound.fastOpenLength >= 0) assert.ok(tcpFound.fastOpenOffset + tcpFound.fastOpenLength <= options)
}

/** Longest line and most rows any frame of a few hundred bytes may give. */
const MAX_LINE = 2000
const MAX_ROWS = 1000

function readText(b: Uint8Array): void {
  assert.ok(line(b, { context }).length < MAX_LINE)
  assert.ok(line(b, { medium: 'ip', wireLength: 1500 }).length < MAX_LINE)
  let rows = 0
  const walk = (n: TreeNode): void => {
    rows++
    assert.ok(n.offset >= 0 && n.length >= 0 && n.offset + n.length <= b.length, n.text)
    n.children.forEach(walk)
  }
  tree(b).forEach(walk)
  tree(b, { medium: 'ip' }).forEach(walk)
  assert.ok(rows < MAX_ROWS)
}

test('every truncation of every vector is read without an exception and within bounds', () => {
  for (const whole of ALL) {
    for (let n = 0; n <= whole.length; n++) {
      const b = whole.slice(0, n)
      readAll(b)
      readText(b)
    }
  }
})

test('every single-bit flip of every vector is read without an exception and within bounds', () => {
  for (const whole of ALL) {
    const b = whole.slice()
    const reach = Math.min(b.length, 120)
    for (let bit = 0; bit < reach * 8; bit++) {
      b[bit >>> 3] = (b[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
      readAll(b)
      readText(b)
      b[bit >>> 3] = (b[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
    }
  }
})

test('random option bytes are read within bounds and in at most as many steps as there are bytes', () => {
  let state = 12345
  const random = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24
  for (let i = 0; i < 50000; i++) {
    const b = Uint8Array.from({ length: 40 }, () => (random() < 128 ? random() % 36 : random()))
    tcpOptions.parse(b, 0, 40, tcpFound)
    ipv4Options.parse(b, 0, 40, ipFound)
    assert.ok(tcpFound.sackOffset < 40 && tcpFound.fastOpenOffset <= 40 && ipFound.bad < 40)
  }
})

test('any single-bit flip in an IPv4 header the kernel sent is caught by its checksum (RFC 1071)', () => {
  for (const whole of KERNEL.map(bytesOf)) {
    if (ethernet.etherType(whole, 0) !== ethernet.TYPE_IPV4) continue
    for (let bit = IP * 8; bit < (IP + ipv4.HDR_LEN) * 8; bit++) {
      const b = whole.slice()
      b[bit >>> 3] = (b[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
      assert.notEqual(ipv4.fault(b, IP, b.length), ipv4.OK, `bit ${bit}`)
    }
  }
})
