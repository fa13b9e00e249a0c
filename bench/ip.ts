/**
 * What IP and Ethernet cost a TCP-sized packet, out of one host and into another over a cable: nanoseconds a packet,
 * less what the packet's allocation and the bare cable cost. `node --import tsx bench/ip.ts [gro]`
 */
import * as ip4 from '../src/addr/ip4.ts'
import { CSUM_PARTIAL, type Packet } from '../src/buf/packet.ts'
import { PacketPool } from '../src/buf/pool.ts'
import { cable } from '../src/link/cable.ts'
import { F_ALL, F_GRO } from '../src/link/link.ts'
import { Stack } from '../src/stack/stack.ts'
import { Random } from '../src/sys/random.ts'
import { VirtualClock } from '../src/sys/virtual-clock.ts'

const PACKETS = 2_000_000
const BATCH = 64
const clock = new VirtualClock()
const pool = new PacketPool()
const page = pool.takeChunk(65536)
const features = process.argv[2] === 'gro' ? F_ALL : F_ALL & ~F_GRO
const from = ip4.of(10, 0, 0, 1)
const to = ip4.of(10, 0, 0, 2)

function host(name: string, seed: number): Stack {
  return new Stack({ name, clock, random: new Random(seed), pool })
}

/** A packet as TCP hands it to IP: 20 bytes of header, 1,400 of payload in a slice. */
function segment(): Packet {
  const packet = pool.allocHeader(0)
  const at = packet.push(20)
  packet.view.setInt32(at + 12, 0x50100000)
  packet.addFrag(page, 0, 1400)
  packet.csum = CSUM_PARTIAL
  packet.csumOffset = 16
  return packet
}

function timed(send: () => void): number {
  const start = process.hrtime.bigint()
  for (let i = 0; i < PACKETS; i += BATCH) {
    for (let k = 0; k < BATCH; k++) send()
    clock.settle()
  }
  return Number(process.hrtime.bigint() - start) / PACKETS
}

const [a, b] = [host('a', 1), host('b', 2)]
const [x, y] = cable(clock, { features })
a.addInterface('eth0', x, { addresses: ['10.0.0.1/24'] })
b.addInterface('eth0', y, { addresses: ['10.0.0.2/24'] })
b.ipv4.register(6, { input: (packet) => packet.release(), error: () => {} })
a.ipv4.icmp.sendEcho(to, 1, 1, new Uint8Array(8))
clock.runUntilSync(1_000_000)
const dst = a.ipv4.route(to, from, 0)
if (typeof dst === 'number') throw new Error(`no route: ${dst}`)

const [plug, socket] = cable(clock)
socket.attach((packet) => packet.release())
for (let round = 0; round < 5; round++) {
  const whole = timed(() => a.ipv4.output(segment(), dst, from, to, 6, 64, 0, true))
  const bare = timed(() => plug.send(segment()))
  console.log(
    `out and in ${whole.toFixed(0)} ns, of which packet and cable ${bare.toFixed(0)}, IP and Ethernet ${(whole - bare).toFixed(0)}`,
  )
}
