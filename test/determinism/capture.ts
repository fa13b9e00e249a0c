/**
 * A rich scenario in virtual time and its capture: two hosts on a switch with every fault, a router and a third host behind it;
 * TCP both ways, several connections, UDP, ping, fragments. `npx tsx test/determinism/capture.ts FILE [SEED]` writes the
 * pcapng and prints its SHA-256. Nothing here but the end of the file needs Node.
 */
import { ping } from '../../src/app/ping.ts'
import type { Process } from '../../src/host/process.ts'
import { MemorySink } from '../../src/link/pcap.ts'
import { turn } from '../../src/platform/turn.ts'
import { Network } from '../../src/sim/network.ts'
import { AF_INET } from '../../src/sock/address.ts'
import { SHUT_WR, SOCK_DGRAM, SOCK_STREAM } from '../../src/sock/constants.ts'

const SERVER = '192.0.2.2'
const FAR = '198.51.100.2'
const ANY = '0.0.0.0'
const TRANSFER = 200_000

/** Echoes TCP on port 7 until the network is left alone; `count` connections. */
function echoServer(count: number): (p: Process) => Promise<number> {
  return async function echo(p) {
    const listener = p.socket(AF_INET, SOCK_STREAM)
    p.bind(listener, { family: AF_INET, address: ANY, port: 7 })
    p.listen(listener, 8)
    const serve = async (fd: number): Promise<void> => {
      const b = new Uint8Array(4096)
      for (let n = await p.read(fd, b); n > 0; n = await p.read(fd, b)) await p.write(fd, b, 0, n)
      await p.close(fd)
    }
    const all: Promise<void>[] = []
    for (let i = 0; i < count; i++) all.push(serve(await p.accept(listener)))
    await Promise.all(all)
    return 0
  }
}

/** Sends `total` bytes through the echo and checks every one. */
function echoClient(address: string, total: number): (p: Process) => Promise<number> {
  return async function client(p) {
    const fd = p.socket(AF_INET, SOCK_STREAM)
    await p.connect(fd, { family: AF_INET, address, port: 7 })
    const out = new Uint8Array(total)
    for (let i = 0; i < total; i++) out[i] = (i * 7 + (i >> 8)) & 0xff
    const writing = (async (): Promise<void> => {
      await p.write(fd, out)
      p.shutdown(fd, SHUT_WR)
    })()
    const b = new Uint8Array(10_000)
    let got = 0
    for (let n = await p.read(fd, b); n > 0; n = await p.read(fd, b)) {
      for (let i = 0; i < n; i++) if (b[i] !== out[got + i]) throw new Error(`byte ${got + i} is ${b[i]}`)
      got += n
    }
    await writing
    await p.close(fd)
    return got === total ? 0 : 2
  }
}

async function udpEcho(p: Process): Promise<number> {
  const fd = p.socket(AF_INET, SOCK_DGRAM)
  p.bind(fd, { family: AF_INET, address: ANY, port: 7 })
  const b = new Uint8Array(65536)
  for (;;) {
    const from = { family: 0, address: '', port: 0 }
    const n = await p.recvfrom(fd, b, 0, from)
    await p.sendto(fd, b.subarray(0, n), 0, from)
  }
}

/** Datagrams up to 20,000 bytes, so that most come in fragments. */
async function udpClient(p: Process): Promise<number> {
  const fd = p.socket(AF_INET, SOCK_DGRAM)
  p.setsockopt(fd, 1, 20, { sec: 1, usec: 0 })
  await p.connect(fd, { family: AF_INET, address: SERVER, port: 7 })
  const b = new Uint8Array(65536)
  for (let i = 1; i <= 20; i++) {
    await p.send(fd, new Uint8Array(i * 1000).fill(i))
    try {
      await p.recv(fd, b)
    } catch {
      // Lost: the next one.
    }
  }
  return 0
}

export interface Outcome {
  readonly bytes: Uint8Array
  /** Exit codes of the clients. */
  readonly exits: readonly number[]
  readonly pings: number
  readonly virtualSeconds: number
}

/** Runs it all with this seed; the capture is of every interface of every host. */
export async function scenario(seed: number): Promise<Outcome> {
  const sink = new MemorySink()
  const net = new Network({ seed, turn, capture: sink })
  const faults = 'delay=10ms,jitter=3ms,unordered,loss=2%,duplicate=1%,corrupt=1%,reorder=2%,rate=50mbit,direction=out'
  net.lan(['client 192.0.2.1/24', `server ${SERVER}/24`, 'router 192.0.2.254/24'], faults)
  net.router('router')
  net.cable('router 198.51.100.254/24', `far ${FAR}/24`, 'delay=3ms,burst=1%:30%', { mtu: 1280 })
  net.route('client', 'default', '192.0.2.254')
  net.route('far', 'default', '198.51.100.254')
  net.host('server').spawn(echoServer(3))
  net.host('far').spawn(echoServer(1))
  net.host('server').spawn(udpEcho)
  const client = net.host('client')
  const programs = [
    echoClient(SERVER, TRANSFER),
    echoClient(SERVER, 1),
    echoClient(SERVER, 30_000),
    echoClient(FAR, 60_000),
    udpClient,
  ]
  const clients = programs.map((p) => client.spawn(p))
  const pings = ping(client, SERVER, { count: 10, size: 3000, intervalMs: 200 })
  net.at(1_500_000, () => net.impair('server', 'down'))
  net.at(2_500_000, () => net.impair('server', faults))
  await net.run(() => false, 300e6)
  const exits = clients.map((p) => p.exitCode ?? -1)
  return { bytes: sink.toBytes(), exits, pings: (await pings).received, virtualSeconds: net.clock.now() / 1e6 }
}

/** SHA-256 in hex, with the platform's Web Crypto. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>))
  return [...digest].map((b) => b.toString(16).padStart(2, '0')).join('')
}
