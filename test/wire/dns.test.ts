/** Domain Name System messages: RFC 1035 §4. */
import assert from 'node:assert/strict'
import test from 'node:test'
import * as dns from '../../src/wire/dns.ts'

const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex')
const from = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
const record = (name: string, type: number, data: dns.RecordData, ttl = 300): dns.ResourceRecord => ({
  name,
  type,
  class: dns.CLASS_IN,
  ttl,
  data,
})

test('a query for www.example.com A with recursion is the 33 bytes of RFC 1035 §4.1', () => {
  const questions = [{ name: 'www.example.com', type: dns.TYPE_A, class: dns.CLASS_IN }]
  const bytes = dns.emit(dns.message({ id: 0x1234, flags: dns.FLAG_RD, questions }))
  assert.equal(
    hex(bytes),
    '1234 0100 0001 0000 0000 0000 03777777 076578616d706c65 03636f6d 00 0001 0001'.replaceAll(' ', ''),
  )
  assert.deepEqual(dns.parse(bytes)?.questions, questions)
})

test('an answer with pointers is read: the compression example of RFC 1035 §4.1.4', () => {
  const bytes = from(`
    abcd 8180 0001 0002 0000 0000
    03777777 076578616d706c65 03636f6d 00 0001 0001
    c00c 0005 0001 0000003c 0005 0277 36 c010
    c02d 0001 0001 0000003c 0004 c0000201`)
  const m = dns.parse(bytes)
  assert.equal(m?.flags, dns.FLAG_QR | dns.FLAG_RD | dns.FLAG_RA)
  assert.deepEqual(m?.answers, [
    record('www.example.com', dns.TYPE_CNAME, 'w6.example.com', 60),
    record('w6.example.com', dns.TYPE_A, '192.0.2.1', 60),
  ])
})

test('every kind of record comes back as it was written, names compressed', () => {
  const answers = [
    record('a.example', dns.TYPE_A, '192.0.2.1'),
    record('a.example', dns.TYPE_AAAA, '2001:db8::1'),
    record('b.example', dns.TYPE_CNAME, 'a.example'),
    record('1.2.0.192.in-addr.arpa', dns.TYPE_PTR, 'a.example'),
    record('example', dns.TYPE_NS, 'ns.example'),
    record('example', dns.TYPE_MX, { preference: 10, exchange: 'mail.example' }),
    record('_http._tcp.example', dns.TYPE_SRV, { priority: 1, weight: 2, port: 80, target: 'a.example' }),
    record('example', dns.TYPE_TXT, [Uint8Array.of(97, 98), new Uint8Array(0)]),
    record('example', dns.TYPE_SOA, {
      mname: 'ns.example',
      rname: 'root.example',
      serial: 4294967295,
      refresh: 1,
      retry: 2,
      expire: 3,
      minimum: 4,
    }),
    record('', 99, Uint8Array.of(1, 2, 3)),
    record('dot\\.in\\\\label\\000\\255.example', dns.TYPE_A, '192.0.2.2'),
  ]
  const m = dns.message({ id: 7, flags: dns.FLAG_QR | dns.FLAG_AA, opcode: 2, rcode: dns.NXDOMAIN, answers })
  const bytes = dns.emit(m)
  assert.deepEqual(dns.parse(bytes), m)
  assert.equal(hex(bytes).split(hex(Buffer.from('\x07example'))).length, 2, 'the domain stands there once')
})

test('a message longer than the limit is cut to its question with TC (RFC 2181 §9)', () => {
  const questions = [{ name: 'big.example', type: dns.TYPE_A, class: dns.CLASS_IN }]
  const answers = Array.from({ length: 40 }, (_, i) => record('big.example', dns.TYPE_A, `192.0.2.${i}`))
  const m = dns.parse(dns.emit(dns.message({ flags: dns.FLAG_QR, questions, answers }), dns.MAX_UDP))
  assert.equal(m?.flags, dns.FLAG_QR | dns.FLAG_TC)
  assert.deepEqual([m?.questions, m?.answers], [questions, []])
})

test('names: 255 bytes and labels of 63 at most, none empty; case and a dot at the end do not tell them apart', () => {
  assert.equal(dns.labels('a'.repeat(63))?.length, 1)
  for (const bad of ['a'.repeat(64), 'a..b', '.a', `${'a.'.repeat(127)}a.b`, '\u0100', 'a\\300'])
    assert.equal(dns.labels(bad), undefined, bad)
  assert.equal(dns.labels('a.'.repeat(127))?.length, 127)
  assert.ok(dns.sameName('WWW.Example.com.', 'www.example.COM'))
  assert.ok(!dns.sameName('a\\.', 'a\\'))
  assert.equal(dns.reverseName(Uint8Array.of(192, 0, 2, 1)), '1.2.0.192.in-addr.arpa')
  assert.equal(
    dns.reverseName(from('20010db8000000000000000000000001')),
    '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa',
  )
})

test('a message cut off anywhere, or with any byte changed, is read or refused, never for ever and never beyond its end', () => {
  const answers = [
    record('a.example', dns.TYPE_MX, { preference: 10, exchange: 'mail.example' }),
    record('b.example', dns.TYPE_TXT, [Uint8Array.of(1, 2, 3)]),
    record('c.example', dns.TYPE_CNAME, 'd.example'),
  ]
  const bytes = dns.emit(dns.message({ questions: [{ name: 'a.example', type: 15, class: 1 }], answers }))
  for (let end = 0; end < bytes.length; end++) assert.equal(dns.parse(bytes.subarray(0, end)), undefined)
  for (let i = 0; i < bytes.length; i++) {
    for (const value of [0, 1, 0x3f, 0x40, 0xc0, 0xff]) {
      const changed = bytes.slice()
      changed[i] = value
      dns.parse(changed)
    }
  }
  // A pointer to itself, and one forward.
  assert.equal(dns.parse(from('0000 0000 0001 0000 0000 0000 c00c 0001 0001')), undefined)
  assert.equal(dns.parse(from('0000 0000 0001 0000 0000 0000 c010 0001 0001 00')), undefined)
})
