/** IPv6 addresses as text: RFC 4291 §2.2, RFC 5952; what glibc takes and prints. */
import assert from 'node:assert/strict'
import test from 'node:test'
import * as ip6 from '../../src/addr/ip6.ts'

const canonical = (text: string): string | undefined => {
  const bytes = ip6.parse(text)
  return bytes === undefined ? undefined : ip6.format(bytes)
}

test('any text of RFC 4291 §2.2 becomes the canonical one of RFC 5952 §4', () => {
  const cases: readonly (readonly [string, string])[] = [
    // RFC 5952 §1 and §2: all of these are the same.
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8::1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8::0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0db8::1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:0:1::1', '2001:db8::1:0:0:1'],
    ['2001:DB8:0:0:1::1', '2001:db8::1:0:0:1'],
    // §4.2.2: one group is not shortened; §4.2.3: the longest, then the first.
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    // §5: mapped addresses with a dotted quad.
    ['::ffff:c000:201', '::ffff:192.0.2.1'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['::ffff:0.0.0.0', '::ffff:0.0.0.0'],
    ['::192.0.2.1', '::192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['::', '::'],
    ['::1', '::1'],
    ['::1:0', '::0.1.0.0'],
    ['1::', '1::'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['fe80::0202:B3FF:FE1E:8329', 'fe80::202:b3ff:fe1e:8329'],
  ]
  for (const [text, expected] of cases) assert.equal(canonical(text), expected, text)
})

test('text that is no IPv6 address is refused (inet_pton(3))', () => {
  // biome-ignore format: several a line
  const bad = ['', ':', ':::', '1', '1:', ':1', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1::2::3', '::12345', '1:2:3:4:5:6:7:8::',
    '::g', '::1 ', ' ::1', '::1%eth0', '::1/64', '[::1]', '1.2.3.4', '::1.2.3', '::1.2.3.256', '::01.2.3.4', '1:2:3:4:5:6:7:1.2.3.4',
    '::1.2.3.4:5', '::ffff:1.2.3.4.5', ':1:2:3:4:5:6:7', '1:2:3:4:5:6:7:', '::-1']
  for (const text of bad) assert.equal(ip6.parse(text), undefined, text)
})
