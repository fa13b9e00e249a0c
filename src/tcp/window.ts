/**
 * The receive window: what to advertise (RFC 9293 §3.8.6.2.2, silly-window avoidance on the receiving side) and how the
 * receive buffer grows with what a program takes out of it (Linux tcp_output.c and tcp_input.c, of the same names).
 */
import type { Packet } from '../buf/packet.ts'
import { SHARED_INFO, SKB_SIZE, SMALL_HEAD, SMALL_TRUESIZE } from '../buf/skb-size.ts'
import { SF_RCVBUF_LOCK, SOCK_MIN_RCVBUF } from '../sock/sock.ts'
import type { Interface } from '../stack/interface.ts'
import { noteWindow } from './limiter.ts'
import { mayGrow } from './memory.ts'
import type { Segment } from './segment.ts'
import { diff } from './seq.ts'
import { ACK_NOMEM, OPT_UNACCEPTED, type Tcb } from './tcb.ts'

/** It came over `lo`: it is in the sender's memory. */
export const isByReference = (packet: Packet): boolean => (packet.interface as Interface | null)?.isLoopback === true

/** What queueing `packet` costs of the receive buffer; over `lo` bytes in pages and a small head. */
export function truesize(packet: Packet): number {
  if (isByReference(packet)) return SMALL_TRUESIZE + packet.length
  return bufferCost(frameOf(packet) + packet.length - packet.linear)
}

/** The length of the frame that the linear part of `packet` came in. */
const frameOf = (packet: Packet): number =>
  packet.l3 < 0 ? packet.linear + RX_HEADERS : ETHERNET + packet.end - packet.l3

/** It was made of others' bytes (tcp_collapse), and never had headers. */
export const isCollapsed = (packet: Packet): boolean => packet.l3 < 0 && packet.linear === 0

/** Free memory behind a received packet's bytes (skb_tailroom); none behind one in pages. */
export function tailRoom(packet: Packet): number {
  if (isCollapsed(packet)) return packet.mark - SKB_SIZE - SHARED_INFO - packet.length
  const used = frameOf(packet) + packet.length - packet.linear
  return packet.mark > SKB_SIZE + 4096 ? 0 : packet.mark - SKB_SIZE - SKB_PAD - SHARED_INFO - used
}

/** Bytes of memory that Linux takes for a frame from a device (tun_alloc_skb, __alloc_skb). */
function bufferCost(frame: number): number {
  // The first page holds the head and what fits; the rest is in pages of its own.
  if (frame > GOOD_LINEAR) return SKB_SIZE + 4096 + ((frame - GOOD_LINEAR + 4095) & ~4095)
  const need = ((frame + SKB_PAD + 63) & ~63) + SHARED_INFO
  if (need <= SMALL_HEAD) return SMALL_TRUESIZE
  return SKB_SIZE + (need <= 1024 ? 1024 : need <= 2048 ? 2048 : 4096)
}

/** The same of memory that `length` bytes are copied into (alloc_skb). */
export const copyCost = (length: number): number => bufferCost(length - SKB_PAD)

/** Ethernet's header, and all headers; NET_SKB_PAD. */
const ETHERNET = 14
const RX_HEADERS = 54
const SKB_PAD = 64
/** What a head of one page has room for. */
const GOOD_LINEAR: number = 4096 - SKB_PAD - SHARED_INFO
/** TCP_RMEM_TO_WIN_SCALE: the ratio of payload to memory is kept in 256ths; a half to begin with. */
export const INITIAL_RATIO = 128

/** Usable window in `space` bytes of buffer, by how dense the data comes (tcp_win_from_space). */
export const windowFromSpace = (t: Tcb, space: number): number => Math.floor((space * t.rcv.ratio) / 256)
export const spaceFromWindow = (t: Tcb, window: number): number => Math.floor((window * 256) / t.rcv.ratio)

/** Free buffer in window bytes (tcp_space) and all of it (tcp_full_space). */
export const freeSpace = (t: Tcb): number => windowFromSpace(t, t.rcvbuf - t.rmemAlloc)
export const fullSpace = (t: Tcb): number => windowFromSpace(t, t.rcvbuf)

/** What the peer may still send by our last advertisement (tcp_receive_window). */
export function receiveWindow(t: Tcb): number {
  const window = diff((t.rcv.wup + t.rcv.wnd) | 0, t.rcv.nxt)
  return Math.max(window, 0)
}

