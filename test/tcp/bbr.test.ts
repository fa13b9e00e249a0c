/** BBR on paths in virtual time (Linux tcp_bbr.c; Cardwell et al., "BBR: Congestion-Based Congestion Control", 2016). */
import assert from 'node:assert/strict'
import { SO_MAX_PACING_RATE, SOL_SOCKET, SOL_TCP, TCP_CC_INFO } from '../../src/sock/constants.ts'
import { OptionResult } from '../../src/sock/sock.ts'
import { mustPace, paced, pacingOf, pacingRate } from '../../src/tcp/pacing.ts'
import { established, tcp } from './dsl.ts'
import { type Flow, Path } from './path.ts'

/** 20 Mbit/s, 20 ms each way: 100 kB of bandwidth-delay product, 66 segments with their headers. */
const RATE = 20e6
const DELAY = 20
const BDP = (RATE * 2 * DELAY) / 1e3 / 8 / 1514
/** A buffer of five of them. */
const QUEUE = Math.round(5 * BDP)

const mbits = (flow: Flow, seconds: number): number => (flow.received * 8) / seconds / 1e6

tcp('BBR: a full pipe and hardly a queue, where CUBIC fills the buffer (BBR §Steady state)', () => {
  const rtt = (congestion: string): number => {
    const path = new Path({ delayMs: DELAY, rate: RATE, queuePackets: QUEUE }, DELAY)
    const flow = path.start(congestion)
    path.run(5e6)
    const { received } = flow
    path.run(4e6)
    assert.ok(((flow.received - received) * 8) / 4e6 > 0.9 * (RATE / 1e6), congestion)
    return flow.sender.srtt / 8000
  }
  const bbr = rtt('bbr')
  const cubic = rtt('cubic')
  assert.ok(bbr < 60, `BBR's RTT ${bbr} ms of 40`)
  assert.ok(cubic > 90, `CUBIC's RTT ${cubic} ms`)
})

tcp(
  'BBR: STARTUP doubles the rate each round, then the queue it made is drained within two (tcp_bbr.c bbr_check_drain)',
  () => {
    const path = new Path({ delayMs: DELAY, rate: RATE, queuePackets: QUEUE }, DELAY)
    const flow = path.start('bbr')
    let most = 0
    path.run(1e6, () => {
      most = Math.max(most, flow.sender.packetsOut)
    })
    assert.ok(most > 1.8 * BDP, `${most} out at most`)
    assert.ok(flow.sender.packetsOut < 1.6 * BDP, `${flow.sender.packetsOut} out after a second`)
    const rate = (pacingRate(flow.sender) * 8 * 1514) / 1448
    assert.ok(rate > 0.7 * RATE && rate < 1.3 * RATE, `${rate} bit/s`)
  },
)

tcp(
  'BBR: ten seconds without a lower RTT, and no more than four segments are out for 200 ms (tcp_bbr.c bbr_update_min_rtt)',
  () => {
    const path = new Path({ delayMs: DELAY, rate: RATE, queuePackets: QUEUE }, DELAY)
    const flow = path.start('bbr')
    const quiet: number[] = []
    let since = 0
    path.run(45e6, () => {
      const isSmall = flow.sender.snd.cwnd <= 4
      if (isSmall && since === 0) since = path.clock.now()
      if (!isSmall && since !== 0) {
        quiet.push(path.clock.now() - since)
        since = 0
      }
    })
    assert.ok(quiet.length >= 2 && quiet.length <= 4, `${quiet.length} times`)
    for (const time of quiet) assert.ok(time >= 2e5 && time < 4e5, `${time} us`)
  },
)

tcp(
  'TCP_CC_INFO: rate, least RTT and gains of bbr, zeros before it is connected; of others nothing (bbr_get_info)',
  () => {
    const path = new Path({ delayMs: DELAY, rate: RATE, queuePackets: QUEUE }, DELAY)
    const told = (flow: Flow): Uint8Array => {
      const result = new OptionResult()
      assert.equal(flow.sender.getOption(SOL_TCP, TCP_CC_INFO, result), 0)
      return result.value as Uint8Array
    }
    const flow = path.start('bbr')
    assert.deepEqual(told(flow), new Uint8Array(20))
    path.run(5e6)
    const view = new DataView(told(flow).buffer)
    const [bw, minRtt] = [Number(view.getBigUint64(0, true)), view.getUint32(8, true)]
    const most = ((RATE / 8) * 1448) / 1514
    assert.ok(bw > 0.95 * most && bw < 1.05 * most, `${bw} bytes/s of ${most}`)
    assert.ok(minRtt >= 40e3 && minRtt < 45e3, `${minRtt} us`)
    assert.ok([192, 256, 320].includes(view.getUint32(12, true)))
    assert.equal(view.getUint32(16, true), 512)
    assert.equal(told(path.start('cubic')).length, 0)
  },
)

