/** AF_UNIX of one host (unix(7)): its sockets, their names, and the messages between them. */
import type { FileTree } from '../fs/tree.ts'
import { AF_UNIX } from '../sock/address.ts'
import { SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM } from '../sock/constants.ts'
import type { Stack } from '../stack/stack.ts'
import { EADDRINUSE, ENOSPC, EPROTONOSUPPORT, ESOCKTNOSUPPORT } from '../sys/errno.ts'
import { UnixDatagram, UnixSeqpacket } from './datagram.ts'
import { Flights } from './garbage.ts'
import { UnixMessages } from './message.ts'
import { UnixNames } from './names.ts'
import { UnixStream } from './stream.ts'
import type { UnixSock } from './unix-sock.ts'

/** Names that autobind chooses from: five hexadecimal digits. */
const AUTOBIND_NAMES = 0x100000

export class Unix {
  readonly stack: Stack
  readonly names: UnixNames<UnixSock>
  readonly messages: UnixMessages
  /** Whether there is a process of that number; told by who keeps them. */
  isProcess: (pid: number) => boolean = () => true
  /** Descriptors that wait in queues. */
  readonly flights: Flights
  /** Open sockets in order of making, connections not yet accepted included. */
  readonly sockets: Set<UnixSock> = new Set()

  constructor(stack: Stack, tree: FileTree) {
    this.stack = stack
    this.names = new UnixNames(tree)
    this.flights = new Flights(stack.clock)
    this.messages = new UnixMessages(stack.pool, this.flights)
  }

  /** unix_create: a socket or -errno; register it with `families.register(AF_UNIX, unix.create)`. */
  readonly create = (type: number, protocol: number): UnixSock | number => {
    if (protocol !== 0 && protocol !== AF_UNIX) return -EPROTONOSUPPORT
    // "Believe it or not BSD has AF_UNIX, SOCK_RAW though nothing uses it."
    const known = type === SOCK_RAW ? SOCK_DGRAM : type
    if (known !== SOCK_STREAM && known !== SOCK_DGRAM && known !== SOCK_SEQPACKET) return -ESOCKTNOSUPPORT
    return this.createSocket(known)
  }

  /** A socket of a known type. */
  createSocket(type: number): UnixSock {
    const sock =
      type === SOCK_STREAM
        ? new UnixStream(this)
        : type === SOCK_DGRAM
          ? new UnixDatagram(this)
          : new UnixSeqpacket(this)
    this.sockets.add(sock)
    return sock
  }

  /** 0 or -EADDRINUSE. */
  takeAbstract(name: string, sock: UnixSock): number {
    return this.names.takeAbstract(name, sock) ? 0 : -EADDRINUSE
  }

  /** An abstract name of five hexadecimal digits from a random start on, or -ENOSPC (unix_autobind). */
  freeName(sock: UnixSock): string | number {
    const start = this.stack.random.below(AUTOBIND_NAMES)
    for (let i = 0; i < AUTOBIND_NAMES; i++) {
      const name = `\0${((start + i) % AUTOBIND_NAMES).toString(16).padStart(5, '0')}`
      if (this.names.takeAbstract(name, sock)) return name
    }
    return -ENOSPC
  }

  /** A socket is closed: nobody finds it any more; a socket file stays. */
  forget(sock: UnixSock): void {
    this.sockets.delete(sock)
    if (sock.file !== null) sock.file.socket = null
    else if (sock.name.startsWith('\0')) this.names.releaseAbstract(sock.name, sock)
  }
}
