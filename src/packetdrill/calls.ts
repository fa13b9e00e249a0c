/**
 * The system calls of scripts on our sockets. A call becomes an `Operation`, which is tried until it gives a result: a
 * value, or -errno. What it returns beside the result is checked against the script.
 */

import { IPPROTO_TCP, IPPROTO_UDP } from '../ip/transport.ts'
import { AF_INET, AF_INET6 } from '../sock/address.ts'
import {
  F_GETFL,
  F_SETFL,
  O_ACCMODE,
  O_NONBLOCK,
  SIOCINQ,
  SIOCOUTQ,
  SIOCOUTQNSD,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOCK_TYPE_MASK,
} from '../sock/constants.ts'
import { TCP_LISTEN } from '../sock/sock.ts'
import { SocketFile } from '../socket/socket-file.ts'
import { EAFNOSUPPORT, EAGAIN, EALREADY, EBADF, EINPROGRESS, EINVAL, EPROTONOSUPPORT } from '../sys/errno.ts'
import { deadlineOf, read, recvmsg, sending, sendmsg, write } from './data-calls.ts'
import { open, pipe, splice } from './file-calls.ts'
import { EpollHandle, SocketHandle, ZeroFile } from './handles.ts'
import {
  addressOf,
  done,
  install,
  isOpening,
  type Operation,
  ok,
  type Start,
  socketAt,
  WAIT,
  zeros,
} from './operation.ts'
import { getOptionCall, setOptionCall } from './option-calls.ts'
import { epollControl, epollWait, poll } from './ready-calls.ts'
import type { Expression, SystemCall } from './script.ts'
import { numberOf, numberOr, Unsupported } from './values.ts'
import type { World } from './world.ts'

/** Begins `call`; a blocking call goes on in the operation returned. */
export function begin(world: World, call: SystemCall): Operation {
  const start = TABLE[call.name]
  if (start === undefined) throw new Unsupported(`system call ${call.name}`)
  return start(world, call.args, call)
}

/** The last of the kinds of sockets. */
const SOCK_PACKET = 10

function socket(world: World, args: readonly Expression[], call: SystemCall): Operation {
  const family = numberOr(args[0], AF_INET)
  const type = numberOr(args[1], 1)
  if (family !== AF_INET && family !== AF_INET6) return done(-EAFNOSUPPORT)
  const isDatagram = (type & SOCK_TYPE_MASK) === SOCK_DGRAM
  if (!isDatagram && (type & SOCK_TYPE_MASK) !== SOCK_STREAM) {
    if ((type & SOCK_TYPE_MASK) <= SOCK_PACKET) throw new Unsupported(`sockets of type ${type & SOCK_TYPE_MASK}`)
    return done(-EINVAL)
  }
  const protocol = numberOr(args[2], 0)
  if (protocol !== 0 && protocol !== (isDatagram ? IPPROTO_UDP : IPPROTO_TCP)) return done(-EPROTONOSUPPORT)
  const sock = isDatagram ? world.udp.createSocket() : world.tcp.createSocket()
  const handle = new SocketHandle(new SocketFile(sock, (type & SOCK_NONBLOCK) !== 0))
  world.newActive(handle, isDatagram)
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
  const deadline = deadlineOf(world, file.sock.rcvTimeout)
  return {
    queues: [file.wait],
    deadline,
    givesFd: true,
    attempt(): number {
      const child = file.accept((flags & SOCK_NONBLOCK) !== 0)
      if (typeof child === 'number')
        return child === -EAGAIN && !file.isNonBlocking && world.now < deadline ? WAIT : child
      const accepted = new SocketHandle(child)
      const flow = world.flows.findLast((f) => f.isPassive && f.remotePort === child.sock.remotePort)
      if (flow !== undefined) flow.handle = accepted
      return install(world, call, accepted)
    },
    check: () => null,
  }
}

function bind(world: World, args: readonly Expression[]): Operation {
  const handle = socketAt(world, args[0])
  if (handle === null) return done(-EBADF)
  const { sock } = handle.file
  const result = sock.bind(addressOf(args[1], world.options.bindPort, world.local))
  if (result === 0 && world.flow?.handle === handle) world.flow.localPort = sock.localPort
  return done(result)
}

function connect(world: World, args: readonly Expression[]): Operation {
  const handle = socketAt(world, args[0])
  if (handle === null) return done(-EBADF)
  const to = addressOf(args[1], world.options.connectPort, world.remote)
  const { file } = handle
  const deadline = deadlineOf(world, file.sock.sndTimeout)
  let isStarted = false
  return {
    queues: [file.wait],
    deadline,
    givesFd: false,
    attempt(): number {
      if (!isStarted) {
        isStarted = true
        const result = file.connect(to)
        if ((result !== -EINPROGRESS && result !== -EALREADY) || file.isNonBlocking) return result
      }
      if (!isOpening(file.sock.state)) return file.connect(to)
      return world.now < deadline ? WAIT : -EINPROGRESS
    },
    check: ok,
  }
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
  return sending(world, out, file.read(zeros(numberOr(args[3], 0)), 0, numberOr(args[3], 0)), 0, null)
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
  epoll_create: (world, args, call) =>
    numberOr(args[0], 1) <= 0 ? done(-EINVAL) : done(install(world, call, new EpollHandle()), true),
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
