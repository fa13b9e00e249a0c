import * as ip4 from '../src/addr/ip4.ts'
import { CSUM_PARTIAL } from '../src/buf/packet.ts'
import { PacketPool } from '../src/buf/pool.ts'
import { cable } from '../src/link/cable.ts'
import { F_ALL, F_GRO } from '../src/link/link.ts'
import { Stack } from '../src/stack/stack.ts'
import { Random } from '../src/sys/random.ts'
import { VirtualClock } from '../src/sys/virtual-clock.ts'

const clock = new VirtualClock()
const pool = new PacketPool()
const a = new Stack({ name: 'a', clock, random: new Random(1), pool })
const b = new Stack({ name: 'b', clock, random: new Random(2), pool })
const features = process.argv[2] === 'gro' ? F_ALL : F_ALL & ~F_GRO
const [x, y] = cable(clock, { features })
a.addInterface('eth0', x, { addresses: ['10.0.0.1/24'] })
b.addInterface('eth0', y, { addresses: ['10.0.0.2/24'] })
let got = 0
b.ipv4.register(6, {
  input(p) {
    got++
    p.release()
  },
  error() {},
})
const to = ip4.parse('10.0.0.2')!,
  from = ip4.parse('10.0.0.1')!
a.ipv4.icmp.sendEcho(to, 1, 1, new Uint8Array(8))
clock.runUntilSync(1e6)
const page = pool.takeChunk(65536)
function run(n: number) {
  const dst = a.ipv4.route(to, from, 0)
  if (typeof dst === 'number') throw dst
  for (let i = 0; i < n; i += 64) {
    for (let k = 0; k < 64; k++) {
      const p = pool.allocHeader(0)
      const o = p.push(20)
      p.end = o + 20
      p.view.setInt32(o + 12, 0x50100000)
      p.addFrag(page, 0, 1400)
      p.csum = CSUM_PARTIAL
      p.csumOffset = 16
      a.ipv4.output(p, dst, from, to, 6, 64, 0, true)
    }
    clock.settle()
  }
}
function bare(n: number) {
  const [e, _f] = cables
  for (let i = 0; i < n; i += 64) {
    for (let k = 0; k < 64; k++) {
      const p = pool.allocHeader(0)
      const o = p.push(20)
      p.end = o + 20
      p.view.setInt32(o + 12, 0x50100000)
      p.addFrag(page, 0, 1400)
      e.send(p)
    }
    clock.settle()
  }
}
const cables = cable(clock)
cables[1].attach((p) => p.release())
for (let r = 0; r < 5; r++) {
  const N = 2_000_000
  let t = process.hrtime.bigint()
  run(N)
  const ip = Number(process.hrtime.bigint() - t) / N
  t = process.hrtime.bigint()
  bare(N)
  const link = Number(process.hrtime.bigint() - t) / N
  console.log(
    `total ${ip.toFixed(1)} ns, alloc+cable ${link.toFixed(1)} ns, ip ${(ip - link).toFixed(1)} ns, got ${got}`,
  )
}
