/** System calls of scripts made at the kernel. An ordinary call is made at once; a blocking one on the second thread. */

import { checkMessage } from '../../src/packetdrill/control.ts'
import type { Flow } from '../../src/packetdrill/flow.ts'
import { done, type Operation, ok, WAIT } from '../../src/packetdrill/operation.ts'
import { checkOption, optionValueOf } from '../../src/packetdrill/option-calls.ts'
import { checkEvent, checkPoll, eventData } from '../../src/packetdrill/ready-calls.ts'
import type { Expression, SystemCall } from '../../src/packetdrill/script.ts'
import { field, items, numberOf, numberOr, Unsupported } from '../../src/packetdrill/values.ts'
import { AF_INET, AF_INET6, AF_UNSPEC } from '../../src/sock/address.ts'
import { type ControlMessage, Message, type OptionValue } from '../../src/sock/sock.ts'
import type { Arena } from '../differential/c.ts'
import type { KernelHost } from './kernel-host.ts'
import type { Machine } from './kernel-machine.ts'

/** A call ready to be made: the C function and its arguments, and what is to be done with its result. */
interface Made {
  readonly name: string
  readonly args: readonly number[]
  /** Sees the result before it is compared. */
  readonly after?: (result: number) => void
  readonly check?: (result: number) => string | null
  readonly givesFd?: boolean
}

type Maker = (args: readonly Expression[], call: SystemCall, arena: Arena) => Made

const MSGHDR = 56
const CONTROL_MAX = 1024
const OPTION_MAX = 512
const EPOLL_EVENT = process.arch === 'x64' ? 12 : 16
const EPOLL_DATA = EPOLL_EVENT - 8
const SOL_SOCKET = 1
const IPPROTO_TCP = 6
const TCP_CONGESTION = 13
const SCM_TIMESTAMPING = 37
const PROTOCOLS_OF_ERRORS: readonly (readonly [level: number, type: number])[] = [
  [0, 11],
  [41, 25],
]

export class KernelCalls {
  readonly #host: KernelHost
  readonly #machine: Machine
  readonly #isMapped: boolean
  /** Descriptors of the script. */
  readonly #fds: Map<number, number> = new Map()
  readonly #flowFds: Map<Flow, number> = new Map()
  #isListener: Flow | null = null

  constructor(host: KernelHost, machine: Machine, isMapped: boolean) {
    this.#host = host
    this.#machine = machine
    this.#isMapped = isMapped
  }

  fdOf(flow: Flow): number | undefined {
    const fd = this.#flowFds.get(flow)
    return fd !== undefined && [...this.#fds.values()].includes(fd) ? fd : undefined
  }

  begin(call: SystemCall): Operation {
    const maker = this.#makers[call.name]
    if (maker === undefined) throw new Unsupported(`system call ${call.name}`)
    const sleeps = call.end >= 0
    const arena = sleeps ? this.#machine.sleepArena : this.#machine.arena
    arena.reset()
    const made = maker(call.args, call, arena)
    const check = made.check ?? ok
    const givesFd = made.givesFd ?? false
    if (!sleeps) {
      const result = this.#machine.libc.call(made.name, ...made.args)
      made.after?.(result)
      return { ...done(result, givesFd), check }
    }
    const { queue } = this.#host
    this.#machine.beginSleeper(made.name, made.args)
    return {
      queues: [queue],
      deadline: Infinity,
      givesFd,
      check,
      endedAt: () => this.#host.endedAt,
      attempt: (): number => {
        if (!this.#machine.isIdle) return WAIT
        const { result } = this.#machine
        made.after?.(result)
        return result
      },
    }
  }

  #fd(e: Expression | undefined): number {
    return this.#fds.get(numberOr(e, -1)) ?? -1
  }

  /** A new descriptor under the number that the script gives it. */
  #install(e: Expression, fd: number): void {
    if (fd < 0) return
    const number = numberOr(e, -1)
    this.#fds.set(number >= 0 ? number : 1000 + fd, fd)
  }