/** Segments that were expected may take the short way again, if nothing stands against it (tcp_fast_path_check). */
export function checkFastPath(t: Tcb): void {
  if (t.oooHead === null && t.rcv.wnd > 0 && t.rmemAlloc < t.rcvbuf && t.urgData === 0) t.isPredicting = true
}

/** There is enough for a reader who waits for `target` bytes, or no room for more (tcp_epollin_ready). */
export function isReadable(t: Tcb, target: number): boolean {
  const available = diff(t.rcv.nxt, t.rcv.copiedSeq)
  if (available <= 0) return false
  return available >= target || t.rmemAlloc > t.rcvbuf - (t.rcvbuf >> 3) || receiveWindow(t) <= t.rcv.mss
}

/** Window and scale of a SYN or SYN-ACK (tcp_select_initial_window); writes rcv.wnd, rcv.wscale and the clamp. */
export function initialWindow(t: Tcb, mss: number, scaling: boolean): void {
  const sysctl = t.stack.sysctl
  const all = fullSpace(t)
  let clamp = t.rcv.windowClamp > 0 ? t.rcv.windowClamp : 65535 << 14
  // A buffer that the program chose bounds the window for good (tcp_connect_init, tcp_openreq_init_rwin).
  if (t.isFlag(SF_RCVBUF_LOCK)) clamp = Math.min(clamp, all)
  let space = Math.min(all, clamp)
  if (space > mss) space -= space % mss
  t.rcv.wnd = sysctl.tcp_workaround_signed_windows ? Math.min(space, 32767) : space
  t.rcv.wscale = 0
  if (scaling) {
    const most = Math.min(Math.max(space, sysctl.tcp_rmem[2] as number, sysctl.rmem_max), clamp)
    t.rcv.wscale = Math.min(14, Math.max(0, 31 - Math.clz32(most) - 15))
  }
  t.rcv.windowClamp = Math.min(65535 << t.rcv.wscale, clamp)
}

/** The window we could offer now (__tcp_select_window). */
export function offerableWindow(t: Tcb): number {
  const rcv = t.rcv
  const all = fullSpace(t)
  const full = Math.min(rcv.windowClamp, all)
  let free = freeSpace(t)
  let mss = rcv.mss
  if (mss > full) {
    mss = full
    if (mss <= 0) return 0
  }
  if (rcv.wscale > 0 && t.stack.sysctl.tcp_shrink_window !== 0) return shrinkingWindow(t, free, full, mss)
  if (free < full >> 1) {
    t.quickAck = Math.min(t.quickAck, 0)
    if (t.tcp.memory.isTight) shrinkSlowStart(t)
    free = Math.max(0, (free >> rcv.wscale) << rcv.wscale)
    // RFC 1122 §4.2.3.3: not less than a segment or a fraction of the buffer at a time.
    if (free < all >> 4 || free < mss) return 0
  }
  if (free > rcv.ssthresh) free = rcv.ssthresh
  if (rcv.wscale > 0) {
    const unit = 1 << rcv.wscale
    return (free + unit - 1) & ~(unit - 1)
  }
  const window = rcv.wnd
  if (window <= free - mss || window > free) return free - (free % mss)
  if (mss === full && free > window + (full >> 1)) return free
  return window
}

/** The same with net.ipv4.tcp_shrink_window: what memory there is, in whole units of the scale, even if it is less than before. */
function shrinkingWindow(t: Tcb, space: number, full: number, mss: number): number {
  const unit = 1 << t.rcv.wscale
  const free = Math.floor(space / unit) * unit
  if (free < full >> 1) {
    t.quickAck = 0
    if (t.tcp.memory.isTight) shrinkSlowStart(t)
    if (free < fullSpace(t) >> 4 || free < mss || free < unit) return 0
  }
  return free > t.rcv.ssthresh ? (t.rcv.ssthresh + unit - 1) & ~(unit - 1) : free
}

/** Settles the window for a segment about to leave and returns the header's field (tcp_select_window). */
export function selectWindow(t: Tcb): number {
  const rcv = t.rcv
  if ((t.ackPending & ACK_NOMEM) !== 0) {
    t.isPredicting = false
    rcv.wnd = 0
    rcv.wup = rcv.nxt
    noteWindow(t, true)
    return 0
  }
  const current = receiveWindow(t)
  let window = offerableWindow(t)
  if (window < current && (t.stack.sysctl.tcp_shrink_window === 0 || rcv.wscale === 0)) {
    // RFC 9293 §3.8.6: never shrink. A window that is closing stays where its right edge was.
    if (window === 0) t.stack.counters.TcpExtTCPWantZeroWindowAdv++
    const unit = 1 << rcv.wscale
    window = (current + unit - 1) & ~(unit - 1)
  }
  const old = rcv.wnd
  rcv.wnd = window
  rcv.wup = rcv.nxt
  const isSigned = rcv.wscale === 0 && t.stack.sysctl.tcp_workaround_signed_windows !== 0
  window = Math.min(window, isSigned ? 32767 : 65535 << rcv.wscale)
  const field = window >> rcv.wscale
  if (field === 0) {
    t.isPredicting = false
    if (old > 0) t.stack.counters.TcpExtTCPToZeroWindowAdv++
    noteWindow(t, true)
  } else if (old === 0) {
    t.stack.counters.TcpExtTCPFromZeroWindowAdv++
    noteWindow(t, false)
  }
  return field
}

