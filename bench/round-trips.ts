/** One byte there and back, again and again, on one connection. */
import { connect, createServer } from 'node:net'
import type { Process } from '../src/host/process.ts'
import { F_ALL } from '../src/link/link.ts'
import { AF_INET } from '../src/sock/address.ts'
import { FIONBIO, SOCK_NONBLOCK, SOCK_STREAM } from '../src/sock/constants.ts'
import type { Sock } from '../src/sock/sock.ts'
import { POLLIN, Waiter } from '../src/sock/wait-queue.ts'
import type { SocketFile } from '../src/socket/socket-file.ts'
import { type Clock, Task } from '../src/sys/clock.ts'
import { listen } from './bulk.ts'
import { makePair, type Pace, PORT, SERVER, sampleRate } from './harness.ts'

/** Programs that await read and write. */
export async function roundTripsAwaited(pace: Pace): Promise<number[]> {
  const pair = makePair(F_ALL)
  let trips = 0
  pair.server.spawn(async (p: Process) => {
    const fd = await p.accept(listen(p))
    const b = new Uint8Array(1)
    for (;;) {
      await p.read(fd, b)
      p.write(fd, b)
    }
  })
  pair.client.spawn(async (p: Process) => {
    const fd = p.socket(AF_INET, SOCK_STREAM)
    await p.connect(fd, { family: AF_INET, address: SERVER, port: PORT })
    const b = new Uint8Array(1)
    for (;;) {
      p.write(fd, b)
      await p.read(fd, b)
      trips++
    }
  })
  return await sampleRate(() => trips, pace)
}

/** Runs `ready` in a task of the clock whenever the socket may be readable: how the drop-in modules wait. */
class Reader extends Waiter {
  readonly #task: Task
  readonly #clock: Clock
  constructor(clock: Clock, ready: () => void) {
    super()
    this.#clock = clock
    this.#task = new (class extends Task {
      override run(): boolean {
        ready()
        return false
      }
    })()
  }
  override wake(mask: number): void {
    if ((mask & POLLIN) !== 0) this.#clock.defer(this.#task)
  }
}

/** Event-driven programs with non-blocking calls: nothing is awaited. */
export async function roundTripsEvents(pace: Pace): Promise<number[]> {
  const pair = makePair(F_ALL)
  let trips = 0
  const onReadable = (p: Process, fd: number, ready: () => void): void => {
    const sock: Sock = (p.files.get(fd) as SocketFile).sock
    sock.wait.add(new Reader(pair.clock, ready))
  }
  pair.server.spawn(async (p: Process) => {
    const fd = await p.accept4(listen(p), null, SOCK_NONBLOCK)
    const b = new Uint8Array(1)
    onReadable(p, fd, () => {
      while (p.sys.read(fd, b, 0, 1) > 0) p.sys.write(fd, b, 0, 1)
    })
    await p.sleep(3600)
    return 0
  })
  pair.client.spawn(async (p: Process) => {
    const fd = p.socket(AF_INET, SOCK_STREAM)
    await p.connect(fd, { family: AF_INET, address: SERVER, port: PORT })
    p.ioctl(fd, FIONBIO, 1)
    const b = new Uint8Array(1)
    onReadable(p, fd, () => {
      while (p.sys.read(fd, b, 0, 1) > 0) {
        trips++
        p.sys.write(fd, b, 0, 1)
      }
    })
    p.sys.write(fd, b, 0, 1)
    await p.sleep(3600)
    return 0
  })
  return await sampleRate(() => trips, pace)
}

export async function roundTripsPeer(pace: Pace): Promise<number[]> {
  let trips = 0
  const one = Buffer.alloc(1)
  const server = createServer({ noDelay: true }, (socket) => socket.on('data', () => socket.write(one)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const client = connect({ port, host: '127.0.0.1', noDelay: true }, () => client.write(one))
  client.on('data', () => {
    trips++
    client.write(one)
  })
  return await sampleRate(() => trips, pace)
}
