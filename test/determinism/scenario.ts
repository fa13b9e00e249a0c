/**
 * A rich run in virtual time: three hosts on an impaired switch, TCP both ways, UDP with fragments, pings, a closed port, a
 * keep-alive. What it leaves is one capture; the same seed must give the same bytes on every runtime.
 */

import { parse } from '../../src/addr/ip4.ts'
import type { Process } from '../../src/index.ts'
import { AF_INET, Host, Random, SOCK_DGRAM, SOCK_STREAM, VirtualClock } from '../../src/index.ts'
import { impair } from '../../src/link/impair.ts'
import { MemorySink, PcapngWriter } from '../../src/link/pcap.ts'
import { capture } from '../../src/link/sniffer.ts'
import { Switch } from '../../src/link/switch.ts'
import { turn } from '../../src/platform/turn.ts'

/** What came of a run. */
export interface Outcome {
  readonly capture: Uint8Array
  /** Bytes that TCP and UDP carried from end to end. */
  readonly tcpBytes: number
  readonly udpDatagrams: number
  readonly echoReplies: number
  /** Virtual time at the end, in microseconds. */
  readonly endedAt: number
}

const TCP_TOTAL = 300_000

/** Sends `total` patterned bytes to `port` of 192.0.2.1, closes its side, reads the answer to the end; its length. */
async function exchange(p: Process, port: number, total: number): Promise<number> {
  const fd = p.socket(AF_INET, SOCK_STREAM)
  await p.connect(fd, { family: AF_INET, address: '192.0.2.1', port })
  const bytes = new Uint8Array(total).map((_, i) => i * 31 + (i >> 8))
  await p.write(fd, bytes)
  p.shutdown(fd, 1)
  const into = new Uint8Array(65536)
  let read = 0
  for (;;) {
    const n = await p.read(fd, into)
    if (n === 0) break
    for (let i = 0; i < n; i++) if (into[i] !== bytes[read + i]) throw new Error(`byte ${read + i} is wrong`)
    read += n
  }
  await p.close(fd)
  return read
}

/** Echoes `count` connections, one after the other. */
async function echo(p: Process, port: number, count: number): Promise<void> {
  const listener = p.socket(AF_INET, SOCK_STREAM)
  p.bind(listener, { family: AF_INET, port })
  p.listen(listener, 8)
  const bytes = new Uint8Array(32768)
  for (let i = 0; i < count; i++) {
    const fd = await p.accept(listener)
    for (let n = await p.read(fd, bytes); n > 0; n = await p.read(fd, bytes)) await p.write(fd, bytes.subarray(0, n))
    await p.close(fd)
  }
}

export async function runScenario(seed: number): Promise<Outcome> {
  const random = new Random(seed)
  const clock = new VirtualClock(turn)
  const fabric = new Switch(clock)
  const sink = new MemorySink()
  const writer = new PcapngWriter(sink, clock)
  const hosts = ['one', 'two', 'three'].map((name, i) => {
    const faults = { delayMs: 5 + i, jitterMs: 3, loss: 0.02, duplicate: 0.01, reorder: 0.02, corrupt: 0.005 }
    const link = impair(fabric.port(), faults, clock, random.fork())
    const host = new Host({ name, clock, random: random.fork() })
    host.addInterface('eth0', capture(link, writer, name), { addresses: [`192.0.2.${i + 1}/24`] })
    return host
  })
  const [one, two, three] = hosts as [Host, Host, Host]
  let tcpBytes = 0
  let udpDatagrams = 0
  let echoReplies = 0
  one.spawn((p) => echo(p, 7, 2).then(() => 0))
  one.spawn(async (p) => {
    const fd = p.socket(AF_INET, SOCK_DGRAM)
    p.bind(fd, { family: AF_INET, port: 9 })
    const bytes = new Uint8Array(10_000)
    for (;;) {
      await p.recvfrom(fd, bytes)
      udpDatagrams++
    }
  })
  for (const host of hosts) host.stack.ipv4.icmp.listeners.push({ reply: () => void echoReplies++ })
  const clients = [two, three].map((host) =>
    host.spawn(async (p) => {
      const echoed = await exchange(p, 7, TCP_TOTAL)
      tcpBytes += echoed
      const fd = p.socket(AF_INET, SOCK_DGRAM)
      for (let i = 0; i < 20; i++) {
        p.sendto(fd, new Uint8Array(100 + 400 * i).fill(i), 0, { family: AF_INET, address: '192.0.2.1', port: 9 })
        await p.sleep(0.01)
      }
      host.stack.ipv4.icmp.sendEcho(parse('192.0.2.1') as number, 1, 1, new Uint8Array(56))
      await p.sleep(1)
      // A closed port: the refusal is an error of the connected socket's next call.
      p.connect(fd, { family: AF_INET, address: '192.0.2.1', port: 99 })
      p.send(fd, new Uint8Array(1))
      await p.sleep(1)
      return 0
    }),
  )
  for (const client of clients) {
    const code = await clock.runUntil(client.exited)
    if (code !== 0) throw new Error(`a client of seed ${seed} ended with ${code}: ${client.failure}`)
  }
  await clock.runFor(120_000_000)
  return { capture: sink.toBytes(), tcpBytes, udpDatagrams, echoReplies, endedAt: clock.now() }
}

/** SHA-256 as hex, by what every runtime has. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await globalThis.crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)
  return [...new Uint8Array(digest)].map((b) => b.toString(16).padStart(2, '0')).join('')
}
