/** Datagrams of 64 bytes, one way, as many as arrive. */
import { createSocket } from 'node:dgram'
import type { Process } from '../src/host/process.ts'
import { F_ALL } from '../src/link/link.ts'
import { AF_INET } from '../src/sock/address.ts'
import { SOCK_DGRAM, SOCK_NONBLOCK } from '../src/sock/constants.ts'
import { POLLIN, POLLOUT } from '../src/sock/wait-queue.ts'
import { EAGAIN } from '../src/sys/errno.ts'
import { makePair, type Pace, PORT, SERVER, sampleRate } from './harness.ts'

const BYTES = 64

export async function datagramsOurs(pace: Pace, isAwaited: boolean): Promise<number[]> {
  const pair = makePair(F_ALL)
  const type = SOCK_DGRAM | (isAwaited ? 0 : SOCK_NONBLOCK)
  let received = 0
  pair.server.spawn(async (p: Process) => {
    const fd = p.socket(AF_INET, type)
    p.bind(fd, { family: AF_INET, address: '0.0.0.0', port: PORT })
    const b = new Uint8Array(2048)
    const fds = [{ fd, events: POLLIN }]
    for (;;) {
      if (isAwaited) {
        await p.recv(fd, b)
        received++
      } else if (p.sys.read(fd, b, 0, b.length) >= 0) received++
      else await p.poll(fds)
    }
  })
  pair.client.spawn(async (p: Process) => {
    const fd = p.socket(AF_INET, type)
    p.connect(fd, { family: AF_INET, address: SERVER, port: PORT })
    const b = new Uint8Array(BYTES)
    const fds = [{ fd, events: POLLOUT }]
    // The neighbour is asked for first: what waits for its address is dropped at some point, as in Linux, and a loop that
    // never gets EAGAIN lets nothing else run.
    p.write(fd, b)
    await p.sleep(0.05)
    for (;;) {
      if (isAwaited) await p.send(fd, b)
      else {
        const n = p.sys.write(fd, b, 0, BYTES)
        if (n === -EAGAIN) await p.poll(fds)
        else if (n < 0) return 1
      }
    }
  })
  return await sampleRate(() => received, pace)
}

/** node:dgram, in bursts that its receive buffer takes: its callbacks alone would never let the event loop turn. */
export async function datagramsPeer(pace: Pace): Promise<number[]> {
  const burst = 128
  let received = 0
  const server = createSocket('udp4')
  server.on('message', () => received++)
  await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve))
  const client = createSocket('udp4')
  await new Promise<void>((resolve) => client.connect(server.address().port, '127.0.0.1', () => resolve()))
  const b = Buffer.alloc(BYTES)
  const send = (): void => {
    for (let i = 0; i < burst; i++) client.send(b, 0, BYTES)
    setImmediate(send)
  }
  send()
  return await sampleRate(() => received, pace)
}
