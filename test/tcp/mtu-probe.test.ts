/** Probing for the path's MTU where nobody reports it (RFC 4821, RFC 8899; Linux tcp_mtu_probing). */
import assert from 'node:assert/strict'
import { type MtuProbe, PROBE_NONE, prepareMtuProbe } from '../../src/tcp/mtu-probe.ts'
import { established, tcp } from './dsl.ts'
import { Path } from './path.ts'

const HEADERS = 40
const TIMESTAMPS = 12
const MSG_EOR = 0x80

/** Segments longer than `mtu` vanish on the way. */
const blackHole = (mtu: number) => ({
  delayMs: 10,
  rate: 50e6,
  queuePackets: 500,
  dropIf: (p: { length: number }) => p.length > mtu + 14,
})

tcp('tcp_mtu_probing 2: from 1024 bytes up by halves to the MTU that the path takes', () => {
  const path = new Path(blackHole(1400), 10)
  path.sysctl.tcp_mtu_probing = 2
  const flow = path.start('cubic')
  path.run(8e6)
  const mtu = flow.sender.snd.mss + HEADERS + TIMESTAMPS
  assert.ok(mtu <= 1400 && mtu > 1390, `MTU ${mtu}`)
  const { counters } = path
  assert.ok(counters.TcpExtTCPMTUPSuccess >= 3 && counters.TcpExtTCPMTUPFail >= 3)
  assert.ok((flow.received * 8) / 8e6 > 40, `${(flow.received * 8) / 8e6} Mbit/s`)
})

tcp('tcp_mtu_probing 1: a black hole stops everything until three timeouts, then shorter segments get through', () => {
  const path = new Path(blackHole(1200), 10)
  path.sysctl.tcp_mtu_probing = 1
  const flow = path.start('cubic')
  path.run(20e6)
  assert.ok(flow.received > 20e6, `${flow.received} bytes`)
  const mtu = flow.sender.snd.mss + HEADERS + TIMESTAMPS
  assert.ok(mtu <= 1200 && mtu > 1180, `MTU ${mtu}`)
})

tcp('tcp_mtu_probing 0: a black hole is a black hole (tcp(7))', () => {
  const path = new Path(blackHole(1200), 10)
  const flow = path.start('cubic')
  path.run(20e6)
  assert.equal(flow.received, 0)
})

tcp('tcp_mtu_probing 2: a path that takes everything ends at the MTU of the interface', () => {
  const path = new Path({ delayMs: 10, rate: 50e6, queuePackets: 500 }, 10)
  path.sysctl.tcp_mtu_probing = 2
  const flow = path.start('cubic')
  path.run(6e6)
  assert.ok(flow.sender.snd.mss >= 1448 - 8, `${flow.sender.snd.mss}`)
  assert.equal(path.counters.TcpExtTCPMTUPFail, 0)
})

tcp('A probe that would join two messages is none, and joins nothing (tcp_can_coalesce_send_queue_head)', () => {
  // Half of the window is a segment.
  const c = established({ sysctl: { tcp_mtu_probing: 2 }, window: 800 })
  const { snd } = c.t
  c.write(400)
  c.expect({ data: 400 })
  snd.cwnd = 1
  c.write(400)
  c.write(100, MSG_EOR)
  c.write(4000)
  snd.wnd = 65535
  snd.cwnd = 20
  assert.equal(prepareMtuProbe(c.t, c.t.mtuProbe as MtuProbe), PROBE_NONE)
  assert.equal(c.t.sendHead?.bytes, 400)
})
