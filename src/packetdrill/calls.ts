/**
 * The system calls of scripts on our sockets. A call becomes an `Operation`, which is tried until it gives a result: a
 * value, or -errno. What it returns beside the result is checked against the script.
 */
import { AF_INET, AF_INET6, AF_UNSPEC, SockAddr } from '../sock/address.ts'
import {
  F_GETFL,
  F_SETFL,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_FASTOPEN,
  MSG_PEEK,
  MSG_WAITALL,
  O_ACCMODE,
  O_NONBLOCK,
  SIOCINQ,
  SIOCOUTQ,
  SIOCOUTQNSD,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_TYPE_MASK,
} from '../sock/constants.ts'
import { IoVec } from '../sock/message.ts'
import { Message, type Sock, TCP_CLOSE, TCP_LISTEN, TCP_SYN_RECV, TCP_SYN_SENT } from '../sock/sock.ts'
import { POLLIN } from '../sock/wait-queue.ts'
import { endZeroCopy } from '../sock/zerocopy.ts'
import { SocketFile } from '../socket/socket-file.ts'
import { EAFNOSUPPORT, EAGAIN, EALREADY, EBADF, EFAULT, EINPROGRESS, EINVAL, EPIPE } from '../sys/errno.ts'
import { Tcb } from '../tcp/tcb.ts'
import { checkMessage } from './control.ts'
import { open, pipe, splice, transfer } from './file-calls.ts'
import { EpollHandle, SocketHandle, ZeroFile } from './handles.ts'
import { done, install, type Operation, ok, type Start, socketAt, WAIT, zeros } from './operation.ts'
import { getOptionCall, setOptionCall } from './option-calls.ts'
import { epollControl, epollWait, poll } from './ready-calls.ts'
import type { Expression, SystemCall } from './script.ts'
import { field, numberOf, numberOr, Unsupported, vectorLength, vectorLengths } from './values.ts'
import type { World } from './world.ts'

/** Begins `call`; a blocking call goes on in the operation returned. */
export function begin(world: World, call: SystemCall): Operation {
  const start = TABLE[call.name]
  if (start === undefined) throw new Unsupported(`system call ${call.name}`)
  return start(world, call.args, call)
}

function socket(world: World, args: readonly Expression[], call: SystemCall): Operation {
  const family = numberOr(args[0], AF_INET)
  const type = numberOr(args[1], 1)
  if (family !== AF_INET && family !== AF_INET6) return done(-EAFNOSUPPORT)
  const sock = (type & SOCK_TYPE_MASK) === SOCK_DGRAM ? world.udp.createSocket() : world.tcp.createSocket()
  const handle = new SocketHandle(new SocketFile(sock, (type & SOCK_NONBLOCK) !== 0))
  world.newActive(handle)
  return done(install(world, call, handle), true)
}

function listen(world: World, args: readonly Expression[]): Operation {
  const handle = socketAt(world, args[0])
  if (handle === null) return done(-EBADF)
  const result = handle.file.listen(numberOr(args[1], 0))
  if (result === 0 && world.flow?.handle === handle) world.isListening = true
  return done(result)
}

function accept(world: World, args: readonly Expression[], call: SystemCall): Operation {
  const handle = socketAt(world, args[0])
  if (handle === null) return done(-EBADF)
  const flags = call.name === 'accept4' ? numberOr(args[3], 0) : 0
  const { file } = handle
  return {
    queues: [file.wait],
    deadline: Infinity,
    givesFd: true,
    attempt(): number {
      const child = file.accept((flags & SOCK_NONBLOCK) !== 0)
      if (typeof child === 'number') return child === -EAGAIN && !file.isNonBlocking ? WAIT : child
      const accepted = new SocketHandle(child)
      const flow = world.flows.findLast((f) => f.isPassive && f.remotePort === child.sock.remotePort)
      if (flow !== undefined) flow.handle = accepted
      return install(world, call, accepted)
    },
    check: () => null,
  }
}

