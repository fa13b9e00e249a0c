import type { PacketPool } from '../../src/buf/pool.ts'
import {
  cable,
  capture,
  F_WIRE,
  Hub,
  impair,
  type Link,
  Loopback,
  MemorySink,
  PcapngWriter,
  Switch,
  sniff,
  Tap,
  Tun,
} from '../../src/link/index.ts'
import { Random } from '../../src/sys/random.ts'
import { linkCompliance } from './compliance.ts'

linkCompliance('cable', (clock) => ({ ends: cable(clock) }))
linkCompliance('cable of IP packets without offloads', (clock) => ({
  ends: cable(clock, { medium: 'ip', features: F_WIRE }),
}))
linkCompliance('loopback', (clock) => {
  const lo = new Loopback(clock)
  return { ends: [lo, lo] }
})
linkCompliance('hub', (clock) => {
  const hub = new Hub(clock)
  return { ends: [hub.port(), hub.port()] }
})
linkCompliance('switch', (clock) => {
  const bridge = new Switch(clock)
  return { ends: [bridge.port(), bridge.port()] }
})
linkCompliance('sniffer', (clock) => {
  const [a, b] = cable(clock)
  return { ends: [sniff(a, () => {}), sniff(b, () => {})] }
})
linkCompliance('capture', (clock) => {
  const [a, b] = cable(clock)
  const writer = new PcapngWriter(new MemorySink(), clock)
  return { ends: [capture(a, writer, 'a'), capture(b, writer, 'b')] }
})
linkCompliance('impairment without faults', (clock) => {
  const [a, b] = cable(clock)
  return { ends: [impair(a, {}, clock, new Random(1)), impair(b, {}, clock, new Random(2))] }
})

/** Joins two TUN or TAP devices by programs that copy packets from one to the other. */
function joined(a: Tun, b: Tun): { ends: [Link, Link] } {
  const copy = (from: Tun, to: Tun) => {
    const buffer = new Uint8Array(2048)
    from.onReadable = () => {
      for (let n = from.read(buffer); n > 0; n = from.read(buffer)) to.write(buffer.subarray(0, n))
    }
  }
  copy(a, b)
  copy(b, a)
  return { ends: [a, b] }
}
linkCompliance('tun', (clock, pool: PacketPool) => joined(new Tun(clock, pool), new Tun(clock, pool)))
linkCompliance('tap', (clock, pool: PacketPool) => joined(new Tap(clock, pool), new Tap(clock, pool)))