tcp('BBR: three percent of random loss cost it little, CUBIC nearly everything (BBR §Lossy links)', () => {
  const goodput = (congestion: string): number => {
    const path = new Path({ delayMs: DELAY, rate: RATE, queuePackets: QUEUE, loss: 0.03 }, DELAY)
    const flow = path.start(congestion)
    path.run(8e6)
    return mbits(flow, 8)
  }
  const [bbr, cubic] = [goodput('bbr'), goodput('cubic')]
  assert.ok(bbr > 0.75 * (RATE / 1e6), `BBR ${bbr} Mbit/s`)
  assert.ok(cubic < 0.2 * (RATE / 1e6), `CUBIC ${cubic} Mbit/s`)
})

tcp('SO_MAX_PACING_RATE: CUBIC sends no faster than the program allows (socket(7))', () => {
  const path = new Path({ delayMs: DELAY, rate: RATE, queuePackets: QUEUE }, DELAY)
  const flow = path.start('cubic')
  flow.sender.setOption(SOL_SOCKET, SO_MAX_PACING_RATE, 5e6 / 8)
  path.run(4e6)
  const rate = mbits(flow, 4)
  assert.ok(rate > 4 && rate < 5, `${rate} Mbit/s`)
  assert.equal(pacingRate(flow.sender), 5e6 / 8)
})

for (const congestion of ['cubic', 'reno', 'bbr']) {
  tcp(`Fairness: two ${congestion} flows share a bottleneck, Jain's index at least 0.95 (RFC 5166 §2.3)`, () => {
    /** The second flow begins `gap` microseconds after the first; measured for a minute, after they had 40 s to settle. */
    const jain = (gap: number): number => {
      const path = new Path({ delayMs: DELAY, rate: RATE / 4, queuePackets: Math.round(BDP / 4) }, DELAY)
      const first = path.start(congestion)
      path.run(gap)
      const second = path.start(congestion)
      path.run(40e6)
      const before = [first.received, second.received]
      path.run(60e6)
      const [a, b] = [first.received - (before[0] as number), second.received - (before[1] as number)]
      return (a + b) ** 2 / (2 * (a * a + b * b))
    }
    // Any minute may be an uneven one of BBR's: one flow sees the other's PROBE_RTT.
    const all = [0.5e6, 1e6, 2.3e6].map(jain)
    const mean = all.reduce((a, b) => a + b) / all.length
    assert.ok(mean >= 0.95, `${all}`)
  })
}

tcp('pacing: what comes before a timer that is due sends at once, and the time it was late is made up for', () => {
  const path = new Path({ delayMs: DELAY, rate: RATE, queuePackets: QUEUE }, DELAY)
  const { sender } = path.start('bbr')
  path.run(1e6)
  const { now } = sender.tcp
  const pacing = pacingOf(sender)
  pacing.rate = 1e6
  assert.ok(pacing.timer !== null)
  pacing.timer.deadline = pacing.nextAt = now - 3000
  assert.equal(mustPace(sender), false)
  // A millisecond's worth.
  paced(sender, 1000)
  assert.equal(pacing.nextAt, now - 2000)
})

tcp(
  'BBR: when the least RTT expires, an ACK that a lone runt may have waited for does not replace it (FLAG_ACK_MAYBE_DELAYED)',
  () => {
    const c = established({ sack: true, sysctl: { tcp_congestion_control: 'bbr' } })
    const minRtt = (): number => (c.t.caData as { minRtt: number }).minRtt
    let end = 1
    const roundTrip = (bytes: number, ms: number): void => {
      end += c.write(bytes)
      c.advance(ms)
      c.send({ ack: end })
      c.advance(1)
    }
    for (let i = 0; i < 3; i++) roundTrip(1460 * 2, 20)
    const least = minRtt()
    assert.ok(least >= 20000 && least < 25000, String(least))
    c.advance(11_000)
    roundTrip(100, 220)
    assert.equal(minRtt(), least)
    roundTrip(1460 * 2, 100)
    assert.ok(minRtt() >= 100000, String(minRtt()))
  },
)