/** Lets the offered window grow when arriving data is dense enough for its memory (tcp_grow_window). */
export function growWindow(t: Tcb, length: number, memory: number): void {
  const rcv = t.rcv
  const room = Math.min(rcv.windowClamp, freeSpace(t)) - rcv.ssthresh
  if (room <= 0 || t.tcp.memory.isTight) return
  let increment = 0
  if (windowFromSpace(t, memory) <= length) increment = 2 * rcv.advMss
  else {
    let cost = windowFromSpace(t, memory) >> 1
    let window = windowFromSpace(t, t.stack.sysctl.tcp_rmem[2] as number) >> 1
    while (rcv.ssthresh <= window) {
      if (cost <= length) {
        increment = 2 * rcv.mss
        break
      }
      cost >>= 1
      window >>= 1
    }
  }
  if (increment > 0) {
    rcv.ssthresh += Math.min(room, Math.max(increment, 2 * length))
    t.quickAck |= 1
  }
}

/** A larger segment than before: how much payload a byte of memory carries is looked at again (tcp_measure_rcv_mss). */
export function noteDensity(t: Tcb, length: number, memory: number): void {
  const rcv = t.rcv
  const ratio = Math.max(1, Math.floor((length * 256) / memory) & 255)
  if (ratio === rcv.ratio) return
  rcv.ratio = ratio
  setWindowClamp(t, windowFromSpace(t, t.rcvbuf))
  if (rcv.windowClamp < rcv.spaceBytes) rcv.spaceBytes = rcv.windowClamp
}

/** Bounds the window from now on (tcp_set_window_clamp). */
export function setWindowClamp(t: Tcb, bytes: number): void {
  const { rcv } = t
  const clamp = Math.max(SOCK_MIN_RCVBUF >> 1, bytes)
  if (clamp < rcv.windowClamp) rcv.ssthresh = Math.min(rcv.ssthresh, clamp)
  else if (clamp > rcv.windowClamp) rcv.ssthresh = Math.max(rcv.ssthresh, Math.min(rcv.wnd, clamp))
  rcv.windowClamp = clamp
}

/** The clamp and the slow start of the window when a connection is made (tcp_init_buffer_space). */
export function initBufferSpace(t: Tcb, nowUs: number): void {
  const rcv = t.rcv
  const most = fullSpace(t)
  rcv.spaceTime = nowUs | 0
  rcv.spaceSeq = rcv.copiedSeq
  const share = t.stack.sysctl.tcp_app_win
  if (rcv.windowClamp >= most) {
    rcv.windowClamp = most
    if (share !== 0 && most > 4 * rcv.advMss) rcv.windowClamp = Math.max(most - (most >> share), 4 * rcv.advMss)
  }
  // One segment is kept back.
  if (share !== 0 && rcv.windowClamp > 2 * rcv.advMss && rcv.windowClamp + rcv.advMss > most)
    rcv.windowClamp = Math.max(2 * rcv.advMss, most - rcv.advMss)
  rcv.ssthresh = Math.min(rcv.ssthresh > 0 ? rcv.ssthresh : rcv.wnd, rcv.windowClamp)
  rcv.spaceBytes = Math.min(rcv.ssthresh, rcv.wnd, INIT_RCV_SEGMENTS * rcv.advMss)
}

const INIT_RCV_SEGMENTS = 10

/** Grows the buffer by what the program copied in the last round trip (dynamic right-sizing, tcp_rcv_space_adjust). */
export function adjustReceiveSpace(t: Tcb, nowUs: number): void {
  const rcv = t.rcv
  const elapsed = ((nowUs | 0) - rcv.spaceTime) | 0
  // Times wrap after 71 minutes: a negative distance is a long one.
  if (rcv.rttUs === 0 || (elapsed >= 0 && elapsed < rcv.rttUs >> 3)) return
  // A program that leaves data in the queue does not keep up: it needs no more.
  const copied = diff(rcv.copiedSeq, rcv.spaceSeq) - diff(rcv.nxt, rcv.copiedSeq)
  if (copied > rcv.spaceBytes) growReceiveBuffer(t, copied)
  rcv.spaceSeq = rcv.copiedSeq
  rcv.spaceTime = nowUs | 0
}

