import assert from 'node:assert/strict'
import test from 'node:test'
import * as cidr from '../../src/addr/cidr.ts'
import * as ip4 from '../../src/addr/ip4.ts'
import * as mac from '../../src/addr/mac.ts'

test('an IPv4 address is parsed to an int32 and formatted back, 255.255.255.255 being -1', () => {
  for (const text of ['0.0.0.0', '10.0.0.1', '127.0.0.1', '128.0.0.1', '192.168.255.254', '255.255.255.255']) {
    const address = ip4.parse(text)
    assert.equal(address, (address ?? 0) | 0)
    assert.equal(ip4.format(address ?? 0), text)
  }
  assert.equal(ip4.parse('255.255.255.255'), -1)
  assert.equal(ip4.parse('10.0.0.1'), ip4.of(10, 0, 0, 1))
})

test('anything but four decimal parts without leading zeros is refused (inet_pton)', () => {
  const bad = ['', '.', '1', '1.2.3', '1.2.3.4.5', '1.2.3.', '.1.2.3', '1..2.3', '256.0.0.1', '1.2.3.256', '01.2.3.4']
  bad.push(
    '1.2.3.04',
    '1.2.3.00',
    '0x1.2.3.4',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '1.2.3.-4',
    '1.2.3.4a',
    '1,2,3,4',
    '9999999999.1.1.1',
  )
  for (const text of bad) assert.equal(ip4.parse(text), undefined, text)
})

test('addresses are classified by the special-purpose registry (RFC 6890, RFC 1122 §3.2.1.3)', () => {
  const at = (text: string): number => ip4.parse(text) ?? Number.NaN
  assert.ok(ip4.isUnspecified(at('0.0.0.0')) && ip4.isUnicast(at('0.1.2.3')))
  assert.ok(ip4.isLoopback(at('127.255.0.1')) && !ip4.isLoopback(at('128.0.0.1')))
  assert.ok(ip4.isMulticast(at('224.0.0.1')) && ip4.isMulticast(at('239.255.255.255')))
  assert.ok(!ip4.isMulticast(at('223.255.255.255')) && !ip4.isMulticast(at('240.0.0.0')))
  assert.ok(ip4.isLocalMulticast(at('224.0.0.251')) && !ip4.isLocalMulticast(at('224.0.1.1')))
  assert.ok(ip4.isBroadcast(at('255.255.255.255')) && !ip4.isBroadcast(at('255.255.255.254')))
  assert.ok(ip4.isClassE(at('240.0.0.1')) && !ip4.isClassE(-1))
  for (const text of ['10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.0.1'])
    assert.ok(ip4.isPrivate(at(text)), text)
  for (const text of ['11.0.0.1', '172.15.0.1', '172.32.0.1', '192.169.0.1']) assert.ok(!ip4.isPrivate(at(text)), text)
  assert.ok(ip4.isLinkLocal(at('169.254.9.9')) && !ip4.isLinkLocal(at('169.253.9.9')))
  for (const text of ['1.1.1.1', '127.0.0.1', '223.0.0.1']) assert.ok(ip4.isUnicast(at(text)), text)
  for (const text of ['0.0.0.0', '224.0.0.1', '250.0.0.1', '255.255.255.255']) assert.ok(!ip4.isUnicast(at(text)), text)
  assert.equal(ip4.ALL_HOSTS, at('224.0.0.1'))
  assert.equal(ip4.ALL_ROUTERS, at('224.0.0.2'))
})

test('masks and prefix lengths turn into each other for every length (RFC 4632 §3.1)', () => {
  for (let n = 0; n <= 32; n++) {
    assert.equal(ip4.prefixOf(ip4.mask(n)), n)
    assert.equal(
      ip4.format(ip4.mask(n)),
      [0, 8, 16, 24].map((i) => 256 - 2 ** (8 - Math.min(8, Math.max(0, n - i)))).join('.'),
    )
  }
  assert.equal(ip4.prefixOf(ip4.of(255, 0, 255, 0)), -1)
})

test('a network holds its own addresses only, and has a directed broadcast (RFC 919 §7)', () => {
  const net = ip4.of(192, 168, 4, 0)
  assert.ok(ip4.inNetwork(ip4.of(192, 168, 7, 255), net, 22))
  assert.ok(!ip4.inNetwork(ip4.of(192, 168, 8, 0), net, 22))
  assert.ok(ip4.inNetwork(-1, net, 0))
  assert.equal(ip4.format(ip4.directedBroadcast(net, 22)), '192.168.7.255')
})

test('a prefix is parsed with its host bits, and without a length is one address', () => {
  const c = cidr.parse('10.1.2.3/8')
  assert.ok(c)
  assert.deepEqual(c, { address: ip4.of(10, 1, 2, 3), prefix: 8 })
  assert.equal(cidr.format(c), '10.1.2.3/8')
  assert.equal(ip4.format(cidr.network(c)), '10.0.0.0')
  assert.ok(cidr.contains(c, ip4.of(10, 9, 9, 9)) && !cidr.contains(c, ip4.of(11, 0, 0, 0)))
  assert.equal(cidr.parse('10.0.0.1')?.prefix, 32)
  assert.equal(cidr.parse('0.0.0.0/0')?.prefix, 0)
  for (const text of ['', '/8', '10.0.0.1/', '10.0.0.1/33', '10.0.0.1/08', '10.0.0.1/-1', '10.0.0/8', '1.1.1.1/8/8']) {
    assert.equal(cidr.parse(text), undefined, text)
  }
})

test('hardware addresses are parsed with colons or dashes and printed with colons (IEEE 802 §8)', () => {
  const bytes = mac.parse('02:00:0a:FF:0:1')
  assert.ok(bytes)
  assert.equal(mac.format(bytes), '02:00:0a:ff:00:01')
  assert.deepEqual(mac.parse('02-00-0a-ff-00-01'), bytes)
  for (const text of ['', '1:2:3:4:5', '1:2:3:4:5:6:7', '1:2:3:4:5:g', '001:2:3:4:5:6', '1:2:3:4:5:', '1-2:3-4:5-6']) {
    assert.equal(mac.parse(text), undefined, text)
  }
})

test('hardware addresses are compared and classified in place', () => {
  const b = Uint8Array.of(9, ...mac.broadcast(), ...mac.zero())
  assert.ok(mac.isBroadcast(b, 1) && mac.isMulticast(b, 1) && !mac.isZero(b, 1))
  assert.ok(mac.isZero(b, 7) && !mac.isMulticast(b, 7) && !mac.isBroadcast(b, 7))
  assert.ok(mac.equal(b, mac.broadcast(), 1) && !mac.equal(b, b, 1, 7))
})
