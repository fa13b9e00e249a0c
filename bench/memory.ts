/** What an idle connection costs, and whether anything grows over many bytes. */
import { connect, createServer, type Socket } from 'node:net'
import type { Process } from '../src/host/process.ts'
import { F_ALL } from '../src/link/link.ts'
import { AF_INET } from '../src/sock/address.ts'
import { SOCK_STREAM } from '../src/sock/constants.ts'
import { bulk, listen } from './bulk.ts'
import { makePair, memory, type Pace, type Pair, PORT, SERVER, seconds, sleep } from './harness.ts'

/** Opens `count` connections and keeps them. */
async function openMany(pair: Pair, server: Process, client: Process, listener: number, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const fd = client.socket(AF_INET, SOCK_STREAM)
    const [accepted] = await Promise.all([
      server.accept(listener),
      client.connect(fd, { family: AF_INET, address: SERVER, port: PORT }),
    ])
    if (accepted < 0) throw new Error(`accept: ${accepted}`)
  }
  void pair
}

/** Bytes per end of an established connection that has sent and received nothing. */
export async function idleOurs(pace: Pace): Promise<number[]> {
  const count = pace.isQuick ? 1000 : 4000
  const pair = makePair(F_ALL)
  const server = pair.server.createProcess()
  const client = pair.client.createProcess()
  server.fileLimit = client.fileLimit = 1_000_000
  const listener = listen(server)
  // Tables and pools grow to their size first.
  await openMany(pair, server, client, listener, count)
  const sizes: number[] = []
  for (let i = 0; i < pace.samples; i++) {
    await sleep(0.25)
    const before = memory()
    await openMany(pair, server, client, listener, count)
    await sleep(0.25)
    sizes.push((memory() - before) / count / 2)
  }
  return sizes
}

/** node:net's objects in JavaScript; what the kernel holds is not in it. */
export async function idlePeer(pace: Pace): Promise<number[]> {
  const count = 100
  const kept: Socket[] = []
  const server = createServer((socket) => kept.push(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 1024, resolve))
  const { port } = server.address() as { port: number }
  const open = async (): Promise<void> => {
    for (let i = 0; i < count; i++) {
      await new Promise<void>((resolve) => kept.push(connect({ port, host: '127.0.0.1' }, resolve)))
    }
  }
  await open()
  const sizes: number[] = []
  for (let i = 0; i < pace.samples; i++) {
    await sleep(0.1)
    const before = memory()
    await open()
    await sleep(0.1)
    sizes.push((memory() - before) / count / 2)
  }
  return sizes
}

/** Four quarters of 4 GiB on one connection: their rates in Gbit/s, and memory after each in bytes. */
export interface Quarters {
  readonly rates: readonly number[]
  readonly sizes: readonly number[]
}

/** Quarters of `rounds` times 4 GiB, one after the other on the same connection. */
export async function quarters(rounds: number): Promise<Quarters[]> {
  const quarter = 2 ** 30
  const received = bulk(makePair(F_ALL), false)
  // The start is not what the bar is about: compilation, buffers growing to their size.
  await sleep(1)
  const all: Quarters[] = []
  for (let round = 0; round < rounds; round++) {
    const rates: number[] = []
    const sizes: number[] = []
    while (rates.length < 4) {
      const from = received()
      const begin = seconds()
      while (received() - from < quarter) await sleep(0.002)
      rates.push(((received() - from) * 8) / 1e9 / (seconds() - begin))
      sizes.push(memory())
    }
    all.push({ rates, sizes })
  }
  return all
}
