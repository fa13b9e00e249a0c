/**
 * SEGMENT ARRIVES, RFC 9293 §3.10.7, in the RFC's own order with Linux's choices (tcp_rcv_established,
 * tcp_rcv_state_process). One function per step; a step that ends the processing returns true.
 */
import type { Packet } from '../buf/packet.ts'
import { SHUT_WR } from '../sock/constants.ts'
import {
  RCV_SHUTDOWN,
  SEND_SHUTDOWN,
  SF_DEAD,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_LAST_ACK,
  TCP_LISTEN,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
} from '../sock/sock.ts'
import { ACK, RST, SYN } from '../wire/tcp.ts'
import { countReceived, isAccEcn, noteOption } from './accecn.ts'
import { ACK_UNSENT, isWindowNews, processAck, replaceTsRecent, tsRecentStale } from './ack.ts'
import * as F from './ack-flags.ts'
import { challengeAck, duplicateAck } from './challenge.ts'
import { fitsPages } from './collapse.ts'
import { checkAck } from './delack.ts'
import { suspectReset } from './fastopen-pause.ts'
import { connectionDone, peerReset, releaseRequest, setState, WAKE_ALL } from './lifecycle.ts'
import { settleMemory } from './memory.ts'
import { initializeReceiveMss, TS_LEN } from './mss.ts'
import { awaitFin } from './orphan.ts'
import { pushAfterAck } from './output.ts'
import { acceptPredicted, acceptText, isPredicted, urgent } from './receive.ts'
import { undoSynAckLoss } from './recovery.ts'
import { earlyInput } from './request-answer.ts'
import { ackRtt } from './rtt.ts'
import type { Segment } from './segment.ts'
import { add, after, before } from './seq.ts'
import { endTimeouts, statsOf } from './stats.ts'
import { initTransfer, synSent, undoSpuriousSyn } from './syn-sent.ts'
import { OPT_SACK, OPT_TIMESTAMPS, OPT_UNACCEPTED, type Tcb } from './tcb.ts'
import { rearmRto } from './timer.ts'
import { enterTimeWait } from './timewait.ts'
import { measureRttByTimestamp, receiveWindow, truesize } from './window.ts'
import { newSpace } from './write-space.ts'

/** Its timestamp is older than the last by more than TCP_PAWS_WINDOW (RFC 7323 §5; tcp_paws_check). */
const isOlder = (t: Tcb, g: Segment): boolean =>
  (t.opt & OPT_TIMESTAMPS) !== 0 &&
  g.hasTs &&
  ((t.tsRecent - t.rcvTsVal) | 0) > 1 &&
  t.tsRecent !== 0 &&
  !tsRecentStale(t)

const PAWS_PASS = 0
/** An acknowledgement overtaken by data: not worth an answer. */
const PAWS_OLD_ACK = 1
const PAWS_REJECT = 2

/** Not every older segment is an old duplicate: a pure ACK may have been overtaken (tcp_disordered_ack_check). */
function pawsVerdict(t: Tcb, g: Segment): number {
  if (!isOlder(t, g)) return PAWS_PASS
  if ((g.flags & ACK) === 0 || g.seq !== g.endSeq) return PAWS_REJECT
  if (g.seq !== t.rcv.nxt) return before(g.seq, t.rcv.nxt) ? PAWS_OLD_ACK : PAWS_REJECT
  const isNews = g.ack !== t.snd.una || isWindowNews(t, g, g.window << t.snd.wscale)
  // A clock of 1200 Hz at most (tcp_tsval_replay).
  const isReplay = ((t.tsRecent - t.rcvTsVal) | 0) > Math.floor((Math.floor(t.rto / 1000) * 1200) / 1000)
  return isNews || isReplay ? PAWS_REJECT : PAWS_PASS
}

/** First, the sequence number: the cases of RFC 9293 §3.10.7.4 as tcp_sequence decides them (LINUX-TCP 31, 32). */
function isOutsideWindow(t: Tcb, g: Segment): boolean {
  if (before(g.endSeq, t.rcv.wup)) return true
  const edge = add(t.rcv.nxt, receiveWindow(t))
  if (after(g.endSeq, edge)) {
    // A FIN may lie beyond; more data than the window is taken only into an empty queue.
    if (!after(g.isFin ? (g.endSeq - 1) | 0 : g.endSeq, edge)) return false
    if (after(g.seq, edge) || t.rcvHead !== null) {
      t.stack.counters.TcpExtBeyondWindow++
      return true
    }
  }
  return false
}

