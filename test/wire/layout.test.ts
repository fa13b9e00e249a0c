import assert from 'node:assert/strict'
import test from 'node:test'
import { arp, bytes, ethernet, icmpv4, ipv4, tcp, udp } from '../../src/wire/index.ts'
import { A, B, datagram, packet, segment } from './build.ts'
import { VECTORS as BUILT } from './vectors/built.ts'
import { VECTORS as KERNEL } from './vectors/kernel.ts'
import { bytesOf } from './vectors/vector.ts'

const IP = ethernet.HDR_LEN

test('header lengths are the sums of their fields (RFC 894, 826, 791, 792, 768, 9293)', () => {
  assert.equal(ethernet.HDR_LEN, 6 + 6 + 2)
  assert.equal(arp.HDR_LEN, 2 + 2 + 1 + 1 + 2 + 6 + 4 + 6 + 4)
  assert.equal(ipv4.HDR_LEN, 1 + 1 + 2 + 2 + 2 + 1 + 1 + 2 + 4 + 4)
  assert.equal(icmpv4.HDR_LEN, 1 + 1 + 2 + 4)
  assert.equal(udp.HDR_LEN, 2 + 2 + 2 + 2)
  assert.equal(tcp.HDR_LEN, 2 + 2 + 4 + 4 + 2 + 2 + 2 + 2)
  assert.equal(tcp.MAX_HDR_LEN, 15 * 4)
  assert.equal(ipv4.MAX_HDR_LEN, 15 * 4)
  assert.equal(ipv4.RF | ipv4.DF | ipv4.MF | ipv4.OFFSET_MASK, 0xffff)
})

test('loads and stores are big-endian and loads of 32 bits are signed (RFC 791 appendix B)', () => {
  const b = new Uint8Array(8)
  bytes.put32(b, 1, 0xfffefdfc)
  assert.deepEqual([...b.subarray(1, 5)], [0xff, 0xfe, 0xfd, 0xfc])
  assert.equal(bytes.get32(b, 1), -66052)
  assert.equal(bytes.get16(b, 2), 0xfefd)
  bytes.put16(b, 6, 0x11223)
  assert.equal(bytes.get16(b, 6), 0x1223)
  assert.equal(bytes.get8(b, 6), 0x12)
  assert.equal(bytes.get8(b, 99) | bytes.get16(b, 99) | bytes.get32(b, 99), 0)
})

test('every frame the kernel sent passes check, has right checksums, and survives parse and emitRepr', () => {
  for (const v of KERNEL) {
    const b = bytesOf(v)
    assert.ok(ethernet.check(b, 0, b.length))
    const out = b.slice()
    out.fill(0, 0, IP)
    ethernet.emitRepr(out, 0, ethernet.parse(b, 0))
    if (ethernet.etherType(b, 0) === ethernet.TYPE_ARP) {
      assert.ok(arp.check(b, IP, b.length))
      out.fill(0, IP)
      arp.emitRepr(out, IP, arp.parse(b, IP))
    } else {
      roundTripIp(b, out)
    }
    assert.deepEqual(out, b, v.name)
  }
})

function roundTripIp(b: Uint8Array, out: Uint8Array): void {
  assert.equal(ipv4.fault(b, IP, b.length), ipv4.OK)
  assert.ok(ipv4.check(b, IP, b.length))
  const o = IP + ipv4.headerLength(b, IP)
  const end = IP + ipv4.totalLength(b, IP)
  out.fill(0, IP, o)
  ipv4.emitRepr(out, IP, ipv4.parse(b, IP))
  if (ipv4.isFragment(b, IP)) return
  switch (ipv4.protocol(b, IP)) {
    case ipv4.PROTO_TCP:
      assert.ok(tcp.check(b, o, end) && tcp.checksumOk(b, o, end, ipv4.pseudo(b, IP)))
      out.fill(0, o, o + tcp.headerLength(b, o))
      tcp.emitRepr(out, o, tcp.parse(b, o))
      break
    case ipv4.PROTO_UDP:
      assert.ok(udp.check(b, o, end) && udp.checksumOk(b, o, ipv4.pseudo(b, IP), false))
      out.fill(0, o, o + udp.HDR_LEN)
      udp.emitRepr(out, o, udp.parse(b, o))
      break
    case ipv4.PROTO_ICMP:
      assert.ok(icmpv4.check(b, o, end) && icmpv4.checksumOk(b, o, end))
      out.fill(0, o, o + icmpv4.HDR_LEN)
      icmpv4.emitRepr(out, o, icmpv4.parse(b, o))
      break
  }
}

test('the emitters fill in the checksums the kernel filled in (RFC 791, 792, 768, 9293)', () => {
  for (const v of KERNEL) {
    const b = bytesOf(v)
    if (ethernet.etherType(b, 0) !== ethernet.TYPE_IPV4 || ipv4.isFragment(b, IP)) continue
    const out = b.slice()
    const o = IP + ipv4.headerLength(b, IP)
    const end = IP + ipv4.totalLength(b, IP)
    const length = end - o
    ipv4.fillChecksum(out, IP)
    if (ipv4.protocol(b, IP) === ipv4.PROTO_TCP) tcp.fillChecksum(out, o, end, ipv4.pseudo(b, IP))
    if (ipv4.protocol(b, IP) === ipv4.PROTO_ICMP) icmpv4.fillChecksum(out, o, end)
    if (ipv4.protocol(b, IP) === ipv4.PROTO_UDP) {
      udp.emit(out, o, udp.srcPort(b, o), udp.dstPort(b, o), length, ipv4.pseudo(b, IP))
    }
    assert.deepEqual(out, b, v.name)
  }
})