/** Data came before its turn: it needs room beside what is to come in order (tcp_data_queue_ofo). */
export function growForGap(t: Tcb): void {
  if ((t.opt & OPT_UNACCEPTED) === 0) growReceiveBuffer(t, t.rcv.spaceBytes)
}

/** Memory is short: the window starts again with a few segments (tcp_adjust_rcv_ssthresh). */
export function shrinkSlowStart(t: Tcb): void {
  t.rcv.ssthresh = Math.min(t.rcv.ssthresh, 4 * t.rcv.advMss)
}

/** Too much is queued: the buffer follows up to tcp_rmem's limit, and the window shrinks (tcp_clamp_window). */
export function clampWindow(t: Tcb): void {
  const most = t.stack.sysctl.tcp_rmem[2] as number
  t.quickAck = Math.min(t.quickAck, 0)
  if (t.rcvbuf < most && !t.isFlag(SF_RCVBUF_LOCK) && mayGrow(t))
    t.rcvbuf = Math.max(t.rcvbuf, Math.min(t.rmemAlloc, most))
  if (t.rmemAlloc > t.rcvbuf) t.rcv.ssthresh = Math.min(t.rcv.windowClamp, 2 * t.rcv.advMss)
}

/**
 * Makes the buffer large enough for twice `copied`, the bytes a program took in a round trip, and four times as much of what it grew
 * by, since the sender may be in slow start; and for what waits out of order (tcp_rcvbuf_grow).
 */
function growReceiveBuffer(t: Tcb, copied: number): void {
  const { rcv } = t
  const { sysctl } = t.stack
  const old = rcv.spaceBytes
  rcv.spaceBytes = copied
  if (sysctl.tcp_moderate_rcvbuf === 0 || t.isFlag(SF_RCVBUF_LOCK)) return
  let window = copied * 2
  window += 2 * Math.floor((window * (copied - old)) / Math.max(old, 1))
  const last = t.disorder === null ? null : t.disorder.oooTail
  if (last !== null && t.oooHead !== null) window += diff(last.endSeq, rcv.nxt)
  const space = Math.min(spaceFromWindow(t, window), sysctl.tcp_rmem[2] as number)
  if (space <= t.rcvbuf) return
  t.rcvbuf = space
  rcv.windowClamp = windowFromSpace(t, space)
}

/** The receiver's own estimate of the round trip: one sample; a long one counts only if nobody is behind with reading (tcp_rcv_rtt_update). */
function receiverRtt(t: Tcb, sampleUs: number, windowSample: boolean): void {
  const { rcv } = t
  const old = rcv.rttUs
  if (old === 0 || sampleUs * 8 < old) rcv.rttUs = sampleUs * 8
  else if (!windowSample && rcv.nxt === rcv.copiedSeq) rcv.rttUs = old - (old >> 3) + sampleUs
}

/** Measures by the time a full window takes to arrive; needs no timestamps (tcp_rcv_rtt_measure). */
export function measureRttByWindow(t: Tcb, nowUs: number): void {
  const rcv = t.rcv
  if (rcv.rttStarted) {
    if (diff(rcv.nxt, rcv.rttSeq) < 0) return
    receiverRtt(t, Math.min(((nowUs | 0) - rcv.rttTime) & 0x7fffffff, 0x7ffffff) || 1, true)
  }
  rcv.rttSeq = (rcv.nxt + rcv.wnd) | 0
  rcv.rttTime = nowUs | 0
  rcv.rttStarted = true
}

/** Measures by a timestamp that is echoed for the first time, if in a full segment (tcp_rcv_rtt_measure_ts). */
export function measureRttByTimestamp(t: Tcb, g: Segment): void {
  const { rcv, rcvTsEcr } = t
  if (!g.hasTs || rcvTsEcr === rcv.rttTsEcr) return
  rcv.rttTsEcr = rcvTsEcr
  if (diff(g.endSeq, g.seq) < rcv.mss || rcvTsEcr === 0) return
  // Less than a tick of the clock tells nothing.
  const delta = (t.tcp.nowMs() + t.tsOffset - rcvTsEcr) | 0
  if (delta > 0 && delta < 100000) receiverRtt(t, delta * 1000, false)
}
