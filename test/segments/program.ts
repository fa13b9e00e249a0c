/** The program at the stack: a listener or a socket that connects, and one connection; its calls in words. */
import { AF_INET } from '../../src/sock/address.ts'
import { errnoName } from '../../src/sys/errno.ts'
import { patternBytes } from '../tcp/segment.ts'
import { digest, type Ends, infoText } from './play.ts'
import type { CallStep, Sequence } from './sequence.ts'

/** System calls: a result >= 0 or -errno. Sockets are non-blocking. */
export interface Calls {
  socket(): number
  bind(fd: number, port: number): number
  listen(fd: number, backlog: number): number
  connect(fd: number, address: number, port: number): number
  accept(fd: number): number
  /** sendto with MSG_FASTOPEN. */
  sendFastOpen(fd: number, bytes: Uint8Array, address: number, port: number): number
  send(fd: number, bytes: Uint8Array, flags: number): number
  recv(fd: number, into: Uint8Array, flags: number): number
  /** recvmsg with MSG_ERRQUEUE: `control` as cmsg(3) has it. */
  recvError(fd: number, into: Uint8Array, control: Uint8Array): number
  shutdown(fd: number, how: number): number
  close(fd: number): number
  setsockopt(fd: number, level: number, name: number, value: Uint8Array): number
  getsockopt(fd: number, level: number, name: number, into: Uint8Array): number
  /** Readiness for everything. */
  poll(fd: number): number
  ioctl(fd: number, request: number): number
}

const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const SO_LINGER = 13
const IPPROTO_TCP = 6
const TCP_INFO = 11
const TCP_MD5SIG = 14
const TCP_LISTEN = 10
const SIOCINQ = 0x541b
const SIOCOUTQ = 0x5411
const SIOCATMARK = 0x8905
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
const MSG_TRUNC = 0x20
const TCP_INFO_SIZE = 104
const BACKLOG = 4
const MOST_READ = 200000
/** struct cmsghdr, and room for one with what IP_RECVERR tells. */
const CMSG_HEADER = 16
const CMSG_ROOM = 64
const ERROR_ROOM = 1000

/** An int in memory, or two: struct linger. */
function ints(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length)
  const view = new DataView(bytes.buffer)
  for (const [i, value] of values.entries()) view.setInt32(4 * i, value, true)
  return bytes
}

/** struct tcp_md5sig: the key for one peer. */
function md5sig(address: number, key: string): Uint8Array {
  const bytes = Buffer.alloc(216)
  bytes.writeUInt16LE(AF_INET, 0)
  bytes.writeInt32BE(address, 4)
  bytes.writeUInt16LE(key.length, 130)
  bytes.write(key, 136, 'latin1')
  return bytes
}

const said = (result: number): string => (result < 0 ? errnoName(result) : String(result))

export class Program {
  readonly #calls: Calls
  readonly #ends: Ends
  #listener = -1
  #socket = -1
  #written = 0
  #sequence: Sequence | null = null
  readonly #room: Uint8Array = new Uint8Array(MOST_READ)
  readonly #info: DataView = new DataView(new ArrayBuffer(TCP_INFO_SIZE))

  constructor(calls: Calls, ends: Ends) {
    this.#calls = calls
    this.#ends = ends
  }

