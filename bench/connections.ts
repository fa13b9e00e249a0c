/** Whole lives of connections: connect, one echo, close. */
import { connect, createServer } from 'node:net'
import type { Process } from '../src/host/process.ts'
import { F_ALL } from '../src/link/link.ts'
import { AF_INET } from '../src/sock/address.ts'
import { SOCK_STREAM } from '../src/sock/constants.ts'
import { listen } from './bulk.ts'
import { makePair, type Pace, type Pair, PORT, SERVER, sampleRate, sleep } from './harness.ts'

const BYTES = 16

/** A server that serves every connection in a program of its own. */
async function echoServer(p: Process): Promise<number> {
  const listener = listen(p)
  const serve = async (fd: number): Promise<void> => {
    const b = new Uint8Array(BYTES)
    for (let n = await p.read(fd, b); n > 0; n = await p.read(fd, b)) await p.write(fd, b, 0, n)
    await p.close(fd)
  }
  for (;;) void serve(await p.accept(listener))
}

async function echoOnce(p: Process, b: Uint8Array): Promise<void> {
  const fd = p.socket(AF_INET, SOCK_STREAM)
  await p.connect(fd, { family: AF_INET, address: SERVER, port: PORT })
  await p.write(fd, b)
  for (let n = 0; n < BYTES; ) n += await p.read(fd, b)
  await p.close(fd)
}

function makeEcho(): Pair {
  const pair = makePair(F_ALL)
  // Ports of connections in TIME-WAIT are taken again after a second, as load generators have it.
  pair.client.sysctl.tcp_tw_reuse = 1
  pair.client.setSysctl('net.ipv4.ip_local_port_range', [1024, 65535])
  for (const host of [pair.client, pair.server]) host.sysctl.tcp_max_tw_buckets = 65536
  pair.server.spawn(echoServer)
  return pair
}

/** One after the other. */
export async function connectionsOurs(pace: Pace): Promise<number[]> {
  const pair = makeEcho()
  let done = 0
  pair.client.spawn(
    async (p: Process) => {
      const b = new Uint8Array(BYTES)
      for (;;) {
        await echoOnce(p, b)
        done++
      }
    },
    { name: 'client' },
  )
  return await sampleRate(() => done, pace)
}

/** Waves of 64 at a time; all of each wave must finish. Connections per second. */
export async function concurrentOurs(pace: Pace): Promise<number[]> {
  const pair = makeEcho()
  let done = 0
  pair.client.spawn(async (p: Process) => {
    for (;;) {
      await Promise.all(Array.from({ length: 64 }, () => echoOnce(p, new Uint8Array(BYTES))))
      done += 64
    }
  })
  return await sampleRate(() => done, pace)
}

async function peerServer(): Promise<number> {
  const server = createServer((socket) => {
    socket.on('data', (d) => socket.write(d))
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 1024, resolve))
  return (server.address() as { port: number }).port
}

const peerOnce = (port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(Buffer.alloc(BYTES)))
    socket.on('data', () => socket.end())
    socket.on('close', () => resolve())
    socket.on('error', reject)
  })

export async function connectionsPeer(pace: Pace, concurrency: number): Promise<number[]> {
  const port = await peerServer()
  let done = 0
  void (async () => {
    for (;;) {
      await Promise.all(Array.from({ length: concurrency }, () => peerOnce(port)))
      done += concurrency
    }
  })()
  await sleep(0)
  return await sampleRate(() => done, pace)
}