/** First to fourth: PAWS, sequence number, RST (RFC 5961 §3), SYN (RFC 5961 §4). True: the segment is done with. */
function validate(t: Tcb, g: Segment): boolean {
  const paws = (g.flags & RST) !== 0 ? PAWS_PASS : pawsVerdict(t, g)
  if (paws !== PAWS_PASS) {
    if ((g.flags & SYN) !== 0) challengeSyn(t, g)
    else if (paws === PAWS_OLD_ACK) t.stack.counters.TcpExtPAWSOldAck++
    else {
      t.stack.counters.TcpExtPAWSEstab++
      duplicateAck(t, g, 'TcpExtTCPACKSkippedPAWS')
    }
    return true
  }
  if (isOutsideWindow(t, g)) {
    if ((g.flags & RST) !== 0) {
      if (isAtFin(t, g)) peerReset(t)
      return true
    }
    if ((g.flags & SYN) !== 0) challengeSyn(t, g)
    else duplicateAck(t, g, 'TcpExtTCPACKSkippedSeq')
    return true
  }
  if ((g.flags & RST) !== 0) {
    if (resetIsExact(t, g)) peerReset(t)
    else {
      if (t.state === TCP_ESTABLISHED) suspectReset(t)
      challengeAck(t)
    }
    return true
  }
  if ((g.flags & SYN) !== 0) {
    // The SYN-ACK of a simultaneous open acknowledges our SYN: it counts as the ACK (Linux 23e89e8ee7be, RFC 9293 §3.5).
    if (t.state === TCP_SYN_RECV && (g.flags & ACK) !== 0 && isSynAgain(t, g) && g.ack === t.snd.nxt) return false
    challengeSyn(t, g)
    return true
  }
  return false
}

/** The peer's SYN and nothing else, at a socket of a program. */
const isSynAgain = (t: Tcb, g: Segment): boolean =>
  g.endSeq === t.rcv.nxt && add(g.seq, 1) === g.endSeq && (t.opt & OPT_UNACCEPTED) === 0

/** RFC 5961 §3.2 with the twist of a FIN we have: its sequence number is exact too (tcp_reset_check). */
const isAtFin = (t: Tcb, g: Segment): boolean =>
  g.seq === ((t.rcv.nxt - 1) | 0) && (t.state === TCP_CLOSE_WAIT || t.state === TCP_LAST_ACK || t.state === TCP_CLOSING)

function challengeSyn(t: Tcb, g: Segment): void {
  const a = t.accEcn
  const reflects = a !== null && isAccEcn(t)
  if (reflects && noteOption(t, a, g)) a.demand = Math.max(a.demand, 1)
  t.stack.counters.TcpExtTCPSYNChallenge++
  challengeAck(t, reflects)
}

/** RST at RCV.NXT, or at the right edge of the SACKs we sent (Linux's robustness beyond RFC 5961). */
function resetIsExact(t: Tcb, g: Segment): boolean {
  if (g.seq === t.rcv.nxt || isAtFin(t, g)) return true
  const blocks = t.disorder === null ? null : t.disorder.sackBlocks
  if ((t.opt & OPT_SACK) === 0 || t.sackCount === 0 || blocks === null) return false
  let most = blocks[1] as number
  for (let i = 1; i < t.sackCount; i++) if (after(blocks[2 * i + 1] as number, most)) most = blocks[2 * i + 1] as number
  return g.seq === most
}

/** Notes the timestamps of the segment in hand. */
function takeTimestamps(t: Tcb, g: Segment): void {
  const parsed = t.tcp.parsed
  t.rcvTsVal = g.hasTs ? parsed.tsVal : 0
  t.rcvTsEcr = g.hasTs && parsed.tsEcr !== 0 && (t.opt & OPT_TIMESTAMPS) !== 0 ? parsed.tsEcr : 0
}

/** A segment for a connection in any state but LISTEN. Ownership of the packet passes; `start` is at the payload. */
export function segmentArrives(t: Tcb, g: Segment, packet: Packet): void {
  takeTimestamps(t, g)
  t.segmentsIn += g.gsoSegments
  if (g.length > 0) statsOf(t).dataSegmentsIn += g.gsoSegments
  if (t.state === TCP_ESTABLISHED) established(t, g, packet)
  else if (t.state === TCP_SYN_SENT) synSent(t, g, packet)
  else otherStates(t, g, packet)
  settleMemory(t)
}

