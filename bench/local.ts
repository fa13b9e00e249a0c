/** AF_UNIX streams beside TCP on the loopback device of the same host, measured in turns. */
import { Host } from '../src/host/host.ts'
import type { Process } from '../src/host/process.ts'
import { RealClock } from '../src/platform/clock.ts'
import { AF_INET, AF_UNIX } from '../src/sock/address.ts'
import { FIONBIO, SOCK_NONBLOCK, SOCK_STREAM } from '../src/sock/constants.ts'
import { POLLIN, POLLOUT } from '../src/sock/wait-queue.ts'
import { EAGAIN } from '../src/sys/errno.ts'
import { Random } from '../src/sys/random.ts'
import { Sysctls } from '../src/sys/sysctl.ts'
import { type Pace, PORT, seconds, sleep } from './harness.ts'

/** What programs give a call: less than a stream of either kind carries in one piece. */
const CHUNK = 32768

/** One stream that carries as much as it can while it is open. */
class Flow {
  received = 0
  #open: Promise<void> | null = null
  #begin: () => void = () => {}

  constructor(host: Host, family: number) {
    this.close()
    const name = family === AF_UNIX ? { family, path: '/tmp/bench' } : { family, address: '127.0.0.1', port: PORT }
    host.spawn((p) => this.#read(p, family, name))
    host.spawn((p) => this.#write(p, family, name))
  }

  open(): void {
    this.#open = null
    this.#begin()
  }

  close(): void {
    this.#open = new Promise((resolve) => {
      this.#begin = resolve
    })
  }

  async #read(p: Process, family: number, name: { path?: string }): Promise<number> {
    const listener = p.socket(family, SOCK_STREAM)
    p.bind(listener, name)
    p.listen(listener, 1)
    const fd = await p.accept4(listener, null, SOCK_NONBLOCK)
    const buffer = new Uint8Array(CHUNK)
    const fds = [{ fd, events: POLLIN }]
    for (;;) {
      const n = p.sys.read(fd, buffer, 0, CHUNK)
      if (n > 0) this.received += n
      else if (n === -EAGAIN) await p.poll(fds)
      else return 1
    }
  }

  async #write(p: Process, family: number, name: { path?: string }): Promise<number> {
    const fd = p.socket(family, SOCK_STREAM)
    await p.connect(fd, name)
    p.ioctl(fd, FIONBIO, 1)
    const buffer = new Uint8Array(CHUNK).fill(0x55)
    const fds = [{ fd, events: POLLOUT }]
    for (;;) {
      if (this.#open !== null) await this.#open
      const n = p.sys.write(fd, buffer, 0, CHUNK)
      if (n === -EAGAIN) await p.poll(fds)
      else if (n < 0) return 1
    }
  }

  /** Bytes a second for a while. */
  async rate(duration: number): Promise<number> {
    this.open()
    const from = this.received
    const begin = seconds()
    await sleep(duration)
    const rate = (this.received - from) / (seconds() - begin)
    this.close()
    await sleep(0.01)
    return rate
  }
}

/** Rates of both in pairs, one after the other, in Gbit/s. */
async function pairs(pace: Pace): Promise<{ local: number; tcp: number }[]> {
  const clock = new RealClock()
  clock.ref()
  const host = new Host({ name: 'local', clock, random: new Random(1), sysctl: new Sysctls() })
  const local = new Flow(host, AF_UNIX)
  const tcp = new Flow(host, AF_INET)
  await local.rate(pace.warmup)
  await tcp.rate(pace.warmup)
  const rates: { local: number; tcp: number }[] = []
  for (let i = 0; i < pace.samples; i++) {
    rates.push({ local: ((await local.rate(pace.seconds)) * 8) / 1e9, tcp: ((await tcp.rate(pace.seconds)) * 8) / 1e9 })
  }
  return rates
}

export const localOurs = async (pace: Pace): Promise<number[]> => (await pairs(pace)).map(({ local }) => local)
export const localPeer = async (pace: Pace): Promise<number[]> => (await pairs(pace)).map(({ tcp }) => tcp)
/** How many times TCP's rate AF_UNIX has, pair by pair. */
export const localRatio = async (pace: Pace): Promise<number[]> =>
  (await pairs(pace)).map(({ local, tcp }) => local / tcp)
