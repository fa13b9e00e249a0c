/**
 * MSG_ZEROCOPY (Documentation/networking/msg_zerocopy.rst; msg_zerocopy_ in net/core/skbuff.c): the calls of a socket with
 * SO_ZEROCOPY are numbered, and the error queue tells when the network needs a call's bytes no more.
 *
 * All links here are in memory, and Linux copies on such ones — loopback, veth, TUN — and says so
 * (SO_EE_CODE_ZEROCOPY_COPIED). So do we, in the call: the program may change its buffer as soon as the call returns.
 */
import { SO_ZEROCOPY } from './constants.ts'
import { errorQueueOf } from './error-queue.ts'
import type { Message } from './message.ts'
import type { Sock } from './sock.ts'

/** Bytes of the calls that one notification is made of (byte_limit of msg_zerocopy_realloc), and how many calls. */
const BYTE_LIMIT = 1 << 19
const MAX_CALLS = 0xfffe

/** Calls that are notified of together, once nobody has their bytes any more (struct ubuf_info_msgzc). */
export class ZeroCopy {
  /** Number of the first call; how many there are; their bytes. */
  readonly id: number
  calls = 1
  bytes: number
  /** Who holds it: the call in hand and the segments with bytes of it. */
  refs = 1
  /** Pieces of the program's memory in the last segment (nr_frags). */
  frags = 0

  constructor(id: number, bytes: number) {
    this.id = id
    this.bytes = bytes
  }
}

/** The program switched SO_ZEROCOPY on. */
export const wantsZeroCopy = (sock: Sock): boolean => sock.settings.noted?.[SO_ZEROCOPY] === 1

/**
 * A call with `bytes` bytes begins; it joins `tail`, to whose data its own will be added, if that one was the last
 * (msg_zerocopy_realloc). Null for -ENOBUFS: too many notifications are on their way or unread.
 */
export function beginZeroCopy(sock: Sock, bytes: number, tail: ZeroCopy | null): ZeroCopy | null {
  const queue = errorQueueOf(sock)
  const isNext = tail !== null && (tail.id + tail.calls) >>> 0 === queue.zeroCopyKey
  if (isNext && tail.calls < MAX_CALLS && tail.bytes + bytes <= BYTE_LIMIT) {
    tail.calls++
    tail.bytes += bytes
    tail.refs++
    queue.zeroCopyKey = (queue.zeroCopyKey + 1) >>> 0
    return tail
  }
  if (!queue.reserve(sock.stack.sysctl.optmem_max)) return null
  const begun = new ZeroCopy(queue.zeroCopyKey, bytes)
  queue.zeroCopyKey = (queue.zeroCopyKey + 1) >>> 0
  return begun
}

/** One who held it lets go; the last one notifies the program (msg_zerocopy_complete). */
export function putZeroCopy(sock: Sock, z: ZeroCopy): void {
  if (--z.refs > 0) return
  errorQueueOf(sock).complete(sock, z.id, z.calls)
}

/** A call that slept for the rest is over: it lets go of what its message holds. */
export function endZeroCopy(sock: Sock, message: Message): void {
  const { zerocopy } = message
  message.isWhole = false
  message.zerocopy = null
  if (zerocopy !== null) putZeroCopy(sock, zerocopy)
}

/** The call failed: it has no number (msg_zerocopy_put_abort). */
export function abortZeroCopy(sock: Sock, z: ZeroCopy): void {
  const queue = errorQueueOf(sock)
  queue.zeroCopyKey = (queue.zeroCopyKey - 1) >>> 0
  z.calls--
  putZeroCopy(sock, z)
}
