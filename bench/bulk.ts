/** Bulk transfer on one connection: one thread does both ends. */
import { connect, createServer } from 'node:net'
import type { Process } from '../src/host/process.ts'
import { AF_INET } from '../src/sock/address.ts'
import { SOCK_NONBLOCK, SOCK_STREAM } from '../src/sock/constants.ts'
import { POLLIN, POLLOUT } from '../src/sock/wait-queue.ts'
import { EAGAIN } from '../src/sys/errno.ts'
import { makePair, type Pace, type Pair, PORT, SERVER, sampleRate } from './harness.ts'

const CHUNK = 262144

/** A listening socket of `p`. */
export function listen(p: Process, type: number = SOCK_STREAM, port: number = PORT): number {
  const fd = p.socket(AF_INET, type)
  p.bind(fd, { family: AF_INET, address: '0.0.0.0', port })
  p.listen(fd, 1024)
  return fd
}

/** Bytes received on a connection that carries as much as it can; `isAwaited`: blocking calls in place of poll. */
export function bulk(pair: Pair, isAwaited: boolean): () => number {
  let received = 0
  const reader = async (p: Process): Promise<number> => {
    const fd = await p.accept4(listen(p), null, isAwaited ? 0 : SOCK_NONBLOCK)
    const buffer = new Uint8Array(CHUNK)
    const fds = [{ fd, events: POLLIN }]
    for (;;) {
      if (isAwaited) {
        received += await p.read(fd, buffer)
        continue
      }
      const n = p.sys.read(fd, buffer, 0, CHUNK)
      if (n > 0) received += n
      else if (n === -EAGAIN) await p.poll(fds)
      else return 1
    }
  }
  const writer = async (p: Process): Promise<number> => {
    const fd = p.socket(AF_INET, SOCK_STREAM)
    await p.connect(fd, { family: AF_INET, address: SERVER, port: PORT })
    const buffer = new Uint8Array(CHUNK).fill(0x55)
    const fds = [{ fd, events: POLLOUT }]
    if (!isAwaited) p.ioctl(fd, 0x5421, 1)
    for (;;) {
      if (isAwaited) {
        await p.write(fd, buffer)
        continue
      }
      const n = p.sys.write(fd, buffer, 0, CHUNK)
      if (n === -EAGAIN) await p.poll(fds)
      else if (n < 0) return 1
    }
  }
  pair.server.spawn(reader)
  pair.client.spawn(writer)
  return () => received
}

export async function bulkOurs(features: number, isAwaited: boolean, pace: Pace): Promise<number[]> {
  const rates = await sampleRate(bulk(makePair(features), isAwaited), pace)
  return rates.map((r) => (r * 8) / 1e9)
}

/** The same with node:net over the kernel's loopback, reading into one buffer as fast programs do. */
export async function bulkPeer(pace: Pace): Promise<number[]> {
  let received = 0
  const chunk = Buffer.alloc(CHUNK, 0x55)
  const server = createServer((socket) => {
    const fill = (): void => {
      while (socket.write(chunk));
    }
    socket.on('drain', fill)
    fill()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  connect({
    host: '127.0.0.1',
    port,
    onread: {
      buffer: Buffer.alloc(CHUNK),
      callback: (n) => {
        received += n
        return true
      },
    },
  })
  const rates = await sampleRate(() => received, pace)
  return rates.map((r) => (r * 8) / 1e9)
}