const isOpening = (state: number): boolean => state === TCP_SYN_SENT || state === TCP_SYN_RECV

function addressOf(world: World, e: Expression | undefined, port: number, address: number): SockAddr {
  if (e?.kind === 'word' && e.name === 'AF_UNSPEC') return new SockAddr(AF_UNSPEC, 0, 0)
  const familyField = field(e, 'sa_family') ?? field(e, 'sin_family')
  if (familyField !== undefined && numberOf(familyField) === AF_UNSPEC) return new SockAddr(AF_UNSPEC, 0, 0)
  const portField = field(e, 'sin_port')
  void world
  return new SockAddr(AF_INET, address, portField === undefined ? port : numberOr(portField, port))
}

function bind(world: World, args: readonly Expression[]): Operation {
  const handle = socketAt(world, args[0])
  if (handle === null) return done(-EBADF)
  return done(handle.file.sock.bind(addressOf(world, args[1], world.options.bindPort, world.local)))
}

function connect(world: World, args: readonly Expression[]): Operation {
  const handle = socketAt(world, args[0])
  if (handle === null) return done(-EBADF)
  const to = addressOf(world, args[1], world.options.connectPort, world.remote)
  const { file } = handle
  let isStarted = false
  return {
    queues: [file.wait],
    deadline: Infinity,
    givesFd: false,
    attempt(): number {
      if (!isStarted) {
        isStarted = true
        const result = file.connect(to)
        if ((result !== -EINPROGRESS && result !== -EALREADY) || file.isNonBlocking) return result
      }
      return isOpening(file.sock.state) ? WAIT : file.connect(to)
    },
    check: ok,
  }
}

/** Any call that reads: waits until SO_RCVLOWAT bytes or, with MSG_WAITALL, all are there (sock_rcvlowat). */
function receiving(
  handle: SocketHandle,
  length: number,
  flags: number,
  message: Message | null,
  check: (n: number) => string | null,
): Operation {
  const { file } = handle
  const { sock } = file
  const bytes = zeros(length)
  const sleeps = !file.isNonBlocking && (flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) === 0
  const least = (flags & MSG_WAITALL) !== 0 ? length : sock.rcvLowat
  let taken = 0
  return {
    queues: [file.wait],
    deadline: Infinity,
    givesFd: false,
    attempt(): number {
      if ((flags & MSG_PEEK) !== 0) taken = 0
      const n = sock.receive(bytes, taken, length - taken, flags, message)
      if (n === -EAGAIN && sleeps) return WAIT
      if (n <= 0) return taken > 0 ? taken : n
      taken += n
      return taken >= Math.min(least, length) || !sleeps ? taken : WAIT
    },
    check,
  }
}

/** A Fast Open child of a listener may write before the end of its handshake. */
const isPassive = (sock: Sock): boolean => sock instanceof Tcb && sock.fastOpen?.request != null

/** Any call that writes: goes on until all is taken. */
function sending(
  handle: SocketHandle,
  length: number,
  flags: number,
  to: SockAddr | null,
  message: Message | null = null,
): Operation {
  const { file } = handle
  const { sock } = file
  const bytes = zeros(length)
  const isNonBlocking = file.isNonBlocking || (flags & MSG_DONTWAIT) !== 0
  const carried = message ?? new Message()
  carried.isWhole = !isNonBlocking
  let sent = 0
  let isOpen = true
  let isStarted = false
  const step = (): number => {
    for (;;) {
      if (!isOpen) {
        // Fast Open: the call waits for the handshake as connect() would.
        if (isOpening(sock.state)) return WAIT
        isOpen = true
        if (sent < length) sock.writersWaiting--
        const error = sock.takeError()
        if (error !== 0) return -error
        if (sent >= length) return sent
      }
      const n = sock.send(bytes, sent, length - sent, isStarted ? flags & ~MSG_FASTOPEN : flags, to, carried)
      isStarted = true
      if (n > 0) sent += n
      if (isNonBlocking) return sent > 0 ? sent : n
      if (n < 0 && n !== -EAGAIN && n !== -EINPROGRESS) return sent > 0 ? sent : n
      if (isOpening(sock.state) && !isPassive(sock)) {
        isOpen = false
        if (sent < length) sock.writersWaiting++
        continue
      }
      if (sent >= length) return sent
      if (n <= 0) return WAIT
      // A short count: memory is exhausted, so it sleeps.
      if (n < length && sent < length) return WAIT
    }
  }
  return {
    queues: [file.wait],
    deadline: Infinity,
    givesFd: false,
    attempt(): number {
      const result = step()
      if (result !== WAIT) endZeroCopy(sock, carried)
      return result
    },
    check: ok,
  }
}

