/**
 * The memory of all of a host's TCP sockets together, in pages, and their orphans (net.ipv4.tcp_mem, tcp_max_orphans; tcp(7)). Below
 * tcp_mem's first number nobody is limited; above the second there is pressure, until it has sunk below the first; above the third
 * sockets get only what lets them go on.
 */
import { SF_SNDBUF_LOCK, SOCK_MIN_SNDBUF } from '../sock/sock.ts'
import { statsOf, type TcbStats } from './stats.ts'
import type { Tcb } from './tcb.ts'
import type { Tcp } from './tcp.ts'

/** Memory is taken in pages (PAGE_SIZE). */
export const PAGE = 4096
const PAGE_SHIFT = 12
const pagesOf = (bytes: number): number => (bytes + PAGE - 1) >>> PAGE_SHIFT

export class TcpMemory {
  /** Pages that sockets have (tcp_memory_allocated). */
  pages = 0
  /** There is pressure (tcp_memory_pressure). */
  isTight = false
  /** Connections that no program has any more (tcp_orphan_count). */
  orphans = 0
  /** Since when there is pressure, in ms of the host's clock. */
  #since = 0
  readonly #tcp: Tcp

  constructor(tcp: Tcp) {
    this.#tcp = tcp
  }

  /** tcp_enter_memory_pressure */
  enter(): void {
    if (this.isTight) return
    this.isTight = true
    this.#since = this.#tcp.nowMs()
    this.#tcp.counters.TcpExtTCPMemoryPressures++
  }

  /** tcp_leave_memory_pressure */
  leave(): void {
    if (!this.isTight) return
    this.isTight = false
    this.#tcp.counters.TcpExtTCPMemoryPressuresChrono += (this.#tcp.nowMs() - this.#since) | 0
  }
}

/** tcp_mem's numbers (sk_prot_mem_limits). */
const LOW = 0
const PRESSURE = 1
const MOST = 2
const limit = (t: Tcb, which: number): number => t.stack.sysctl.tcp_mem[which] as number

function own(t: Tcb, stats: TcbStats, pages: number): void {
  t.tcp.memory.pages += pages - stats.memoryPages
  stats.memoryPages = pages
}

/** Gives pages back that a socket needs no more; after each of its calls, segments and timers (sk_mem_uncharge). */
export function settleMemory(t: Tcb): void {
  const { stats } = t
  if (stats === null || stats.memoryPages === 0) return
  const pages = pagesOf(t.rmemAlloc + t.wmemQueued)
  if (pages < stats.memoryPages) giveBack(t, stats, pages)
}

function giveBack(t: Tcb, stats: TcbStats, pages: number): void {
  own(t, stats, pages)
  const { memory } = t.tcp
  if (memory.isTight && memory.pages < limit(t, LOW)) memory.leave()
}

/** Buffers may grow by themselves (tcp_should_expand_sndbuf, tcp_clamp_window). */
export const mayGrow = (t: Tcb): boolean => !t.tcp.memory.isTight && t.tcp.memory.pages < limit(t, LOW)

/** Takes memory for `bytes` more in any case (sk_forced_mem_schedule). */
export function forceMemory(t: Tcb, bytes: number): void {
  const stats = statsOf(t)
  const pages = pagesOf(t.rmemAlloc + t.wmemQueued + bytes)
  if (pages > stats.memoryPages) own(t, stats, pages)
}

/** Takes memory for `bytes` more to send, or to receive, if it may (__sk_mem_schedule). */
function take(t: Tcb, bytes: number, sends: boolean): boolean {
  const stats = statsOf(t)
  const pages = pagesOf(t.rmemAlloc + t.wmemQueued + bytes)
  if (pages <= stats.memoryPages) return true
  const { memory } = t.tcp
  const all = memory.pages - stats.memoryPages + pages
  if ((memory.isTight || all > limit(t, LOW)) && !mayTake(t, all, pages, sends)) return false
  own(t, stats, pages)
  return true
}

/** `all` pages may be taken, `pages` of them by this socket (__sk_mem_raise_allocated). */
function mayTake(t: Tcb, all: number, pages: number, sends: boolean): boolean {
  const { memory } = t.tcp
  if (all <= limit(t, LOW)) {
    memory.leave()
    return true
  }
  if (all > limit(t, PRESSURE)) memory.enter()
  if (all > limit(t, MOST)) return false
  // Under pressure each may have the first number of tcp_wmem or tcp_rmem, and its share of all there is.
  const { tcp_wmem, tcp_rmem } = t.stack.sysctl
  const hasLittle = sends ? t.wmemQueued < (tcp_wmem[0] as number) : t.rmemAlloc < (tcp_rmem[0] as number)
  return hasLittle || !memory.isTight || limit(t, MOST) > t.tcp.connections * pages
}

/** There is memory for `bytes` that were received (sk_rmem_schedule). */
export const mayReceive = (t: Tcb, bytes: number): boolean => take(t, bytes, false)

/** There is memory for `bytes` to send; if not the send buffer shrinks to half of what it holds (sk_wmem_schedule). */
export function maySend(t: Tcb, bytes: number): boolean {
  if (take(t, bytes, true)) return true
  if (!t.isFlag(SF_SNDBUF_LOCK)) t.sndbuf = Math.max(Math.min(t.sndbuf, t.wmemQueued >> 1), SOCK_MIN_SNDBUF)
  if (t.wmemQueued + bytes < t.sndbuf) {
    t.tcp.memory.enter()
    return false
  }
  forceMemory(t, bytes)
  return true
}

/** How many of `bytes` may be queued: if there is no memory, what its pages hold, or tcp_wmem's first number (tcp_wmem_schedule). */
export function sendable(t: Tcb, bytes: number): number {
  if (maySend(t, bytes)) return bytes
  const little = (t.stack.sysctl.tcp_wmem[0] as number) - t.wmemQueued
  if (little > 0) forceMemory(t, Math.min(little, bytes))
  return Math.min(bytes, Math.max(statsOf(t).memoryPages * PAGE - t.rmemAlloc - t.wmemQueued, 0))
}

/** An orphan counts 2^`shift` times: there are too many, or it holds too much (tcp_check_oom). */
export function isOutOfMemory(t: Tcb, shift: number): boolean {
  const { tcp } = t
  const isTooMany = tcp.memory.orphans << shift > t.stack.sysctl.tcp_max_orphans
  const isTooMuch = t.wmemQueued > SOCK_MIN_SNDBUF && tcp.memory.pages > limit(t, MOST)
  if (isTooMany) tcp.warn('TCP: too many orphaned sockets')
  if (isTooMuch) tcp.warn('TCP: out of memory -- consider tuning tcp_mem')
  if (isTooMany || isTooMuch) tcp.counters.TcpExtTCPAbortOnMemory++
  return isTooMany || isTooMuch
}