/** ESTABLISHED: the common case, straight through (tcp_rcv_established). */
function established(t: Tcb, g: Segment, packet: Packet): void {
  if ((g.flags & (ACK | RST | SYN)) === 0) {
    packet.release()
    return
  }
  const isExpected = isPredicted(t, g)
  // What was predicted is in order, and its timestamp is not older.
  if (!isExpected && validate(t, g)) {
    packet.release()
    return
  }
  if ((g.tos & 3) !== 0 || t.accEcn !== null) countReceived(t, g)
  if (isExpected) {
    const memory = g.length === 0 ? 0 : truesize(packet)
    if (memory === 0 || fitsPages(t, memory)) {
      takePredicted(t, g, packet, memory)
      return
    }
  }
  const verdict = processAck(t, g, F.SLOWPATH | F.UPDATE_TS_RECENT)
  if (verdict < 0) {
    if (verdict === ACK_UNSENT) challengeAck(t)
    packet.release()
    return
  }
  if ((t.opt & OPT_TIMESTAMPS) !== 0) measureRttByTimestamp(t, g)
  urgent(t, g, packet)
  acceptText(t, g, packet)
  if ((t.state as number) === TCP_CLOSE || (t.state as number) === TCP_TIME_WAIT) return
  pushAfterAck(t)
  checkAck(t)
  newSpace(t)
}

/** What was predicted: data is taken before, and whatever, its acknowledgement is worth; an acknowledgement draws none. */
function takePredicted(t: Tcb, g: Segment, packet: Packet, memory: number): void {
  // The timestamp is taken here, not again by processAck.
  let flags = F.SLOWPATH
  if (g.hasTs && t.rcv.nxt === t.rcv.wup) flags |= replaceTsRecent(t, g.seq)
  if (g.hasTs) measureRttByTimestamp(t, g)
  if (g.length === 0) {
    processAck(t, g, flags)
    packet.release()
    pushAfterAck(t)
  } else {
    acceptPredicted(t, g, packet, memory)
    if (g.ack === t.snd.una && !isAccEcn(t)) t.snd.wl1 = g.seq
    else {
      processAck(t, g, flags)
      pushAfterAck(t)
    }
    checkAck(t)
  }
  newSpace(t)
}

/** SYN-RECEIVED (of a simultaneous open) and all closing states (tcp_rcv_state_process). */
function otherStates(t: Tcb, g: Segment, packet: Packet): void {
  const request = t.fastOpen?.request ?? null
  const isDead = t.state === TCP_CLOSE || t.state === TCP_LISTEN
  if (isDead || (request !== null && earlyInput(request, g)) || (g.flags & (ACK | RST | SYN)) === 0) {
    packet.release()
    return
  }
  if (validate(t, g)) {
    packet.release()
    return
  }
  if ((g.flags & ACK) === 0) {
    packet.release()
    return
  }
  const flags = F.SLOWPATH | F.UPDATE_TS_RECENT | (t.state === TCP_SYN_RECV ? F.NO_CHALLENGE_ACK : 0)
  const verdict = processAck(t, g, flags)
  if (verdict <= 0) {
    if (t.state === TCP_SYN_RECV) {
      t.tcp.sendReset(g)
      packet.release()
      return
    }
    if (verdict < 0) {
      if (verdict === ACK_UNSENT) challengeAck(t)
      packet.release()
      return
    }
  }
  if (ackInState(t, g)) {
    packet.release()
    return
  }
  textInState(t, g, packet)
}

