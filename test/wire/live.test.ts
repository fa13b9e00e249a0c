import assert from 'node:assert/strict'
import test from 'node:test'
import { DissectContext, line, type TreeNode, tree } from '../../src/wire/dissect.ts'
import { ETHERNET, type Frame, isInstalled, RAW, tcpdump, tshark } from './pcap.ts'
import { VECTORS as BUILT } from './vectors/built.ts'
import { VECTORS as KERNEL } from './vectors/kernel.ts'
import { bytesOf } from './vectors/vector.ts'

/** The reason to skip; in CI a missing program is a failure instead. */
function missing(program: string): string | false {
  if (isInstalled(program)) return false
  assert.ok(!process.env.CI, `${program} must be installed in CI`)
  return `${program} is not installed`
}

/** Texts of protocols and EtherTypes that we leave to others. */
const NOT_OURS = new RegExp(
  [
    'DCCP|SCTP|IGRP|EIGRP|EGP|OSPF|RSVP|PGM|GRE|VRRP|CARP|PIM|DVMRP|mtrace|mobile|IPComp',
    ' ESP\\(| AH\\(| nd |next header|IPv6|IP6|802\\.1Q|MPCP|Sprite|NACK|\\[\\|llc',
    'mptcp|snaplen|SMTP|:  \\[invalid len|\\[vers 2\\]',
  ].join('|'),
  'i',
)

/** Bit 0x100 of the flags: newer versions of tcpdump print it, 4.99.3 does not. */
const hasAe = (b: Uint8Array, ip: number): boolean => ((b[ip + 32] ?? 0) & 1) !== 0 && b[ip + 9] === 6

function compare(frames: readonly Frame[], linktype: number): number {
  const context = new DissectContext(1_000_000)
  const medium = linktype === RAW ? 'ip' : 'ethernet'
  let compared = 0
  for (const [i, want] of tcpdump(frames, linktype).entries()) {
    const f = frames[i]
    if (f === undefined) continue
    const wireLength = f.wireLength ?? f.bytes.length
    const got = line(f.bytes, { context, medium, wireLength }).trimEnd()
    if (want === '' || NOT_OURS.test(want) || hasAe(f.bytes, linktype === RAW ? 0 : 14)) continue
    assert.equal(got, want, Buffer.from(f.bytes).toString('hex'))
    compared++
  }
  return compared
}

test('tcpdump prints the same line for every truncation of every vector, snapped or short on the wire', {
  skip: missing('tcpdump'),
}, (t) => {
  const frames: Frame[] = []
  for (const whole of [...KERNEL, ...BUILT].map(bytesOf)) {
    for (let n = Math.min(whole.length, 110); n > 0; n--) {
      frames.push({ bytes: whole.slice(0, n) }, { bytes: whole.slice(0, n), wireLength: whole.length })
    }
  }
  t.diagnostic(`${compare(frames, ETHERNET)} of ${frames.length} lines compared`)
})

test('tcpdump prints the same line for every single-bit flip behind the Ethernet header', {
  skip: missing('tcpdump'),
}, (t) => {
  const frames: Frame[] = []
  for (const whole of [...KERNEL, ...BUILT].map(bytesOf)) {
    for (let bit = 14 * 8; bit < Math.min(whole.length, 80) * 8; bit++) {
      const bytes = whole.slice()
      bytes[bit >>> 3] = (bytes[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
      frames.push({ bytes })
    }
  }
  t.diagnostic(`${compare(frames, ETHERNET)} of ${frames.length} lines compared`)
})

test('tcpdump prints the same line for raw IP frames', { skip: missing('tcpdump') }, () => {
  const frames = KERNEL.filter((v) => v.line.startsWith('IP ')).map((v) => ({ bytes: bytesOf(v).slice(14) }))
  assert.equal(compare(frames, RAW), frames.length)
})

test('every row of the tree of a kernel frame is a row of tshark -V', { skip: missing('tshark') }, (t) => {
  const frames = KERNEL.map((v) => ({ bytes: bytesOf(v) }))
  const known = tshark(frames, ETHERNET)
  let rows = 0
  for (const [i, f] of frames.entries()) {
    const walk = (n: TreeNode): void => {
      // tshark reads a time stamp at the start of ping's data, and guesses protocols by ports
      if (n.name !== 'data') assert.ok(known[i]?.has(n.text), `${KERNEL[i]?.name}: ${n.name}: ${n.text}`)
      rows++
      n.children.forEach(walk)
    }
    tree(f.bytes).forEach(walk)
  }
  t.diagnostic(`${rows} rows compared`)
})
