/**
 * TIME-WAIT (RFC 9293 §3.3.2, §3.6.1): what must be remembered of a connection after its end, in a record far smaller than
 * a control block; and FIN-WAIT-2 without an owner, kept the same way (Linux inet_timewait_sock, tcp_minisocks.c).
 */

import type { PortBucket, PortUser } from '../sock/ports.ts'
import { TCP_CLOSE, TCP_FIN_WAIT2, TCP_TIME_WAIT } from '../sock/sock.ts'
import { type Clock, type Micros, Timer } from '../sys/clock.ts'
import { ACK, RST, SYN } from '../wire/tcp.ts'
import { isAnswerLimited, isEmptyOrSyn } from './challenge.ts'
import { connectionDone } from './lifecycle.ts'
import type { Md5Key } from './md5.ts'
import type { Segment } from './segment.ts'
import { add, after, before } from './seq.ts'
import { OPT_TIMESTAMPS, type Tcb } from './tcb.ts'
import type { Tcp } from './tcp.ts'
import { sendDetached } from './transmit.ts'
import { receiveWindow } from './window.ts'

/** TCP_TIMEWAIT_LEN: 60 s, twice Linux's MSL of 30 s. */
export const TIMEWAIT_LEN = 60000000

export class TimeWait implements PortUser {
  readonly tcp: Tcp
  localAddress: number
  localPort: number
  remoteAddress: number
  remotePort: number
  readonly boundInterface: number
  readonly flags: number
  readonly uid: number
  readonly state: number = TCP_TIME_WAIT
  /** TCP_TIME_WAIT, or TCP_FIN_WAIT2 while the peer's FIN is awaited. */
  substate: number
  sndNxt: number
  rcvNxt: number
  rcvWnd: number
  rcvWscale: number
  hasTs: boolean
  tsRecent: number
  tsRecentStamp: number
  tsOffset: number
  tos: number
  readonly md5Key: Md5Key | null
  lastOowAck = 0
  hasOowAck = false
  portBucket: PortBucket | null = null
  portNext: PortUser | null = null
  portPrevious: PortUser | null = null
  /** Kept by `TimeWaitList`. */
  deadline: Micros = Infinity
  earlier: TimeWait | null = null
  later: TimeWait | null = null

  constructor(t: Tcb, substate: number) {
    this.tcp = t.tcp
    this.localAddress = t.localAddress
    this.localPort = t.localPort
    this.remoteAddress = t.remoteAddress
    this.remotePort = t.remotePort
    this.boundInterface = t.boundInterface
    this.flags = t.flags
    this.uid = t.uid
    this.substate = substate
    this.sndNxt = t.snd.nxt
    this.rcvNxt = t.rcv.nxt
    this.rcvWnd = receiveWindow(t)
    this.rcvWscale = t.rcv.wscale
    this.hasTs = (t.opt & OPT_TIMESTAMPS) !== 0
    this.tsRecent = t.tsRecent
    this.tsRecentStamp = t.tsRecentStamp
    this.tsOffset = t.tsOffset
    this.tos = t.tos
    this.md5Key = t.md5Key
  }

  /** Its time is over. */
  expire(): void {
    this.tcp.stack.trace.tcpTimer?.(this, 'timewait', this.tcp.stack.name)
    this.tcp.counters.TcpExtTW++
    this.kill()
  }

  /** Lives `duration` microseconds from now on. */
  restart(duration: Micros): void {
    this.tcp.timeWaitList.start(this, this.tcp.clock.now() + duration)
  }

  /** Forgets the connection. */
  kill(): void {
    const tcp = this.tcp
    tcp.timeWaitList.remove(this)
    tcp.table.delete(this.localAddress, this.remoteAddress, (this.localPort << 16) | this.remotePort, this)
    tcp.ports.release(this)
    tcp.timeWaits--
    tcp.stack.trace.tcpState?.(this, this.substate, TCP_CLOSE, tcp.stack.name)
  }
}

/**
 * All TIME-WAITs of a host by their end, one timer for the first. Nearly all live 60 s from their start, so a new one goes to
 * the end of the list at once; a heap of a hundred thousand would cost every other timer.
 */
