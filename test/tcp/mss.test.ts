/** Segment sizes: the MSS option (RFC 9293 §3.7.1, RFC 6691), TCP_MAXSEG, path MTU (RFC 1191, LINUX-TCP 4). */
import assert from 'node:assert/strict'
import {
  IP_PMTUDISC_DO,
  IP_PMTUDISC_DONT,
  IP_PMTUDISC_OMIT,
  IP_PMTUDISC_PROBE,
  IP_PMTUDISC_WANT,
} from '../../src/sock/sock.ts'
import { established, synReceived, synSent, tcp } from './dsl.ts'

const TCP_MAXSEG = 2

for (const [mtu, mss] of [
  [1500, 1460],
  [576, 536],
  [9000, 8960],
] as const) {
  tcp(`MSS: on a link of MTU ${mtu} we advertise ${mss} (RFC 6691 §2; LINUX-TCP 4)`, () => {
    const c = synSent({ mtu })
    c.host.advance(1000)
    c.expect({ flags: 'S', mss })
  })
}

tcp("MSS: the smaller of the peer's option and our link counts (RFC 9293 §3.7.1)", () => {
  const c = established({ mss: 1000 })
  c.write(3000)
  assert.deepEqual(
    c.drain().map((s) => s.data),
    [1000, 1000, 1000],
  )
  c.send()
  const d = established({ mss: 9000 })
  d.write(1460)
  d.expect({ data: 1460 })
  d.send()
})

tcp('MSS: an absurdly small option is raised to tcp_min_snd_mss = 48 (ip-sysctl; CVE-2019-11479)', () => {
  const c = established({ mss: 1 })
  c.write(480)
  for (const s of c.drain()) assert.ok(s.data >= 8, String(s.data))
  for (let i = 0; i < 100 && c.t.txHead !== null; i++) c.send()
})

tcp('IP_MTU_DISCOVER: DF if it is WANT and no router locked the MTU, or DO (ip_dont_fragment)', () => {
  for (const [discover, locked, df] of [
    [IP_PMTUDISC_WANT, false, true],
    [IP_PMTUDISC_WANT, true, false],
    [IP_PMTUDISC_DO, true, true],
    [IP_PMTUDISC_DONT, false, false],
    [IP_PMTUDISC_PROBE, false, false],
    [IP_PMTUDISC_OMIT, false, false],
  ] as const) {
    const c = established()
    c.t.mtuDiscover = discover
    // Nobody may send less than min_pmtu, 552: the MTU stays there.
    if (locked) c.sendIcmp(1, 3, 4, 68)
    c.write(100)
    assert.equal(c.expect({ data: 100 }).df, df, `${discover} ${locked}`)
    c.send()
  }
})

tcp('TCP_MAXSEG: lowers what we advertise and send, and is inherited (LINUX-TCP 4)', () => {
  const c = synReceived({ prepare: (t) => t.setOption(6, TCP_MAXSEG, 700) })
  const listener = c.t
  c.advance(1000)
  c.expect({ flags: 'S.', mss: 700 })
  c.send({ seq: 1, ack: 1 })
  c.acceptFrom(listener)
  c.write(1400)
  assert.deepEqual(
    c.drain().map((s) => s.data),
    [700, 700],
  )
  c.send()
})

tcp(
  'Path MTU: "fragmentation needed" makes the segments shorter and sends the lost one again at once (RFC 1191 §6.5)',
  () => {
    const c = established({ sndbuf: 1 << 20 })
    c.write(1460 * 2)
    c.drain()
    c.sendIcmp(1, 3, 4, 1000)
    const again = c.drain()
    assert.ok(again.length > 0 && again.every((s) => s.data <= 960), again.map((s) => s.data).join())
    assert.equal(again[0]?.seq, 1)
    assert.equal(c.t.snd.mss, 960)
    for (let i = 0; i < 30 && c.t.txHead !== null; i++) {
      c.send()
      c.advance(100)
    }
    c.drain()
    c.write(2000)
    assert.ok(c.drain().every((s) => s.data <= 960))
    c.send()
  },
)

tcp('Path MTU: an error about data not in flight is not believed (RFC 5927 §7)', () => {
  const c = established()
  c.write(1460)
  c.drain()
  c.sendIcmp(90000, 3, 4, 600)
  c.expectNothing()
  assert.equal(c.t.snd.mss, 1460)
  c.send()
})

tcp('Path MTU: never below 552 bytes, whatever a router claims (ip-sysctl min_pmtu)', () => {
  const c = established()
  c.write(1460)
  c.drain()
  c.sendIcmp(1, 3, 4, 68)
  assert.equal(c.t.snd.mss, 552 - 40)
  for (let i = 0; i < 20 && c.t.txHead !== null; i++) c.send()
})

tcp('ICMP: errors on an established connection are soft (RFC 1122 §4.2.3.9)', () => {
  const c = established()
  c.write(10)
  for (const code of [0, 1, 2, 3, 5]) c.sendIcmp(1, 3, code)
  c.sendIcmp(1, 11, 0)
  assert.equal(c.state, 'ESTABLISHED')
  assert.equal(c.error(), 0)
  c.send()
  assert.equal(c.t.softError, 0)
})