/** NULL or -1 as a buffer. */
const isBadPointer = (e: Expression | undefined): boolean =>
  e !== undefined && (e.kind === 'number' || (e.kind === 'word' && e.name === 'NULL'))

/** Reading to a bad address fails when there is something to read. */
function badRead(handle: SocketHandle): Operation {
  const { file } = handle
  return {
    queues: [file.wait],
    deadline: Infinity,
    givesFd: false,
    check: ok,
    attempt: () => ((file.poll() & POLLIN) !== 0 ? -EFAULT : file.isNonBlocking ? -EAGAIN : WAIT),
  }
}

function read(world: World, args: readonly Expression[], call: SystemCall): Operation {
  const handle = world.handles.get(numberOr(args[0], -1))
  if (handle === undefined) return done(-EBADF)
  if (handle.kind === 'file') return transfer(handle, numberOr(args[2], 0), false)
  if (handle.kind !== 'socket') return done(-EINVAL)
  const isVector = call.name === 'readv'
  if (isBadPointer(args[1]) && numberOr(args[2], 0) > 0) return badRead(handle)
  const length = isVector ? vectorLength(args[1]) : numberOr(args[2], 0)
  const flags = call.name === 'recv' || call.name === 'recvfrom' ? numberOr(args[3], 0) : 0
  if (length === 0 && call.name === 'read') return done(0)
  return receiving(handle, length, flags, null, ok)
}

function write(world: World, args: readonly Expression[], call: SystemCall): Operation {
  const handle = world.handles.get(numberOr(args[0], -1))
  if (handle === undefined) return done(-EBADF)
  const length = call.name === 'writev' ? vectorLength(args[1]) : numberOr(args[2], 0)
  if (handle.kind === 'file') return transfer(handle, length, true)
  if (handle.kind !== 'socket') return done(-EINVAL)
  if (isBadPointer(args[1]) && length > 0 && call.name !== 'writev')
    return done(handle.file.sock.state === TCP_CLOSE ? -EPIPE : -EFAULT)
  const hasFlags = call.name === 'send' || call.name === 'sendto'
  const to = call.name === 'sendto' ? addressOf(world, args[4], world.options.connectPort, world.remote) : null
  return sending(handle, length, hasFlags ? numberOr(args[3], 0) : 0, to)
}

function sendmsg(world: World, args: readonly Expression[]): Operation {
  const handle = socketAt(world, args[0])
  if (handle === null) return done(-EBADF)
  const name = field(args[1], 'msg_name')
  const to = name === undefined ? null : addressOf(world, name, world.options.connectPort, world.remote)
  const lengths = vectorLengths(field(args[1], 'msg_iov'))
  const message = new Message()
  message.iov = new IoVec(lengths.map(zeros))
  return sending(handle, message.iov.length, numberOr(args[2], 0), to, message)
}

function recvmsg(world: World, args: readonly Expression[]): Operation {
  const handle = socketAt(world, args[0])
  if (handle === null) return done(-EBADF)
  const message = new Message()
  message.control = []
  const flags = numberOr(args[2], 0)
  return receiving(handle, vectorLength(field(args[1], 'msg_iov')), flags, message, (n) =>
    n < 0 ? null : checkMessage(world, args[1], message),
  )
}

function shutdown(world: World, args: readonly Expression[]): Operation {
  const handle = socketAt(world, args[0])
  return done(handle === null ? -EBADF : handle.file.sock.shutdown(numberOr(args[1], 0)))
}