export class TimeWaitList extends Timer {
  readonly #clock: Clock
  #first: TimeWait | null = null
  #last: TimeWait | null = null

  constructor(clock: Clock) {
    super()
    this.#clock = clock
  }

  /** Puts `tw` where its deadline belongs, out of where it was. */
  start(tw: TimeWait, deadline: Micros): void {
    this.remove(tw)
    tw.deadline = deadline
    let before = this.#last
    while (before !== null && before.deadline > deadline) before = before.earlier
    tw.earlier = before
    tw.later = before === null ? this.#first : before.later
    if (tw.later === null) this.#last = tw
    else tw.later.earlier = tw
    if (before === null) {
      this.#first = tw
      this.#clock.start(this, deadline)
    } else before.later = tw
  }

  /** Takes `tw` out, if it is in. */
  remove(tw: TimeWait): void {
    if (tw.deadline === Infinity) return
    tw.deadline = Infinity
    if (tw.earlier === null) this.#first = tw.later
    else tw.earlier.later = tw.later
    if (tw.later === null) this.#last = tw.earlier
    else tw.later.earlier = tw.earlier
    tw.earlier = tw.later = null
    if (this.#first === null) this.#clock.remove(this)
  }

  override fire(now: Micros): void {
    while (this.#first !== null && this.#first.deadline <= now) this.#first.expire()
    if (this.#first !== null) this.#clock.start(this, this.#first.deadline)
  }
}

/** The connection ends here: what must be kept moves to a TimeWait (tcp_time_wait). `timeout` 0: the full 60 s. */
export function enterTimeWait(t: Tcb, substate: number, timeout: number): void {
  const tcp = t.tcp
  const isOver = tcp.timeWaits >= t.stack.sysctl.tcp_max_tw_buckets
  if (isOver) {
    // Linux logs "TCP: time wait bucket table overflow" and lets the connection vanish.
    t.stack.counters.TcpExtTCPTimeWaitOverflow++
    tcp.warn('TCP: time wait bucket table overflow')
    connectionDone(t)
    return
  }
  const tw = new TimeWait(t, substate)
  tcp.timeWaits++
  tcp.ports.replace(t, tw)
  tcp.table.set(t.localAddress, t.remoteAddress, (t.localPort << 16) | t.remotePort, tw)
  t.hashed = false
  tcp.sockets.addLoose(t)
  tw.restart(timeout > 0 && substate === TCP_FIN_WAIT2 ? timeout : TIMEWAIT_LEN)
  // The owner's descriptor sees a closed connection with everything still to read.
  if (t.state !== substate) t.stack.trace.tcpState?.(t, t.state, substate, t.stack.name)
  t.state = substate
  connectionDone(t)
}

/** What to do with a segment for a TIME-WAIT. */
export const TW_DONE = 0
/** A new SYN that may reuse the four-tuple: give it to the listener. */
export const TW_SYN = 1

function reply(tw: TimeWait, flags: number): void {
  const tcp = tw.tcp
  sendDetached(tcp, {
    local: tw.localAddress,
    remote: tw.remoteAddress,
    localPort: tw.localPort,
    remotePort: tw.remotePort,
    seq: tw.sndNxt,
    ack: tw.rcvNxt,
    flags,
    window: tw.rcvWnd >> tw.rcvWscale,
    tsVal: (tcp.nowMs() + tw.tsOffset) | 0,
    tsEcr: tw.tsRecent,
    tos: tw.tos,
    md5Key: tw.md5Key,
  })
}

/** The answer to a new SYN when nobody listens (tcp_v4_timewait_ack). */
export function timeWaitAck(tw: TimeWait): void {
  reply(tw, ACK)
}

/** Answers an old segment with the present state, but not so often that two hosts could loop (LINUX-TCP 31). */
function answer(
  tw: TimeWait,
  g: Segment,
  skipped: 'TcpExtTCPACKSkippedTimeWait' | 'TcpExtTCPACKSkippedFinWait2',
): void {
  if (isEmptyOrSyn(g) && isAnswerLimited(tw, tw.tcp)) tw.tcp.counters[skipped]++
  else reply(tw, ACK)
}

/** A segment for FIN-WAIT-2 or TIME-WAIT (tcp_timewait_state_process). The packet stays the caller's. */
export function timeWaitInput(tw: TimeWait, g: Segment): number {
  const tcp = tw.tcp
  const parsed = tcp.parsed
  const tsOk = tw.hasTs && g.hasTs
  const pawsReject =
    tsOk &&
    tw.tsRecent !== 0 &&
    ((parsed.tsVal - tw.tsRecent) | 0) < 0 &&
    ((tcp.nowMs() - tw.tsRecentStamp) | 0) < 24 * 86400000
  if (tw.substate === TCP_FIN_WAIT2) return finWait2Input(tw, g, pawsReject)
  // RFC 9293 §3.10.7.4: an acceptable segment here is a retransmitted FIN's ACK or a bare old one.
  if (!pawsReject && g.seq === tw.rcvNxt && (g.seq === g.endSeq || (g.flags & RST) !== 0)) {
    if ((g.flags & RST) !== 0) {
      // RFC 1337: TIME-WAIT assassination, allowed as on Linux unless tcp_rfc1337 is set.
      if (tcp.stack.sysctl.tcp_rfc1337 === 0) tw.kill()
      return TW_DONE
    }
    tw.restart(TIMEWAIT_LEN)
    remember(tw, g)
    return TW_DONE
  }
  // RFC 9293 §3.6.1, RFC 6191: a SYN that is clearly newer opens a new incarnation.
  const isSyn = (g.flags & (SYN | RST | ACK)) === SYN
  if (isSyn && !pawsReject && (after(g.seq, tw.rcvNxt) || (tsOk && ((tw.tsRecent - parsed.tsVal) | 0) < 0))) {
    let isn = add(tw.sndNxt, 65535 + 2)
    if (isn === 0) isn = 1
    tcp.timeWaitIsn = isn
    return TW_SYN
  }
  if (pawsReject) tcp.counters.TcpExtPAWSTimewait++
  if ((g.flags & RST) === 0) {
    // A FIN sent again restarts the 2 MSL (RFC 9293 §3.10.7.4).
    if (pawsReject || (g.flags & ACK) !== 0) tw.restart(TIMEWAIT_LEN)
    answer(tw, g, 'TcpExtTCPACKSkippedTimeWait')
  }
  return TW_DONE
}

function remember(tw: TimeWait, g: Segment): void {
  if (!tw.hasTs || !g.hasTs) return
  tw.tsRecent = tw.tcp.parsed.tsVal
  tw.tsRecentStamp = tw.tcp.nowMs()
}

function finWait2Input(tw: TimeWait, g: Segment, pawsReject: boolean): number {
  const tcp = tw.tcp
  const edge = add(tw.rcvNxt, tw.rcvWnd)
  const inWindow =
    g.seq === tw.rcvNxt || (before(g.seq, edge) && after(g.endSeq, tw.rcvNxt)) || (g.seq === edge && g.seq === g.endSeq)
  if (pawsReject || !inWindow) {
    // A reset too.
    answer(tw, g, 'TcpExtTCPACKSkippedFinWait2')
    return TW_DONE
  }
  if ((g.flags & RST) !== 0) {
    tw.kill()
    return TW_DONE
  }
  if ((g.flags & SYN) !== 0 && !before(g.seq, tw.rcvNxt)) {
    refuse(tw, g)
    return TW_DONE
  }
  // Nothing new: a late ACK.
  if ((g.flags & ACK) === 0 || !after(g.endSeq, tw.rcvNxt) || g.endSeq === g.seq) return TW_DONE
  // Data, or more than the FIN: nobody is there to read it.
  if (!g.isFin || g.endSeq !== add(tw.rcvNxt, 1)) {
    refuse(tw, g)
    return TW_DONE
  }
  tw.substate = TCP_TIME_WAIT
  tw.rcvNxt = g.endSeq
  remember(tw, g)
  tcp.stack.trace.tcpState?.(tw, TCP_FIN_WAIT2, TCP_TIME_WAIT, tcp.stack.name)
  tw.restart(TIMEWAIT_LEN)
  reply(tw, ACK)
  return TW_DONE
}

function refuse(tw: TimeWait, g: Segment): void {
  tw.tcp.sendReset(g)
  tw.kill()
}
