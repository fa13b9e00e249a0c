/** SYN-SENT (RFC 9293 §3.10.7.3; Linux tcp_rcv_synsent_state_process): the answer to our SYN, and what a connection starts with. */
import type { Packet } from '../buf/packet.ts'
import { SF_KEEPALIVE, TCP_ESTABLISHED, TCP_SYN_RECV } from '../sock/sock.ts'
import { ACE, ACK, ECE, RST, SYN } from '../wire/tcp.ts'
import { isAccEcn, reflectedFlags, simultaneousEcn, synAckEcn } from './accecn.ts'
import { processAck } from './ack.ts'
import * as F from './ack-flags.ts'
import { fastOpenSynAck } from './fastopen-client.ts'
import { peerReset, setState, WAKE_ALL } from './lifecycle.ts'
import { initializeReceiveMss, peerMss, syncMss, TS_LEN } from './mss.ts'
import { beginMtuProbing } from './mtu-probe.ts'
import { pushAfterAck } from './output.ts'
import { DELACK_MAX, enterQuickAck, inPingpong } from './quick-ack.ts'
import { recoveryOf } from './rack.ts'
import { FALLBACK_RTO } from './rtt.ts'
import type { Segment } from './segment.ts'
import { add, after } from './seq.ts'
import { endTimeouts } from './stats.ts'
import { ACK_SCHED, ACK_TIMER, INIT_CWND, OPT_ECN, OPT_SACK, OPT_TIMESTAMPS, OPT_WSCALE, type Tcb } from './tcb.ts'
import { armRexmt, keepIdle, PENDING_RTO, startKeep, startTimer, TIMER_DELACK } from './timer.ts'
import { sendAck, transmit } from './transmit.ts'
import { initBufferSpace } from './window.ts'
import { expandSendBuffer } from './write-space.ts'

/** Two ticks of the kernel's clock, in microseconds. */
const TCP_TIMEOUT_MIN = 8000

/** SYN-SENT (RFC 9293 §3.10.7.3; tcp_rcv_synsent_state_process). */
export function synSent(t: Tcb, g: Segment, packet: Packet): void {
  const parsed = t.tcp.parsed
  if ((g.flags & ACK) !== 0) {
    if (!after(g.ack, t.snd.una) || after(g.ack, t.snd.nxt)) {
      // The answer to an old SYN perhaps: ours goes again at once.
      if (t.retransmits === 0) armRexmt(t, PENDING_RTO, TCP_TIMEOUT_MIN)
      // Previous fastopen SYN or a stranger: reset unless it is one itself.
      if ((g.flags & RST) === 0) t.tcp.sendReset(g)
      packet.release()
      return
    }
    if (g.hasTs && parsed.tsEcr !== 0 && t.stack.sysctl.tcp_timestamps !== 0) {
      const ecr = (parsed.tsEcr - t.tsOffset) | 0
      const now = t.tcp.nowMs()
      // An answer to the first SYN counts as one to those sent again.
      if (((ecr - t.lastSegmentTime) | 0) < 0 || ((now - ecr) | 0) < 0) {
        t.stack.counters.TcpExtPAWSActive++
        if ((g.flags & RST) === 0) t.tcp.sendReset(g)
        packet.release()
        return
      }
    }
    if ((g.flags & RST) !== 0) {
      // Its options were read before it was: the dead socket tells of them, but for what is agreed on later.
      if ((g.flags & SYN) !== 0) {
        takeOptions(t)
        t.opt &= ~OPT_TIMESTAMPS
      }
      peerReset(t)
      packet.release()
      return
    }
    if ((g.flags & SYN) === 0) {
      packet.release()
      return
    }
    if (!synAckArrives(t, g, packet)) packet.release()
    return
  }
  if ((g.flags & RST) !== 0 || (g.flags & SYN) === 0) {
    packet.release()
    return
  }
  simultaneousOpen(t, g)
  packet.release()
}

/** The options of the peer's SYN; ours asked for all that the sysctls allow (tcp_parse_options). */
function takeOptions(t: Tcb): void {
  const parsed = t.tcp.parsed
  const sysctl = t.stack.sysctl
  t.opt &= ~(OPT_TIMESTAMPS | OPT_SACK | OPT_WSCALE)
  if (parsed.hasTs && sysctl.tcp_timestamps !== 0) t.opt |= OPT_TIMESTAMPS
  if (parsed.sackPermitted && sysctl.tcp_sack !== 0) t.opt |= OPT_SACK
  if (parsed.wscale >= 0 && sysctl.tcp_window_scaling !== 0) t.opt |= OPT_WSCALE
  t.snd.wscale = (t.opt & OPT_WSCALE) === 0 ? 0 : Math.min(14, parsed.wscale)
}

/** What the connection takes over from the peer's SYN. */
function takeSynOptions(t: Tcb, g: Segment): void {
  takeOptions(t)
  if ((t.opt & OPT_TIMESTAMPS) !== 0) {
    t.tsRecent = t.tcp.parsed.tsVal
    t.tsRecentStamp = t.tcp.nowMs()
  }
  // A SYN that meets ours is answered with all that we can do, the scale included.
  if ((t.opt & OPT_WSCALE) === 0 && (g.flags & ACK) !== 0) {
    t.rcv.wscale = 0
    t.rcv.windowClamp = Math.min(t.rcv.windowClamp, 65535)
  }
  t.snd.mssClamp = peerMss(t, t.snd.mssClamp)
  t.rcv.nxt = add(g.seq, 1)
  t.rcv.wup = t.rcv.nxt
  t.rcv.copiedSeq = t.rcv.nxt
  t.rcv.irs = g.seq
  t.snd.wl1 = g.seq
}

