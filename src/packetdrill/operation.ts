/** A system call of a script in progress, and what all calls need. */
import { AF_INET, AF_UNSPEC, SockAddr } from '../sock/address.ts'
import { TCP_SYN_RECV, TCP_SYN_SENT } from '../sock/sock.ts'
import type { WaitQueue } from '../sock/wait-queue.ts'
import type { EpollHandle, FileHandle, SocketHandle } from './handles.ts'
import type { Expression, SystemCall } from './script.ts'
import { field, numberOf, numberOr } from './values.ts'
import type { World } from './world.ts'

/** The caller would sleep. */
export const WAIT = -0x40000000

/** A call in progress. */
export interface Operation {
  /** Tries; WAIT if it would sleep. */
  attempt(): number
  /** What wakes the sleeper. */
  readonly queues: readonly WaitQueue[]
  /** When it gives up by itself, in script time. */
  readonly deadline: number
  /** The result is a descriptor. */
  readonly givesFd: boolean
  /** What is wrong with what it returned beside the result. */
  check(result: number): string | null
  /** When it was over, if that is told later: script time. */
  endedAt?(): number
}

export const ok = (): null => null

export function done(result: number, givesFd = false): Operation {
  return { attempt: () => result, queues: [], deadline: Infinity, givesFd, check: ok }
}

/** Largest read or write of a script. */
export const zeros = (length: number): Uint8Array => new Uint8Array(Math.max(0, length))

export type Start = (world: World, args: readonly Expression[], call: SystemCall) => Operation

export function socketAt(world: World, e: Expression | undefined): SocketHandle | null {
  const handle = world.handles.get(numberOr(e, -1))
  return handle?.kind === 'socket' ? handle : null
}

export function install(world: World, call: SystemCall, handle: SocketHandle | EpollHandle | FileHandle): number {
  const fd = numberOr(call.result, -1)
  const number = fd >= 0 ? fd : 1000 + world.handles.size
  world.handles.set(number, handle)
  return number
}

/** The address that `e` stands for, or the one that the tool puts in its place. */
export function addressOf(e: Expression | undefined, port: number, address: number): SockAddr {
  if (e?.kind === 'word' && e.name === 'AF_UNSPEC') return new SockAddr(AF_UNSPEC, 0, 0)
  const familyField = field(e, 'sa_family') ?? field(e, 'sin_family')
  if (familyField !== undefined && numberOf(familyField) === AF_UNSPEC) return new SockAddr(AF_UNSPEC, 0, 0)
  const portField = field(e, 'sin_port')
  return new SockAddr(AF_INET, address, portField === undefined ? port : numberOr(portField, port))
}

export const isOpening = (state: number): boolean => state === TCP_SYN_SENT || state === TCP_SYN_RECV
