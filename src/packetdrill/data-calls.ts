/** The system calls of scripts that read from and write to sockets, with good buffers and bad ones. */
import type { SockAddr } from '../sock/address.ts'
import { MSG_DONTWAIT, MSG_ERRQUEUE, MSG_FASTOPEN, MSG_PEEK, MSG_WAITALL } from '../sock/constants.ts'
import { type ControlMessage, IoVec } from '../sock/message.ts'
import { Message, type Sock } from '../sock/sock.ts'
import { endZeroCopy } from '../sock/zerocopy.ts'
import { EAGAIN, EBADF, EFAULT, EINPROGRESS, EINVAL } from '../sys/errno.ts'
import { Tcb } from '../tcp/tcb.ts'
import { checkMessage } from './control.ts'
import { transfer } from './file-calls.ts'
import type { SocketHandle } from './handles.ts'
import { addressOf, done, isOpening, type Operation, ok, socketAt, WAIT, zeros } from './operation.ts'
import type { Expression, SystemCall } from './script.ts'
import { bufferOf, field, items, numberOr, type Region, vectorsOf } from './values.ts'
import type { World } from './world.ts'

/** SO_RCVTIMEO and SO_SNDTIMEO: when the call gives up. */
export const deadlineOf = (world: World, timeout: number): number => (timeout > 0 ? world.now + timeout : Infinity)

/** Any call that reads: waits until SO_RCVLOWAT bytes or, with MSG_WAITALL, all are there (sock_rcvlowat). */
function receiving(
  world: World,
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
  const deadline = deadlineOf(world, sock.rcvTimeout)
  let taken = 0
  return {
    queues: [file.wait],
    deadline,
    givesFd: false,
    attempt(): number {
      if ((flags & MSG_PEEK) !== 0) taken = 0
      const n = sock.receive(bytes, taken, length - taken, flags, message)
      const maySleep = sleeps && world.now < deadline
      if (n === -EAGAIN && maySleep) return WAIT
      if (n <= 0) return taken > 0 ? taken : n
      taken += n
      return taken >= Math.min(least, length) || !maySleep ? taken : WAIT
    },
    check,
  }
}

/** A Fast Open child of a listener may write before the end of its handshake. */
const isPassive = (sock: Sock): boolean => sock instanceof Tcb && sock.fastOpen?.request != null

/** Any call that writes: goes on until all is taken. */
export function sending(
  world: World,
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
  const deadline = deadlineOf(world, sock.sndTimeout)
  let sent = 0
  let isOpen = true
  let isStarted = false
  const timedOut = (): number => (isOpening(sock.state) ? -EINPROGRESS : -EAGAIN)
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
    deadline,
    givesFd: false,
    attempt(): number {
      const first = step()
      const result = first === WAIT && world.now >= deadline ? sent || timedOut() : first
      if (result !== WAIT) endZeroCopy(sock, carried)
      return result
    },
    check: ok,
  }
}

/** Bytes before the first bad address; Infinity: all are good. */
function goodBytes(buffers: readonly Region[]): number {
  let good = 0
  for (const { length, address } of buffers) {
    if (address !== null && length > 0) return good
    good += length
  }
  return Infinity
}

/** An address that the kernel does not even look at (access_ok). */
const isForbidden = (buffers: readonly Region[]): boolean =>
  buffers.some(({ address }) => address !== null && address < 0)

/** Reading to a bad address: fails if there is more to read than goes before it. */
function readingBadly(world: World, handle: SocketHandle, buffers: readonly Region[], flags: number): Operation {
  if (isForbidden(buffers)) return done(-EFAULT)
  const length = buffers.reduce((sum, b) => sum + b.length, 0)
  const peek = receiving(world, handle, length, flags | MSG_PEEK, null, ok)
  return {
    ...peek,
    attempt(): number {
      const n = peek.attempt()
      if (n > goodBytes(buffers)) return -EFAULT
      return n > 0 ? handle.file.sock.receive(zeros(n), 0, n, flags, null) : n
    },
  }
}