  open(sequence: Sequence): string {
    this.#sequence = sequence
    const { fd, results } = this.#bound(sequence)
    if (sequence.isActive) {
      this.#socket = fd
      results.push(this.#connect(fd, sequence.fastOpen ?? -1))
    } else {
      this.#listener = fd
      results.push(this.#calls.listen(fd, BACKLOG))
    }
    return results.map(said).join(' ')
  }

  /** A socket with the sequence's options and port. */
  #bound({ options, key }: Sequence): { fd: number; results: number[] } {
    const fd = this.#calls.socket()
    const results = [this.#calls.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, ints(1))]
    for (const [level, name, value] of options) results.push(this.#calls.setsockopt(fd, level, name, ints(value)))
    if (key !== undefined)
      results.push(this.#calls.setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, md5sig(this.#ends.remote, key)))
    results.push(this.#calls.bind(fd, this.#ends.localPort))
    return { fd, results }
  }

  /** connect, or `length` bytes with the SYN. */
  #connect(fd: number, length: number): number {
    const { remote, remotePort } = this.#ends
    this.#written = 0
    if (length < 0) return this.#calls.connect(fd, remote, remotePort)
    const n = this.#calls.sendFastOpen(fd, patternBytes(1, length), remote, remotePort)
    if (n > 0) this.#written = n
    return n
  }

  call({ name, args }: CallStep): string {
    const [a = 0, b = 0, c = 0] = args
    const fd = this.#socket
    if (name === 'accept') return this.#accept()
    if (name === 'closeListener') {
      const result = this.#calls.close(this.#listener)
      this.#listener = -1
      return said(result)
    }
    if (name === 'reopen') return this.#reopen(a)
    if (fd < 0) return ''
    if (name === 'send') {
      const n = this.#calls.send(fd, patternBytes(1 + this.#written, a), b | MSG_DONTWAIT | MSG_NOSIGNAL)
      if (n > 0) this.#written += n
      return said(n)
    }
    if (name === 'recv') {
      const n = this.#calls.recv(fd, this.#room.subarray(0, a), b | MSG_DONTWAIT)
      return n > 0 && (b & MSG_TRUNC) === 0 ? `${n} ${digest(this.#room, n)}` : said(n)
    }
    if (name === 'recvError') return this.#recvError(fd)
    if (name === 'setsockopt') return said(this.#calls.setsockopt(fd, a, b, ints(c)))
    if (name === 'getsockopt') {
      const value = ints(0)
      return `${said(this.#calls.getsockopt(fd, a, b, value))} ${new DataView(value.buffer).getInt32(0, true)}`
    }
    if (name === 'shutdown') return said(this.#calls.shutdown(fd, a))
    if (name === 'abort') this.#calls.setsockopt(fd, SOL_SOCKET, SO_LINGER, ints(1, 0))
    this.#socket = -1
    return said(this.#calls.close(fd))
  }

  /** Another connection from the same port. */
  #reopen(length: number): string {
    const { fd, results } = this.#bound(this.#sequence as Sequence)
    this.#socket = fd
    return [...results, this.#connect(fd, length)].map(said).join(' ')
  }

  /** An entry of the error queue: struct sock_extended_err, and whether the peer is who told. */
  #recvError(fd: number): string {
    const control = new Uint8Array(CMSG_ROOM)
    const n = this.#calls.recvError(fd, this.#room.subarray(0, ERROR_ROOM), control)
    if (n < 0) return said(n)
    const view = new DataView(control.buffer, CMSG_HEADER)
    const fields = [
      view.getUint32(0, true),
      ...control.subarray(CMSG_HEADER + 4, CMSG_HEADER + 8),
      view.getUint32(8, true),
    ]
    const offender = view.getInt32(20) === this.#ends.remote ? 'peer' : 'other'
    return `${n} level ${new DataView(control.buffer).getInt32(8, true)} error ${fields.join(' ')} by ${offender}`
  }

  #accept(): string {
    const fd = this.#calls.accept(this.#listener)
    if (fd < 0) return said(fd)
    if (this.#socket >= 0) this.#calls.close(this.#socket)
    this.#socket = fd
    return 'ok'
  }

  state(): string {
    return [this.#stateOf(this.#listener), this.#stateOf(this.#socket)].filter((text) => text !== '').join(' ; ')
  }

  #stateOf(fd: number): string {
    if (fd < 0) return ''
    this.#calls.getsockopt(fd, IPPROTO_TCP, TCP_INFO, new Uint8Array(this.#info.buffer))
    const mask = `poll ${this.#calls.poll(fd).toString(16)}`
    if (this.#info.getUint8(0) === TCP_LISTEN) return `LISTEN ${this.#info.getUint32(24, true)} ${mask}`
    const queues = [SIOCINQ, SIOCOUTQ, SIOCATMARK].map((request) => said(this.#calls.ioctl(fd, request)))
    return `${mask} inq ${queues.join(' ')} ${infoText(this.#info)}`
  }

  close(): void {
    if (this.#listener >= 0) this.#calls.close(this.#listener)
    if (this.#socket >= 0) {
      this.#calls.setsockopt(this.#socket, SOL_SOCKET, SO_LINGER, ints(1, 0))
      this.#calls.close(this.#socket)
    }
    this.#listener = this.#socket = -1
  }
}
