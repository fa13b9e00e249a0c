/** One end of a connection in the property test: a program that writes, reads, pauses and ends as its plan says. */
import type { SockAddr } from '../../src/sock/address.ts'
import {
  SOL_TCP,
  TCP_CORK,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_MAXSEG,
  TCP_NODELAY,
  TCP_USER_TIMEOUT,
} from '../../src/sock/constants.ts'
import { SF_KEEPALIVE, SF_LINGER, SF_RCVBUF_LOCK, SF_SNDBUF_LOCK } from '../../src/sock/sock.ts'
import { POLLERR, POLLHUP, POLLOUT, Waiter } from '../../src/sock/wait-queue.ts'
import { type Clock, Timer } from '../../src/sys/clock.ts'
import { EAGAIN, EINPROGRESS } from '../../src/sys/errno.ts'
import type { Random } from '../../src/sys/random.ts'
import type { Tcb } from '../../src/tcp/tcb.ts'
import type { EndPlan } from './plan.ts'

/** How an end came out of it. */
export type Outcome = '' | 'done' | 'error' | 'quit' | 'refused'

/** Least limits of Linux: SOCK_MIN_RCVBUF, SOCK_MIN_SNDBUF. */
const MIN_RCVBUF = 2304
const MIN_SNDBUF = 4608
const SIOCOUTQ = 0x5411
/** How often a program that is done looks whether its last bytes arrived. */
const DRAIN_CHECK = 100_000
/** Calls in a row before other programs get their turn. */
const CALLS = 64

/** Byte `i` of the stream with this key: cheap, and no two shifts of it agree for long. */
export const streamByte = (key: number, i: number): number => (Math.imul(i ^ key, 0x9e3779b1) >>> 24) & 0xff

class EndWaiter extends Waiter {
  readonly #end: End
  constructor(end: End) {
    super()
    this.#end = end
  }
  override wake(): void {
    this.#end.ready()
  }
}

class Pause extends Timer {
  readonly #end: End
  isOver = true
  constructor(end: End) {
    super()
    this.#end = end
  }
  override fire(): void {
    this.isOver = true
    this.#end.ready()
  }
}

/** What an end needs of the world. */
export interface Surroundings {
  readonly clock: Clock
  /** The end has something to do. */
  runSoon(end: End): void
  fail(text: string): void
}

/** After this many sleeps a program sleeps no more than a moment. */
const MAX_LONG_PAUSES = 3000

export class End {
  readonly name: string
  #pauses = 0
  readonly plan: EndPlan
  readonly key: number
  peer!: End
  sock: Tcb | null = null
  outcome: Outcome = ''
  errno = 0
  sent = 0
  received = 0
  hasEof = false
  isShut = false
  isConnecting = false
  isQueued = false
  /** When it ended. */
  endedAt = 0
  readonly #random: Random
  readonly #world: Surroundings
  readonly #waiter = new EndWaiter(this)
  readonly #writePause = new Pause(this)
  readonly #readPause = new Pause(this)
  readonly #buffer: Uint8Array

  constructor(world: Surroundings, name: string, plan: EndPlan, random: Random) {
    this.#world = world
    this.name = name
    this.plan = plan
    this.#random = random
    this.key = random.int32()
    this.#buffer = new Uint8Array(Math.max(plan.writeMax, plan.readMax))
  }

  /** It has a socket from now on. */
  take(sock: Tcb, fixesReceiveBuffer = true): void {
    this.sock = sock
    const { plan } = this
    if (plan.rcvbuf > 0 && fixesReceiveBuffer) this.#fixBuffers(sock)
    if (plan.sndbuf > 0) {
      sock.sndbuf = Math.max(MIN_SNDBUF, plan.sndbuf * 2)
      sock.setFlag(SF_SNDBUF_LOCK, true)
    }
    if (plan.nodelay) sock.setOption(SOL_TCP, TCP_NODELAY, 1)
    if (plan.cork) sock.setOption(SOL_TCP, TCP_CORK, 1)
    if (plan.mss > 0) sock.setOption(SOL_TCP, TCP_MAXSEG, plan.mss)
    if (plan.userTimeout > 0) sock.setOption(SOL_TCP, TCP_USER_TIMEOUT, plan.userTimeout)
    if (plan.keepalive) {
      sock.setFlag(SF_KEEPALIVE, true)
      sock.setOption(SOL_TCP, TCP_KEEPIDLE, 60)
      sock.setOption(SOL_TCP, TCP_KEEPINTVL, 20)
      sock.setOption(SOL_TCP, TCP_KEEPCNT, 12)
      sock.tcp.keepaliveChanged(sock)
    }
    sock.wait.add(this.#waiter)
    this.ready()
  }

  #fixBuffers(sock: Tcb): void {
    sock.rcvbuf = Math.max(MIN_RCVBUF, this.plan.rcvbuf * 2)
    sock.setFlag(SF_RCVBUF_LOCK, true)
  }

  /** Opens the connection. */
  connect(sock: Tcb, to: SockAddr): void {
    this.take(sock)
    const result = sock.connect(to)
    if (result === -EINPROGRESS) this.isConnecting = true
    else if (result !== 0) this.#end('refused', -result)
  }

  /** Noted by wake-ups; nothing of the program runs here. */
  ready(): void {
    if (!this.isQueued && this.outcome === '') this.#world.runSoon(this)
  }