/** Writing from a bad address: fails when the socket would take bytes; the SYN of Fast Open goes out without (tcp_send_syn_data). */
// biome-ignore format: one line
function writingBadly(world: World, handle: SocketHandle, buffers: readonly Region[], flags: number, to: SockAddr | null): Operation {
  if (isForbidden(buffers)) return done(-EFAULT)
  const peer = world.tcp.metrics.get(world.remote)
  const cookie = peer?.cookie
  if (peer !== undefined) peer.cookie = zeros(0)
  const nothing = sending(world, handle, 0, flags, to)
  const first = nothing.attempt()
  if (peer !== undefined && cookie !== undefined) peer.cookie = cookie
  const result = (n: number): number => (n === 0 ? -EFAULT : n)
  if (first !== WAIT) return done(result(first))
  const { sock } = handle.file
  sock.writersWaiting++
  return {
    ...nothing,
    attempt(): number {
      const n = nothing.attempt()
      if (n !== WAIT) sock.writersWaiting--
      return result(n)
    },
  }
}

/** read, recv, recvfrom: one buffer; readv: several. */
export function read(world: World, args: readonly Expression[], call: SystemCall): Operation {
  const handle = world.handles.get(numberOr(args[0], -1))
  if (handle === undefined) return done(-EBADF)
  const buffers = call.name === 'readv' ? vectorsOf(args[1]) : [bufferOf(args[1], args[2])]
  const length = buffers.reduce((sum, b) => sum + b.length, 0)
  if (handle.kind === 'file') return transfer(handle, length, false)
  if (handle.kind !== 'socket') return done(-EINVAL)
  const flags = call.name === 'recv' || call.name === 'recvfrom' ? numberOr(args[3], 0) : 0
  if (goodBytes(buffers) < length) return readingBadly(world, handle, buffers, flags)
  if (length === 0 && call.name === 'read') return done(0)
  return receiving(world, handle, length, flags, null, ok)
}

/** write, send, sendto: one buffer; writev: several. */
export function write(world: World, args: readonly Expression[], call: SystemCall): Operation {
  const handle = world.handles.get(numberOr(args[0], -1))
  if (handle === undefined) return done(-EBADF)
  const buffers = call.name === 'writev' ? vectorsOf(args[1]) : [bufferOf(args[1], args[2])]
  const length = buffers.reduce((sum, b) => sum + b.length, 0)
  if (handle.kind === 'file') return transfer(handle, length, true)
  if (handle.kind !== 'socket') return done(-EINVAL)
  const flags = call.name === 'send' || call.name === 'sendto' ? numberOr(args[3], 0) : 0
  const to = call.name === 'sendto' ? addressOf(args[4], world.options.connectPort, world.remote) : null
  if (goodBytes(buffers) < length) return writingBadly(world, handle, buffers, flags, to)
  return sending(world, handle, length, flags, to)
}

/** Control messages that a script sends: `{cmsg_level=, cmsg_type=, cmsg_data=number}`. */
const controlOf = (e: Expression | undefined): ControlMessage[] =>
  items(e).map((message) => ({
    level: numberOr(field(message, 'cmsg_level'), 0),
    type: numberOr(field(message, 'cmsg_type'), 0),
    data: numberOr(field(message, 'cmsg_data'), 0),
  }))

export function sendmsg(world: World, args: readonly Expression[]): Operation {
  const handle = socketAt(world, args[0])
  if (handle === null) return done(-EBADF)
  const name = field(args[1], 'msg_name')
  const to = name === undefined ? null : addressOf(name, world.options.connectPort, world.remote)
  const buffers = vectorsOf(field(args[1], 'msg_iov'))
  const flags = numberOr(args[2], 0)
  const message = new Message()
  message.iov = new IoVec(buffers.map((b) => zeros(b.length)))
  if (goodBytes(buffers) < message.iov.length) return writingBadly(world, handle, buffers, flags, to)
  const control = field(args[1], 'msg_control')
  if (control !== undefined) message.control = controlOf(control)
  return sending(world, handle, message.iov.length, flags, to, message)
}

export function recvmsg(world: World, args: readonly Expression[]): Operation {
  const handle = socketAt(world, args[0])
  if (handle === null) return done(-EBADF)
  const message = new Message()
  message.control = []
  const flags = numberOr(args[2], 0)
  const buffers = vectorsOf(field(args[1], 'msg_iov'))
  const length = buffers.reduce((sum, b) => sum + b.length, 0)
  if (goodBytes(buffers) < length) return readingBadly(world, handle, buffers, flags)
  return receiving(world, handle, length, flags, message, (n) => (n < 0 ? null : checkMessage(world, args[1], message)))
}