/** The handshake's second step: the active opener is connected (RFC 9293 §3.10.7.3, "fourth"). True: the packet was kept. */
function synAckArrives(t: Tcb, g: Segment, packet: Packet): boolean {
  if ((t.opt & OPT_ECN) !== 0) synAckEcn(t, g)
  takeSynOptions(t, g)
  t.rcvTsEcr = g.hasTs ? t.tcp.parsed.tsEcr : 0
  undoSpuriousSyn(t)
  endTimeouts(t)
  processAck(t, g, F.SLOWPATH)
  // The window of a SYN is never scaled (RFC 7323 §2.2).
  t.snd.wnd = g.window
  t.snd.maxWnd = Math.max(t.snd.maxWnd, g.window)
  if ((t.opt & OPT_TIMESTAMPS) !== 0) t.rcv.advMss -= TS_LEN
  syncMss(t, t.pmtu)
  initializeReceiveMss(t)
  initTransfer(t)
  setState(t, TCP_ESTABLISHED)
  t.isPredicting = t.snd.wscale === 0
  t.lastSegmentTime = t.lastReceived = t.tcp.nowMs()
  if (t.isFlag(SF_KEEPALIVE)) startKeep(t, keepIdle(t))
  const f = t.fastOpen
  const isFast = f !== null && (f.synFastOpen || f.synData)
  const { acked, consumed } = isFast ? fastOpenSynAck(t, f, g, packet) : PLAIN
  t.wake(WAKE_ALL)
  if (!acked) pushAfterAck(t)
  else if (t.sendHead !== null || t.writersWaiting > 0 || t.tuning.deferAccept > 0 || inPingpong(t)) {
    // Data will follow at once, or in a while: it carries the acknowledgement.
    t.ackPending |= ACK_SCHED
    enterQuickAck(t, 16)
    if (t.sendHead !== null) pushAfterAck(t)
    if (t.ackPending !== 0) {
      t.ackPending |= ACK_TIMER
      startTimer(t, TIMER_DELACK, t.tcp.now + DELACK_MAX)
    }
  } else sendAck(t, t.accEcn !== null && isAccEcn(t) ? reflectedFlags(t.accEcn.synEct) : 0)
  return consumed
}

/** A SYN-ACK without Fast Open. */
const PLAIN = { acked: true, consumed: false }

/** A SYN meets our SYN (RFC 9293 §3.5, figure 7): SYN-RECEIVED, and a SYN-ACK. */
function simultaneousOpen(t: Tcb, g: Segment): void {
  takeSynOptions(t, g)
  beginMtuProbing(t)
  t.snd.wnd = g.window
  t.snd.maxWnd = g.window
  syncMss(t, t.pmtu)
  initializeReceiveMss(t)
  setState(t, TCP_SYN_RECV)
  simultaneousEcn(t, g)
  const head = t.txHead
  if (head === null) return
  // tcp_ecn_send_synack
  const ecn = t.accEcn !== null && isAccEcn(t) ? reflectedFlags(t.accEcn.synEct) : (t.opt & OPT_ECN) !== 0 ? ECE : 0
  head.flags = (head.flags & ~ACE) | ACK | ecn
  t.tcp.now = t.stack.clock.now()
  // Timeouts count from the SYN (tcp_connect).
  recoveryOf(t).retransStamp ||= Math.floor(head.txTime / 1000) | 0 || 1
  transmit(t, head, t.snd.mss)
}

/** The peer's timestamp echoes the first of our SYNs or SYN-ACKs: those sent again were not needed (tcp_try_undo_spurious_syn). */
export function undoSpuriousSyn(t: Tcb): void {
  const r = t.recovery
  if (r === null || r.retransStamp === 0 || (t.opt & OPT_TIMESTAMPS) === 0) return
  if (((r.retransStamp + t.tsOffset) | 0) === t.rcvTsEcr) r.hasUndo = false
}

/** Buffers, congestion window and timers of a fresh connection (tcp_init_transfer). */
export function initTransfer(t: Tcb): void {
  const r = t.recovery
  // RFC 6298 (5.7): the handshake gave no sample (tcp_init_metrics).
  if (t.srtt === 0) t.rto = t.rttvar = t.mdev = t.mdevMax = FALLBACK_RTO
  // RFC 6298 (5.7), RFC 5681 §3.1: a lost SYN means a window of one, unless the loss was a mistake.
  t.snd.cwnd = t.totalRetrans > 1 && r !== null && r.hasUndo ? 1 : (t.dst?.metrics?.initcwnd ?? INIT_CWND)
  t.snd.cwndStamp = t.tcp.nowMs()
  if (r !== null) {
    r.hasUndo = false
    r.retransStamp = 0
  }
  t.snd.ssthresh = 0x7fffffff
  beginMtuProbing(t)
  t.ca.init?.(t)
  initBufferSpace(t, t.tcp.now)
  expandSendBuffer(t)
}