  /** Lets the program run until it would block. */
  run(): void {
    this.isQueued = false
    const sock = this.sock
    if (sock === null || this.outcome !== '') return
    if (this.isConnecting && !this.#isConnected(sock)) return
    for (let n = 0; n < CALLS; n++) {
      const wrote = this.#write(sock)
      const read = this.outcome === '' && this.#read(sock)
      if (this.outcome !== '' || this.#mayEnd(sock)) return
      if (!wrote && !read) return
    }
    this.ready()
  }

  #isConnected(sock: Tcb): boolean {
    if ((sock.poll() & (POLLOUT | POLLERR | POLLHUP)) === 0) return false
    const error = sock.takeError()
    this.isConnecting = false
    if (error === 0) {
      // Linux does not start it after a simultaneous open (tcp_finish_connect is not called): a reset that gets lost would hang us.
      if (this.plan.keepalive) sock.tcp.keepaliveChanged(sock)
      return true
    }
    this.#end('refused', error)
    return false
  }

  #write(sock: Tcb): boolean {
    const { plan } = this
    if (this.sent === plan.total) {
      if (this.isShut || plan.ending !== 'half') return false
      this.isShut = true
      const result = sock.shutdown(1)
      // The peer's reset may have come first; the read that follows tells.
      return result === 0
    }
    if (!this.#writePause.isOver) return false
    const want = Math.min(1 + this.#random.below(plan.writeMax), plan.total - this.sent)
    for (let i = 0; i < want; i++) this.#buffer[i] = streamByte(this.key, this.sent + i)
    const n = sock.send(this.#buffer, 0, want, 0, null)
    if (n === -EAGAIN) return false
    if (n <= 0) {
      this.#end('error', -n)
      return false
    }
    this.sent += n
    if (this.#random.chance(plan.pauseWrite)) this.#sleep(this.#writePause)
    return true
  }

  #sleep(pause: Pause): void {
    const { clock } = this.#world
    pause.isOver = false
    // A program that reads two bytes and sleeps, hundreds of thousands of times, would still be at it after hours.
    const most = ++this.#pauses < MAX_LONG_PAUSES ? this.plan.pauseMax : 1
    clock.start(pause, clock.now() + 1 + this.#random.below(most))
  }

  #read(sock: Tcb): boolean {
    if (this.hasEof || !this.#readPause.isOver || this.plan.ending === 'close') return false
    const want = 1 + this.#random.below(this.plan.readMax)
    const n = sock.receive(this.#buffer, 0, want, 0, null)
    if (n === -EAGAIN) return false
    if (n < 0) {
      this.#end('error', -n)
      return false
    }
    if (n === 0) {
      this.hasEof = true
      this.#checkEnd()
      return true
    }
    this.#checkBytes(n)
    if (this.#random.chance(this.plan.pauseRead)) this.#sleep(this.#readPause)
    return true
  }

  #checkBytes(n: number): void {
    const key = this.peer.key
    for (let i = 0; i < n; i++) {
      if (this.#buffer[i] === streamByte(key, this.received + i)) continue
      this.#world.fail(
        `${this.name}: byte ${this.received + i} is ${this.#buffer[i]}, not ${streamByte(key, this.received + i)}`,
      )
      break
    }
    this.received += n
    if (this.received > this.peer.sent)
      this.#world.fail(`${this.name}: ${this.received} bytes came of ${this.peer.sent} sent`)
  }

  /** The end of the stream: everything the peer sent must be here, whatever its end was. */
  #checkEnd(): void {
    const { peer } = this
    const all = peer.plan.ending === 'early' || peer.plan.ending === 'reset' ? peer.sent : peer.plan.total
    if (this.received !== all) this.#world.fail(`${this.name}: end of stream after ${this.received} bytes of ${all}`)
  }

  /** Does the plan say that it is over? */
  #mayEnd(sock: Tcb): boolean {
    const { plan } = this
    const isSent = this.sent === plan.total
    switch (plan.ending) {
      case 'half':
      case 'wait':
        return isSent && this.hasEof && this.#drain(sock)
      case 'close':
        if (!isSent) return false
        break
      default:
        if (!this.hasEof && this.received < Math.min(plan.stopAfter, this.peer.plan.total)) return false
        if (plan.ending === 'reset') {
          sock.setFlag(SF_LINGER, true)
          sock.lingerSeconds = 0
        }
    }
    sock.close()
    this.#end('quit', 0)
    return true
  }

  /** All is said and heard: closes once the peer has acknowledged it, so that a late failure is seen. */
  #drain(sock: Tcb): boolean {
    if (!this.isShut) sock.shutdown(1)
    this.isShut = true
    const error = sock.takeError()
    if (error !== 0) this.#end('error', error)
    else if (sock.ioctl(SIOCOUTQ) === 0) {
      sock.close()
      this.#end('done', 0)
    } else {
      this.#world.clock.start(this.#writePause, this.#world.clock.now() + DRAIN_CHECK)
      return false
    }
    return true
  }

  #end(outcome: Outcome, errno: number): void {
    this.outcome = outcome
    this.errno = errno
    this.endedAt = this.#world.clock.now()
    this.#world.clock.remove(this.#writePause)
    this.#world.clock.remove(this.#readPause)
    this.sock?.wait.remove(this.#waiter)
    // After an error the descriptor is closed, as programs do.
    if (outcome === 'error' || outcome === 'refused') this.sock?.close()
  }
}