function close(world: World, args: readonly Expression[]): Operation {
  const fd = numberOr(args[0], -1)
  const handle = world.handles.get(fd)
  if (handle === undefined) return done(-EBADF)
  world.handles.delete(fd)
  if (handle.kind !== 'socket') {
    handle.file.unref()
    return done(0)
  }
  handle.isClosed = true
  if (handle.file.sock.state === TCP_LISTEN && world.flow?.handle === handle) world.isListening = false
  const { file } = handle
  const lingers = file.startLinger()
  const deadline = lingers && !file.isNonBlocking ? world.now + file.sock.lingerSeconds * 1000000 : world.now
  return {
    queues: [file.wait],
    deadline,
    givesFd: false,
    attempt(): number {
      if (lingers && file.isLingering && world.now < deadline) return WAIT
      file.unref()
      return 0
    },
    check: ok,
  }
}

function fcntl(world: World, args: readonly Expression[]): Operation {
  const handle = world.handles.get(numberOr(args[0], -1))
  if (handle === undefined) return done(-EBADF)
  if (handle.kind !== 'socket') return done(0)
  const command = numberOr(args[1], 0)
  if (command === F_GETFL) return done(handle.file.flags)
  if (command !== F_SETFL) return done(0)
  handle.file.flags = (handle.file.flags & O_ACCMODE) | (numberOr(args[2], 0) & ~O_ACCMODE & (O_NONBLOCK | 0o2000))
  return done(0)
}

function ioctl(world: World, args: readonly Expression[]): Operation {
  const handle = socketAt(world, args[0])
  if (handle === null) return done(-EBADF)
  const request = numberOr(args[1], 0)
  if (request === 0x5421) {
    handle.file.flags = numberOr(args[2], 0) === 0 ? handle.file.flags & ~O_NONBLOCK : handle.file.flags | O_NONBLOCK
    return done(0)
  }
  const value = handle.file.ioctl(request)
  if (value < 0) return done(value)
  if (![SIOCINQ, SIOCOUTQ, SIOCOUTQNSD].includes(request)) return done(0)
  const expected = numberOf(args[2])
  return {
    ...done(0),
    check: () => (expected === null || expected === value ? null : `expected [${expected}], got [${value}]`),
  }
}

/** sendfile(out, in, [off], n). */
function sendfile(world: World, args: readonly Expression[]): Operation {
  const out = socketAt(world, args[0])
  const from = world.handles.get(numberOr(args[1], -1))
  if (out === null || !(from?.file instanceof ZeroFile)) return done(-EBADF)
  const { file } = from
  const offset = numberOf(args[2])
  if (offset !== null) file.position = offset
  return sending(out, file.read(zeros(numberOr(args[3], 0)), 0, numberOr(args[3], 0)), 0, null)
}

const TABLE: Readonly<Record<string, Start>> = {
  socket,
  listen,
  accept,
  accept4: accept,
  bind,
  connect,
  read,
  readv: read,
  recv: read,
  recvfrom: read,
  write,
  writev: write,
  send: write,
  sendto: write,
  sendmsg,
  recvmsg,
  shutdown,
  close,
  fcntl,
  ioctl,
  poll,
  open,
  pipe,
  sendfile,
  splice,
  epoll_create: (world, _args, call) => done(install(world, call, new EpollHandle()), true),
  epoll_create1: (world, _args, call) => done(install(world, call, new EpollHandle()), true),
  epoll_ctl: epollControl,
  epoll_wait: epollWait,
  setsockopt: (world, args) => {
    const handle = socketAt(world, args[0])
    return done(handle === null ? -EBADF : setOptionCall(handle.file.sock, args))
  },
  getsockopt: (world, args) => {
    const handle = socketAt(world, args[0])
    if (handle === null) return done(-EBADF)
    const { result, problem } = getOptionCall(handle.file.sock, args)
    return { ...done(result), check: () => problem }
  },
}