test('accessors read what emit wrote, at the extremes of each field', () => {
  const b = new Uint8Array(64)
  tcp.emit(b, 3, 65535, 1, -1, 0x80000000 | 0, 60, tcp.FLAGS_MASK, 65535)
  assert.equal(tcp.srcPort(b, 3), 65535)
  assert.equal(tcp.dstPort(b, 3), 1)
  assert.equal(tcp.ports(b, 3), (65535 << 16) | 1)
  assert.equal(tcp.seq(b, 3), -1)
  assert.equal(tcp.ack(b, 3), -2147483648)
  assert.equal(tcp.headerLength(b, 3), 60)
  assert.equal(tcp.flags(b, 3), tcp.FLAGS_MASK)
  assert.equal(tcp.reserved(b, 3), 0)
  assert.equal(tcp.window(b, 3), 65535)
  ipv4.emit(b, 2, 20, 0xb9, 65535, 65535, ipv4.DF | ipv4.MF | 8191, 255, 255, -1, -2)
  assert.deepEqual([ipv4.dscp(b, 2), ipv4.ecn(b, 2)], [46, ipv4.ECN_ECT1])
  assert.equal(ipv4.fragmentOffset(b, 2), 65528)
  assert.ok(ipv4.dontFragment(b, 2) && ipv4.moreFragments(b, 2) && ipv4.isFragment(b, 2) && ipv4.checksumOk(b, 2))
  assert.deepEqual([ipv4.src(b, 2), ipv4.dst(b, 2), ipv4.ttl(b, 2), ipv4.id(b, 2)], [-1, -2, 255, 65535])
})

test('decrementTtl and markEcn keep the header checksum right (RFC 1812 §5.3.1, RFC 3168 §5)', () => {
  const b = packet(ipv4.PROTO_UDP, datagram(Uint8Array.of(1)))
  for (let ttl = 63; ttl > 0; ttl--) {
    ipv4.decrementTtl(b, 0)
    assert.equal(ipv4.ttl(b, 0), ttl)
    assert.ok(ipv4.checksumOk(b, 0))
  }
  ipv4.markEcn(b, 0, ipv4.ECN_CE)
  assert.equal(ipv4.ecn(b, 0), ipv4.ECN_CE)
  assert.ok(ipv4.checksumOk(b, 0))
})

test('an echo request becomes its reply in place with a right checksum (RFC 792)', () => {
  const b = Uint8Array.of(8, 0, 0, 0, 0, 7, 0, 1, 1, 2, 3)
  icmpv4.fillChecksum(b, 0, b.length)
  icmpv4.toEchoReply(b, 0)
  assert.equal(icmpv4.type(b, 0), icmpv4.ECHO_REPLY)
  assert.ok(icmpv4.checksumOk(b, 0, b.length))
})

test('a UDP checksum that computes to zero is sent as all ones, and zero is taken as not computed (RFC 768)', () => {
  for (let last = 0; last < 65536; last++) {
    const b = Uint8Array.of(0, 1, 0, 2, 0, 10, 0, 0, last >>> 8, last)
    udp.emit(b, 0, 1, 2, 10, 0)
    assert.notEqual(udp.checksumField(b, 0), 0)
    if (udp.checksumField(b, 0) === 0xffff) assert.ok(udp.checksumOk(b, 0, 0, false))
  }
  const plain = new Uint8Array(8)
  udp.emitHeader(plain, 0, 1, 2, 8)
  assert.ok(udp.checksumOk(plain, 0, 0, true))
  assert.ok(!udp.checksumOk(plain, 0, 0, false))
})

test('ipv4.fault names the reason in the order of ip_rcv: header, checksum, truncation (RFC 1122 §3.2.1)', () => {
  const good = packet(ipv4.PROTO_UDP, datagram(Uint8Array.of(1)))
  assert.equal(ipv4.fault(good, 0, good.length), ipv4.OK)
  assert.equal(ipv4.fault(good, 0, good.length - 1), ipv4.TRUNCATED)
  assert.equal(ipv4.fault(good, 0, 19), ipv4.BAD_HEADER)
  const flipped = good.slice()
  flipped[8] = 1
  assert.equal(ipv4.fault(flipped, 0, good.length), ipv4.BAD_CHECKSUM)
  const tiny = good.slice()
  ipv4.setTotalLength(tiny, 0, 19)
  ipv4.fillChecksum(tiny, 0)
  assert.equal(ipv4.fault(tiny, 0, good.length), ipv4.BAD_HEADER)
})

test('Ethernet addresses: group bit, broadcast, equality, IPv4 group mapping (RFC 1112 §6.4)', () => {
  const b = new Uint8Array(20)
  ethernet.putMulticast4(b, 0, 0xefffffff | 0)
  assert.deepEqual([...b.subarray(0, 6)], [1, 0, 0x5e, 0x7f, 0xff, 0xff])
  assert.ok(ethernet.isMulticast(b, 0) && !ethernet.isBroadcast(b, 0))
  b.fill(0xff, 0, 6)
  assert.ok(ethernet.isMulticast(b, 0) && ethernet.isBroadcast(b, 0))
  ethernet.copyAddress(b, 0, b, 8)
  assert.ok(ethernet.sameAddress(b, 0, b, 8))
  b[13] = 0
  assert.ok(!ethernet.sameAddress(b, 0, b, 8))
})

test('the built vectors are what the emitters build today', async () => {
  const { buildFrames } = await import('./build.ts')
  const built = buildFrames()
  assert.deepEqual(
    built.map((f) => [f.name, Buffer.from(f.bytes).toString('hex')]),
    BUILT.map((v) => [v.name, v.hex]),
  )
  assert.equal(ipv4.src(packet(6, segment(0, new Uint8Array(0))), 0), A)
  assert.equal(ipv4.dst(packet(6, segment(0, new Uint8Array(0))), 0), B)
})