  #name(arena: Arena, e: Expression | undefined, ownPort: number, ownAddress: number): [at: number, length: number] {
    const at = arena.room(28)
    const { bytes, view } = arena
    const familyField = field(e, 'sa_family') ?? field(e, 'sin_family')
    const family = numberOf(familyField ?? (e?.kind === 'word' ? e : undefined))
    if (family === AF_UNSPEC) return [arena.address(at), 16]
    const port = numberOr(field(e, 'sin_port'), ownPort)
    const address = ownAddress
    view.setUint16(at, this.#isMapped ? AF_INET6 : AF_INET, true)
    view.setUint16(at + 2, port)
    if (this.#isMapped) {
      bytes.fill(0xff, at + 18, at + 20)
      view.setInt32(at + 20, address)
      return [arena.address(at), 28]
    }
    view.setInt32(at + 4, address)
    return [arena.address(at), 16]
  }

  #remoteName(arena: Arena, e: Expression | undefined): [number, number] {
    return this.#name(arena, e, this.#host.options.connectPort, this.#host.remote)
  }

  /** A buffer of zeros, or the bad address that the script gives. */
  #buffer(arena: Arena, e: Expression | undefined, length: number): number {
    if (e?.kind === 'number') return e.value
    if (e?.kind === 'word' && e.name === 'NULL') return 0
    return arena.address(arena.room(Math.max(length, 0)))
  }

  /** An iovec array of `[{..., n}, …]`. */
  #vector(arena: Arena, e: Expression | undefined): [at: number, count: number] {
    const vectors = items(e)
    const at = arena.room(16 * vectors.length)
    for (const [i, vector] of vectors.entries()) {
      const parts = items(vector)
      const length = numberOr(parts[1] ?? parts[0], 0)
      arena.setWord(at + 16 * i, this.#buffer(arena, parts.length > 1 ? parts[0] : undefined, length))
      arena.setWord(at + 16 * i + 8, length)
    }
    return [arena.address(at), vectors.length]
  }

  #data(name: string): Maker {
    return (args, _call, arena) => {
      const length = numberOr(args[2], 0)
      return { name, args: [this.#fd(args[0]), this.#buffer(arena, args[1], length), length] }
    }
  }

  #flagged(name: 'sendto' | 'recvfrom'): Maker {
    return (args, call, arena) => {
      const length = numberOr(args[2], 0)
      const to = call.name === 'sendto' ? this.#remoteName(arena, args[4]) : [0, 0]
      const own = call.name === 'sendto' && args.length < 6 ? [0, 0] : to
      return {
        name,
        args: [this.#fd(args[0]), this.#buffer(arena, args[1], length), length, numberOr(args[3], 0), ...own],
      }
    }
  }

  #vectored(name: string): Maker {
    return (args, _call, arena) => {
      const [at, count] = this.#vector(arena, args[1])
      return { name, args: [this.#fd(args[0]), at, numberOr(args[2], count)] }
    }
  }

  #socket: Maker = (args, call) => {
    const flow = this.#host.newActive(null, (numberOr(args[1], 1) & 15) === 2)
    const family = numberOr(args[0], this.#isMapped ? AF_INET6 : AF_INET)
    return {
      name: 'socket',
      args: [family, numberOr(args[1], 1), numberOr(args[2], 0)],
      givesFd: true,
      after: (fd) => {
        this.#install(call.result, fd)
        this.#flowFds.set(flow, fd)
        const { congestion } = this.#host
        if (fd < 0 || congestion === undefined) return
        const name = this.#machine.deviceArena
        name.reset()
        const at = name.address(name.put(Buffer.from(congestion)))
        this.#machine.libc.call('setsockopt', fd, IPPROTO_TCP, TCP_CONGESTION, at, congestion.length)
      },
    }
  }

  #listen: Maker = (args) => {
    const fd = this.#fd(args[0])
    return {
      name: 'listen',
      args: [fd, numberOr(args[1], 0)],
      after: (result) => {
        const { flow } = this.#host
        if (result < 0 || flow === null || this.#flowFds.get(flow) !== fd) return
        this.#host.isListening = true
        this.#isListener = flow
      },
    }
  }

  #accept: Maker = (args, call, arena) => {
    const name = arena.room(28)
    const length = arena.room(4)
    arena.setInt(length, 28)
    const flags = call.name === 'accept4' ? numberOr(args[3], 0) : 0
    return {
      name: 'accept4',
      args: [this.#fd(args[0]), arena.address(name), arena.address(length), flags],
      givesFd: true,
      after: (fd) => {
        if (fd < 0) return
        this.#install(call.result, fd)
        const flow = this.#host.childOf(arena.view.getUint16(name + 2))
        if (flow !== undefined) this.#flowFds.set(flow, fd)
      },
    }
  }

  #close: Maker = (args) => {
    const number = numberOr(args[0], -1)
    const fd = this.#fd(args[0])
    this.#fds.delete(number)
    const { flow } = this.#host
    if (flow !== null && flow === this.#isListener && this.#flowFds.get(flow) === fd) this.#host.isListening = false
    return { name: 'close', args: [fd] }
  }

  /** A msghdr; `control` is what it has of control messages. */
  #message(arena: Arena, e: Expression | undefined, name: readonly number[], control: Uint8Array): number {
    const at = arena.room(MSGHDR)
    const [vector, count] = this.#vector(arena, field(e, 'msg_iov'))
    arena.setWord(at, name[0] ?? 0)
    arena.setInt(at + 8, name[1] ?? 0)
    arena.setWord(at + 16, vector)
    arena.setWord(at + 24, count)
    arena.setWord(at + 32, control.length === 0 ? 0 : arena.address(arena.put(control)))
    arena.setWord(at + 40, control.length)
    return at
  }

  #sendmsg: Maker = (args, _call, arena) => {
    const name = field(args[1], 'msg_name')
    const to = name === undefined ? [] : this.#remoteName(arena, name)
    const at = this.#message(arena, args[1], to, controlBytes(field(args[1], 'msg_control')))
    return { name: 'sendmsg', args: [this.#fd(args[0]), arena.address(at), numberOr(args[2], 0)] }
  }

  #recvmsg: Maker = (args, _call, arena) => {
    const at = this.#message(arena, args[1], [], new Uint8Array(CONTROL_MAX))
    const control = Number(arena.view.getBigInt64(at + 32, true)) - arena.address(0)
    return {
      name: 'recvmsg',
      args: [this.#fd(args[0]), arena.address(at), numberOr(args[2], 0)],
      check: (result) => {
        if (result < 0) return null
        const message = new Message()
        message.flags = arena.int(at + 48)
        message.control = readControl(arena.read(control, Number(arena.view.getBigInt64(at + 40, true))))
        return checkMessage(this.#host, args[1], message)
      },
    }
  }

  #setsockopt: Maker = (args, _call, arena) => {
    const [level, name, length] = [numberOr(args[1], 0), numberOr(args[2], 0), numberOr(args[4], 4)]
    const value = optionValueOf(args[3], level, name, length)
    const bytes = value === null ? null : optionBytes(value)
    const at = arena.room(Math.max(length, OPTION_MAX))
    if (bytes !== null) arena.bytes.set(bytes.subarray(0, OPTION_MAX), at)
    return {
      name: 'setsockopt',
      args: [this.#fd(args[0]), level, name, bytes === null ? 0 : arena.address(at), length],
    }
  }

  #getsockopt: Maker = (args, _call, arena) => {
    const [level, name] = [numberOr(args[1], 0), numberOr(args[2], 0)]
    const at = arena.room(OPTION_MAX)
    const size = arena.room(4)
    const length = numberOr(args[4], 4)
    arena.setInt(size, length)
    return {
      name: 'getsockopt',
      args: [this.#fd(args[0]), level, name, arena.address(at), arena.address(size)],
      check: (result) => {
        if (result < 0) return null
        const told = arena.int(size)
        const value = optionValue(args[3], arena.read(at, told))
        return checkOption(args[3], value)
      },
    }
  }

  #poll: Maker = (args, _call, arena) => {
    const entries = items(args[0])
    const at = arena.room(8 * entries.length)
    for (const [i, e] of entries.entries()) {
      arena.setInt(at + 8 * i, this.#fd(field(e, 'fd')))
      arena.view.setUint16(at + 8 * i + 4, numberOr(field(e, 'events'), 0), true)
    }
    return {
      name: 'poll',
      args: [arena.address(at), numberOr(args[1], entries.length), numberOr(args[2], -1)],
      check: () => checkPoll(args[0], (i) => arena.view.getUint16(at + 8 * i + 6, true)),
    }
  }

  #epollControl: Maker = (args, _call, arena) => {
    const at = arena.room(EPOLL_EVENT)
    arena.view.setUint32(at, numberOr(field(args[3], 'events'), 0), true)
    arena.setWord(at + EPOLL_DATA, eventData(args[3]) ?? 0)
    return {
      name: 'epoll_ctl',
      args: [this.#fd(args[0]), numberOr(args[1], 0), this.#fd(args[2]), arena.address(at)],
    }
  }

  #epollWait: Maker = (args, _call, arena) => {
    const most = numberOr(args[2], 1)
    const at = arena.room(EPOLL_EVENT * Math.max(most, 1))
    return {
      name: 'epoll_wait',
      args: [this.#fd(args[0]), arena.address(at), most, numberOr(args[3], -1)],
      check: (result) =>
        checkEvent(
          args[1],
          result > 0
            ? { mask: arena.view.getUint32(at, true), data: Number(arena.view.getBigInt64(at + EPOLL_DATA, true)) }
            : { mask: 0, data: 0 },
        ),
    }
  }

  #ioctl: Maker = (args, _call, arena) => {
    const at = arena.room(8)
    const given = numberOf(args[2])
    if (numberOr(args[1], 0) === 0x5421) arena.setInt(at, given ?? 0)
    return {
      name: 'ioctl',
      args: [this.#fd(args[0]), numberOr(args[1], 0), arena.address(at)],
      check: (result) =>
        result < 0 || given === null || given === arena.int(at) ? null : `expected [${given}], got [${arena.int(at)}]`,
    }
  }

  #open: Maker = (args, call, arena) => {
    const path = args[0]?.kind === 'string' ? args[0].text : ''
    const at = arena.put(Buffer.from(`${path}\0`, 'latin1'))
    return {
      name: 'open',
      args: [arena.address(at), numberOr(args[1], 0), numberOr(args[2], 0o644)],
      givesFd: true,
      after: (fd) => this.#install(call.result, fd),
    }
  }

  #pipe: Maker = (args, _call, arena) => {
    const at = arena.room(8)
    return {
      name: 'pipe2',
      args: [arena.address(at), 0],
      after: (result) => {
        if (result < 0) return
        for (const [i, e] of items(args[0]).entries()) this.#install(e, arena.int(at + 4 * i))
      },
    }
  }

  #sendfile: Maker = (args, _call, arena) => {
    const offset = numberOf(args[2])
    const at = arena.room(8)
    arena.setWord(at, offset ?? 0)
    const pointer = args[2]?.kind === 'list' ? arena.address(at) : 0
    return { name: 'sendfile', args: [this.#fd(args[0]), this.#fd(args[1]), pointer, numberOr(args[3], 0)] }
  }

  #splice: Maker = (args) => ({
    name: 'splice',
    args: [this.#fd(args[0]), 0, this.#fd(args[2]), 0, numberOr(args[4], 0), numberOr(args[5], 0)],
  })

  #epollCreate: Maker = (_args, call) => ({
    name: 'epoll_create1',
    args: [0],
    givesFd: true,
    after: (fd) => this.#install(call.result, fd),
  })

  readonly #makers: Readonly<Record<string, Maker>> = {
    socket: this.#socket,
    listen: this.#listen,
    accept: this.#accept,
    accept4: this.#accept,
    bind: (args, _call, arena) => {
      const fd = this.#fd(args[0])
      const [at, length] = this.#name(arena, args[1], this.#host.options.bindPort, this.#host.local)
      const { flow } = this.#host
      return {
        name: 'bind',
        args: [fd, at, length],
        after: (result) => {
          if (result === 0 && flow !== null && this.#flowFds.get(flow) === fd)
            flow.localPort = arena.view.getUint16(at - arena.address(0) + 2)
        },
      }
    },
    connect: (args, _call, arena) => ({
      name: 'connect',
      args: [this.#fd(args[0]), ...this.#remoteName(arena, args[1])],
    }),
    read: this.#data('read'),
    write: this.#data('write'),
    recv: this.#flagged('recvfrom'),
    recvfrom: this.#flagged('recvfrom'),
    send: this.#flagged('sendto'),
    sendto: this.#flagged('sendto'),
    readv: this.#vectored('readv'),
    writev: this.#vectored('writev'),
    sendmsg: this.#sendmsg,
    recvmsg: this.#recvmsg,
    shutdown: (args) => ({ name: 'shutdown', args: [this.#fd(args[0]), numberOr(args[1], 0)] }),
    close: this.#close,
    fcntl: (args) => ({ name: 'fcntl', args: [this.#fd(args[0]), numberOr(args[1], 0), numberOr(args[2], 0)] }),
    ioctl: this.#ioctl,
    poll: this.#poll,
    epoll_create: this.#epollCreate,
    epoll_create1: this.#epollCreate,
    epoll_ctl: this.#epollControl,
    epoll_wait: this.#epollWait,
    open: this.#open,
    pipe: this.#pipe,
    sendfile: this.#sendfile,
    splice: this.#splice,
    setsockopt: this.#setsockopt,
    getsockopt: this.#getsockopt,
  }

  /** The bytes of an option of a live descriptor, or null. */
  option(fd: number, level: number, name: number, most: number): Uint8Array | null {
    const { arena, libc } = this.#machine
    arena.reset()
    const at = arena.room(most)
    const size = arena.room(4)
    arena.setInt(size, most)
    const result = libc.call('getsockopt', fd, level, name, arena.address(at), arena.address(size))
    return result < 0 ? null : arena.read(at, arena.int(size))
  }

  /** Closes what the script left open. */
  close(): void {
    for (const fd of this.#fds.values()) this.#machine.libc.call('close', fd)
  }
}

function optionBytes(value: OptionValue): Uint8Array {
  if (value instanceof Uint8Array) return value
  if (typeof value === 'string') return Buffer.from(value, 'latin1')
  if (typeof value === 'object' && 'sec' in value)
    return new Uint8Array(BigInt64Array.of(BigInt(value.sec), BigInt(value.usec)).buffer)
  const words = typeof value === 'number' ? [value] : 'onoff' in value ? [value.onoff, value.linger] : null
  if (words === null) throw new Unsupported('a structure as the value of an option')
  return new Uint8Array(Int32Array.from(words, (word) => word | 0).buffer)
}

/** The bytes of an option in the form that the script has it. */
function optionValue(expected: Expression | undefined, bytes: Uint8Array): OptionValue {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (expected?.kind === 'string') return bytes
  const first = expected?.kind === 'list' ? expected.items[0] : expected
  if (first?.kind === 'struct')
    return first.fields.has('onoff') || first.fields.has('l_onoff')
      ? { onoff: view.getInt32(0, true), linger: view.getInt32(4, true) }
      : { sec: Number(view.getBigInt64(0, true)), usec: Number(view.getBigInt64(8, true)) }
  return bytes.length >= 4 ? view.getInt32(0, true) : (bytes[0] ?? 0)
}

/** Control messages to send: `{cmsg_level=, cmsg_type=, cmsg_data=number}`. */
function controlBytes(e: Expression | undefined): Uint8Array {
  const messages = items(e)
  const bytes = new Uint8Array(24 * messages.length)
  const view = new DataView(bytes.buffer)
  for (const [i, message] of messages.entries()) {
    const at = 24 * i
    const data = field(message, 'cmsg_data')
    view.setUint32(at, 20, true)
    view.setInt32(at + 8, numberOr(field(message, 'cmsg_level'), 0), true)
    view.setInt32(at + 12, numberOr(field(message, 'cmsg_type'), 0), true)
    view.setInt32(at + 16, numberOr(data, 0), true)
  }
  return bytes
}

/** Control messages received, in the form of our own stack's. */
function readControl(bytes: Uint8Array): ControlMessage[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const found: ControlMessage[] = []
  for (let at = 0; at + 16 <= bytes.length; ) {
    const length = Number(view.getBigUint64(at, true))
    if (length < 16) break
    const level = view.getInt32(at + 8, true)
    const type = view.getInt32(at + 12, true)
    const word = (i: number): number => view.getUint32(at + 16 + 4 * i, true)
    const long = (i: number): number => Number(view.getBigInt64(at + 16 + 8 * i, true))
    if (level === SOL_SOCKET && type === SCM_TIMESTAMPING) found.push({ level, type, data: [long(0), long(1)] })
    else if (PROTOCOLS_OF_ERRORS.some(([l, t]) => l === level && t === type)) {
      const b = (i: number): number => bytes[at + 16 + i] as number
      found.push({ level, type, data: [word(0), b(4), b(5), b(6), b(7), word(2), word(3)] })
    } else found.push({ level, type, data: view.getInt32(at + 16, true) })
    at += (length + 7) & ~7
  }
  return found
}