/** Fifth: what the ACK means in each state. True: the segment is done with. */
function ackInState(t: Tcb, g: Segment): boolean {
  const isEarly = t.fastOpen !== null && t.fastOpen.request !== null
  switch (t.state) {
    case TCP_SYN_RECV:
      t.delivered++
      if (!isEarly && t.srtt === 0) ackRtt(t, true, -1, -1, -1)
      if ((t.opt & OPT_TIMESTAMPS) !== 0) t.rcv.advMss -= TS_LEN
      undoSpuriousSyn(t)
      if (isEarly) finishFastOpen(t)
      else t.rcv.copiedSeq = t.rcv.nxt
      setState(t, TCP_ESTABLISHED)
      t.snd.una = g.ack
      t.snd.wnd = g.window << t.snd.wscale
      t.snd.maxWnd = Math.max(t.snd.maxWnd, t.snd.wnd)
      t.snd.wl1 = g.seq
      if (!isEarly) initTransfer(t)
      initializeReceiveMss(t)
      t.isPredicting = true
      // Shut before it was open: the FIN goes now.
      if ((t.shutdownMask & SEND_SHUTDOWN) !== 0) t.tcp.user.shutdown(t, SHUT_WR)
      t.wake(WAKE_ALL)
      return false
    case TCP_FIN_WAIT1:
      if (isEarly) finishFastOpen(t)
      return finWait1Acked(t, g)
    case TCP_CLOSING:
      if (t.snd.una === t.snd.writeSeq) {
        enterTimeWait(t, TCP_TIME_WAIT, 0)
        return true
      }
      return false
    case TCP_LAST_ACK:
      if (t.snd.una === t.snd.writeSeq) {
        connectionDone(t)
        return true
      }
      return false
    default:
      return false
  }
}

/** The third ACK of a Fast Open child that lived already (tcp_rcv_synrecv_state_fastopen). */
function finishFastOpen(t: Tcb): void {
  const request = t.fastOpen?.request ?? null
  if (request === null) return
  if (t.srtt === 0) {
    // A SYN-ACK sent again tells by its timestamp only (tcp_synack_rtt_meas).
    if (request.resent === 0) t.tcp.firstSample(t, t.tcp.now - request.sentAt)
    else ackRtt(t, true, -1, -1, -1)
  }
  undoSynAckLoss(t)
  endTimeouts(t)
  t.retransmits = 0
  releaseRequest(t)
  rearmRto(t)
}

/** Our FIN is acknowledged: FIN-WAIT-2, and what that means without an owner. */
function finWait1Acked(t: Tcb, g: Segment): boolean {
  if (t.snd.una !== t.snd.writeSeq) return false
  setState(t, TCP_FIN_WAIT2)
  t.shutdownMask |= SEND_SHUTDOWN
  t.dst?.confirm()
  if (!t.isFlag(SF_DEAD)) {
    t.wake(WAKE_ALL)
    return false
  }
  if (t.tuning.linger2 < 0) {
    t.stack.counters.TcpExtTCPAbortOnData++
    t.tcp.sendReset(g)
    connectionDone(t)
    return true
  }
  // Data after the owner has gone: nobody can read it.
  if (g.length > 0 && after(g.isFin ? (g.endSeq - 1) | 0 : g.endSeq, t.rcv.nxt)) {
    t.stack.counters.TcpExtTCPAbortOnData++
    t.tcp.sendReset(g)
    connectionDone(t)
    return true
  }
  return awaitFin(t, g.isFin)
}

/** RFC 1122 §4.2.2.13: data for a program that closed, or after the peer's own FIN, is answered with a reset. */
function abortOnData(t: Tcb, g: Segment, packet: Packet): boolean {
  const end = g.isFin ? (g.endSeq - 1) | 0 : g.endSeq
  if ((t.shutdownMask & RCV_SHUTDOWN) === 0 || g.endSeq === g.seq || !after(end, t.rcv.nxt)) return false
  t.stack.counters.TcpExtTCPAbortOnData++
  t.tcp.sendReset(g)
  peerReset(t)
  packet.release()
  return true
}

/** Sixth to eighth in the states after ESTABLISHED. */
function textInState(t: Tcb, g: Segment, packet: Packet): void {
  urgent(t, g, packet)
  switch (t.state) {
    case TCP_CLOSE_WAIT:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
      // After the peer's FIN nothing more can come; what does is old.
      if (!before(g.seq, t.rcv.nxt)) {
        packet.release()
        break
      }
      if (abortOnData(t, g, packet)) return
      acceptText(t, g, packet)
      break
    case TCP_FIN_WAIT1:
    case TCP_FIN_WAIT2:
      if (abortOnData(t, g, packet)) return
      acceptText(t, g, packet)
      break
    case TCP_ESTABLISHED:
      acceptText(t, g, packet)
      break
    default:
      packet.release()
      return
  }
  // The compiler cannot see that text() may have changed the state.
  if ((t.state as number) === TCP_CLOSE || (t.state as number) === TCP_TIME_WAIT) return
  pushAfterAck(t)
  checkAck(t)
  newSpace(t)
}
