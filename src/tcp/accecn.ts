/**
 * Accurate ECN (RFC 9768; Linux 6.18 tcp_ecn.h, __tcp_accecn_process, tcp_options_fit_accecn): a counter of marked segments
 * in the header's ACE field, counters of bytes in an option, and what both say of a path that may lie.
 */
import { get24, put24 } from '../wire/bytes.ts'
import { ACE, CWR, ECE } from '../wire/tcp.ts'
import { ACC_ECN1, emitNop } from '../wire/tcp-options.ts'
import * as F from './ack-flags.ts'
import type { Segment } from './segment.ts'
import { statsOf } from './stats.ts'
import { ACK_NOW, CA_CWR, CA_OPEN, OPT_ACCECN, OPT_ECN, OPT_SACK, type Tcb } from './tcb.ts'

/** Codepoints of the IP header (RFC 3168 §5). */
const ECT_1 = 1
const ECT_0 = 2
const CE = 3

/** What the ACE field counts from (TCP_ACCECN_CEP_INIT_OFFSET). */
const ACE_START = 5
const ACE_MASK = 7
/** What the fields of the option count from, by codepoint: a zero on the wire was made by somebody else. */
const FIELD_START: readonly number[] = [0, 1, 1, 0]
/** Codepoints in the order of the option's fields (RFC 9768 §3.2.3, table 5). */
const ORDER_0: readonly number[] = [ECT_0, CE, ECT_1]
const ORDER_1: readonly number[] = [ECT_1, CE, ECT_0]
/** Fields that must be there for the one of a codepoint to be (tcp_ecnfield_to_accecn_optfield). */
const FIELDS_FOR: readonly number[] = [0, 1, 3, 2]
/** ACE of a SYN-ACK, and of the ACK of one, by the codepoint the other segment came with (RFC 9768 table 2). */
const REFLECTED: readonly number[] = [2, 3, 4, 6]
/** The codepoint that such an ACE tells (tcp_accecn_extract_syn_ect). */
const TOLD: readonly number[] = [ECT_0, ECT_1, 0, ECT_1, ECT_0, ECT_1, CE, ECT_1]

/** tcpi_accecn_fail_mode: what is not to be believed, or was not sent. */
const ACCECN_ACE_FAIL_SEND = 1
export const ACCECN_ACE_FAIL_RECV = 2
export const ACCECN_OPT_FAIL_RECV = 8
/** tcpi_accecn_opt_seen. */
export const ACCECN_OPT_EMPTY_SEEN = 1
export const ACCECN_OPT_COUNTER_SEEN = 2
export const ACCECN_OPT_FAIL_SEEN = 3

/** tcp_ecn_option. */
const OPTION_FULL = 2
/** Kind and length; one field; the option with all fields. */
const BASE = 2
const FIELD = 3
const FIELDS = 3
const SACK_BLOCK = 8
/** Weight of the newest in the average of segments acknowledged at once, its fraction's bits; a path that thins out ACKs. */
const ACKED_WEIGHT = 6
const ACKED_PRECISION = 6
const ACK_COMPRESSION = 4
/** Bytes that may be sent before the first option comes: after that its counters may have wrapped. */
const LATEST_OPTION = (1 << 23) - 1

/** What a connection that sees ECN codepoints keeps. */
export class AccEcn {
  /** Segments that came marked CE (r.cep); payload bytes that came, and that the peer got, by codepoint (r.e1b, r.e0b, r.ceb). */
  receivedCe = 0
  readonly received: number[] = [0, 0, 0, 0]
  readonly delivered: number[] = [0, 0, 0, 0]
  /** Codepoint that the SYN or SYN-ACK of the peer came with; that of the last segment. */
  synEct = 0
  lastField = 0
  /** Options that are to be sent whatever the sysctl says; fields they must have; when the last one left. */
  demand = 0
  least = 0
  optionTime: number = -Infinity
  /** ACCECN_OPT_ bits of what was seen; ACCECN_ _FAIL_ bits. */
  seen = 0
  failMode = 0
  /** The codepoint whose bytes grow now, 0: several do. */
  growing = 0
  ackedAverage = 0
  /** What `fitOption` decided for the segment in hand: fields, -1 for no option, and SACK blocks beside them. */
  fields = -1
  sackBlocks = 0
}

/** The record, made for the first segment with a codepoint or when the mode is negotiated. */
export function accEcnOf(t: Tcb): AccEcn {
  t.accEcn ??= new AccEcn()
  return t.accEcn
}

/** AccECN is in use (tcp_ecn_mode_accecn). While it is asked for, OPT_ECN is set too. */
export const isAccEcn = (t: Tcb): boolean => (t.opt & (OPT_ACCECN | OPT_ECN)) === OPT_ACCECN

/** The ACE field of a segment's flags: AE, CWR, ECE as one number. */
export const aceOf = (flags: number): number => (flags >> 6) & 7

/** ACE as flags. */
export const aceFlags = (ace: number): number => (ace & 7) << 6

/** The flags that tell a peer which codepoint its SYN or SYN-ACK came with (tcp_accecn_reflector_flags). */
export const reflectedFlags = (ect: number): number => aceFlags(REFLECTED[ect & 3] as number)

/** Does a SYN ask for AccECN (RFC 9768 §3.1.2: any flags but none and those of RFC 3168)? */
export const asksForAccEcn = (flags: number): boolean => aceOf(flags) !== 0 && (flags & ACE) !== (ECE | CWR)

/** Does the codepoint that the peer tells of agree with the Not-ECT that we send SYNs with? If not, ECN is broken here. */
function isToldRight(t: Tcb, a: AccEcn, ace: number): boolean {
  if (t.stack.sysctl.tcp_ecn_fallback === 0 || TOLD[ace] === 0) return true
  a.failMode |= ACCECN_ACE_FAIL_RECV
  return false
}

/** The first option of the peer: are its counters where they must start (tcp_accecn_option_init)? */
export function firstOption(b: Uint8Array, at: number): number {
  const length = (b[at + 1] as number) - BASE
  if (length < FIELD) return ACCECN_OPT_EMPTY_SEEN
  if (get24(b, at + BASE) === 0) return ACCECN_OPT_FAIL_SEEN
  return length >= FIELD * FIELDS && get24(b, at + BASE + 2 * FIELD) === 0
    ? ACCECN_OPT_FAIL_SEEN
    : ACCECN_OPT_COUNTER_SEEN
}

/** Looks at the option of the segment in hand, if it has one and none of use came before. True: it did. */
export function noteOption(t: Tcb, a: AccEcn, g: Segment): boolean {
  const at = t.tcp.parsed.accEcnOffset
  if (at < 0 || a.seen >= ACCECN_OPT_COUNTER_SEEN) return false
  a.seen = firstOption(g.bytes, at)
  if (a.seen === ACCECN_OPT_FAIL_SEEN) a.failMode |= ACCECN_OPT_FAIL_RECV
  return true
}

/** What the SYN-ACK answers to our SYN (RFC 9768 table 2; tcp_ecn_rcv_synack). */
export function synAckEcn(t: Tcb, g: Segment): void {
  const ace = aceOf(g.flags)
  if (ace === 0 || ace === 7) t.opt &= ~(OPT_ECN | OPT_ACCECN)
  else if (ace === 1 || ace === 5) t.opt &= ~OPT_ACCECN
  else {
    // Also to a SYN that asked for RFC 3168 only: the peer would not say so otherwise.
    t.opt = (t.opt & ~OPT_ECN) | OPT_ACCECN
    const a = accEcnOf(t)
    a.synEct = g.tos & 3
    if (noteOption(t, a, g)) a.demand = 2
    if (a.synEct === CE && isToldRight(t, a, ace)) a.receivedCe++
  }
}

/** A SYN meets ours (tcp_ecn_rcv_syn). */
export function simultaneousEcn(t: Tcb, g: Segment): void {
  if ((t.opt & OPT_ACCECN) === 0 || !asksForAccEcn(g.flags)) {
    t.opt &= ~OPT_ACCECN
    if ((g.flags & (ECE | CWR)) !== (ECE | CWR)) t.opt &= ~OPT_ECN
    return
  }
  t.opt &= ~OPT_ECN
  const a = accEcnOf(t)
  a.synEct = a.lastField = g.tos & 3
}

/** The child of a request that negotiated AccECN, at its third ACK (tcp_ecn_openreq_child, tcp_accecn_third_ack). */
export function thirdAckEcn(t: Tcb, g: Segment, synEct: number, seen: number): void {
  const a = accEcnOf(t)
  const ace = aceOf(g.flags)
  if (ace === 0) a.failMode |= ACCECN_ACE_FAIL_RECV
  else if (ace !== 7 && ace !== 5 && ace !== 1 && g.seq === g.endSeq && g.sackCount === 0) {
    const stats = statsOf(t)
    if (isToldRight(t, a, ace) && TOLD[ace] === CE && stats.deliveredCe === 0) stats.deliveredCe++
  }
  a.seen = seen
  if (seen === ACCECN_OPT_FAIL_SEEN) a.failMode |= ACCECN_OPT_FAIL_RECV
  a.synEct = a.lastField = synEct
  a.demand = 1
}

/** Counts what arrived by its codepoint, in any mode (tcp_ecn_received_counters). */
export function countReceived(t: Tcb, g: Segment): void {
  const a = accEcnOf(t)
  const field = g.tos & 3
  if (field !== 0) {
    if ((t.opt & OPT_ECN) === 0) t.ecnSeen = true
    if (field === CE) a.receivedCe += g.gsoSegments
    if (g.length > 0) {
      const old = a.received[field] as number
      const now = (old + g.length) >>> 0
      a.received[field] = now
      a.least = Math.max(a.least, FIELDS_FOR[field] as number)
      // Once for each 2^22 bytes, or the peer could miss a wrap.
      if (old >>> 22 !== now >>> 22) a.demand = Math.max(a.demand, 1)
    }
  }
  const isEdge = a.lastField !== field
  if (!isEdge && field !== CE) return
  a.lastField = field
  if (!isAccEcn(t)) return
  // RFC 9768 §3.2.2.5.1: a change is told at once, and twice, so that the second is unambiguous.
  if (isEdge) t.ackPending |= ACK_NOW
  a.demand = 2
}

/** Takes over the peer's byte counters; true if they can be used to judge ACE (tcp_accecn_process_option). */
function takeOption(t: Tcb, a: AccEcn, g: Segment, bytes: number): boolean {
  if ((a.failMode & ACCECN_OPT_FAIL_RECV) !== 0) return false
  const growing = a.growing
  const at = t.tcp.parsed.accEcnOffset
  if (at < 0) {
    if (a.seen === 0) {
      if (statsOf(t).bytesSent >= LATEST_OPTION) {
        a.seen = ACCECN_OPT_FAIL_SEEN
        a.failMode |= ACCECN_OPT_FAIL_RECV
      }
      return false
    }
    if (growing === 0) return false
    a.delivered[growing] = ((a.delivered[growing] as number) + bytes) >>> 0
    return true
  }
  noteOption(t, a, g)
  const b = g.bytes
  const order = b[at] === ACC_ECN1 ? ORDER_1 : ORDER_0
  const end = at + (b[at + 1] as number)
  let isClear = growing !== 0
  let isAmbiguous = false
  let hasChanged = false
  for (let i = 0, o = at + BASE; i < FIELDS && o + FIELD <= end; i++, o += FIELD) {
    const field = order[i] as number
    const old = a.delivered[field] as number
    // The difference of two 24-bit counters, with its sign.
    const delta = ((get24(b, o) - (FIELD_START[field] as number) - old) << 8) >> 8
    if (delta === 0) continue
    a.delivered[field] = (old + delta) >>> 0
    if (delta < 0) {
      isClear = false
      isAmbiguous = true
    }
    if (field === growing) continue
    if (hasChanged) {
      isClear = false
      isAmbiguous = true
    } else {
      a.growing = field
      hasChanged = true
    }
  }
  if (isAmbiguous) a.growing = 0
  return isClear
}

/** Segments newly known to have met congestion (__tcp_accecn_process): the least that fits ACE, or the most that is likely. */
function newlyMarked(t: Tcb, a: AccEcn, g: Segment, packets: number, bytes: number, flags: number): number {
  // Out of order, or no way to tell.
  if ((flags & (F.FORWARD_PROGRESS | F.TS_PROGRESS)) === 0) return 0
  const oldCeBytes = a.delivered[CE] as number
  const isValid = takeOption(t, a, g, bytes)
  if (packets > 0) {
    const sample = packets << ACKED_PRECISION
    const average = a.ackedAverage
    a.ackedAverage =
      average === 0 ? sample : Math.min(((average << ACKED_WEIGHT) - average + sample) >> ACKED_WEIGHT, 0xffff)
  }
  if ((flags & F.SYN_ACKED) !== 0) return 0
  const delta = (aceOf(g.flags) - ACE_START - statsOf(t).deliveredCe) & ACE_MASK
  if (packets <= ACE_MASK) return delta
  const safest = packets - ((packets - delta) & ACE_MASK)
  if (!isValid) return a.ackedAverage > ACK_COMPRESSION << ACKED_PRECISION ? delta : safest
  const ceBytes = ((a.delivered[CE] as number) - oldCeBytes) >>> 0
  if (ceBytes === 0) return delta
  const inOrder = t.caState === CA_OPEN || t.caState === CA_CWR
  if (packets >= (ACE_MASK + 1) * 2 && ((t.opt & OPT_SACK) !== 0 || inOrder)) {
    if (bytes <= ceBytes) return safest
    const estimate = Math.ceil((ceBytes * packets) / bytes)
    return Math.min(safest, delta + (estimate & ~ACE_MASK))
  }
  if (ceBytes > delta * t.snd.mss) return safest
  return ceBytes < (safest * t.snd.mss) >> 1 ? delta : safest
}

/** What an ACK tells of congestion: counted, and F.ECE_SEEN if there was any (tcp_accecn_process). */
export function ackEcn(t: Tcb, g: Segment, packets: number, bytes: number, flags: number): number {
  const delta = newlyMarked(t, accEcnOf(t), g, packets, bytes, flags)
  if (delta === 0) return 0
  statsOf(t).deliveredCe += delta
  return F.ECE_SEEN
}

/** The codepoint that all segments leave with (tcp_ecn_send): ECT(0), unless the path was seen to break it. */
export const sentEct = (a: AccEcn): number =>
  (a.failMode & (ACCECN_ACE_FAIL_RECV | ACCECN_ACE_FAIL_SEND)) !== 0 ? 0 : ECT_0

/** The last SYN-ACKs told nothing (RFC 9768 §3.2.3.2.2): the connection feeds back, but what it sends is not ECT. */
export function stopEct(t: Tcb): void {
  accEcnOf(t).failMode |= ACCECN_ACE_FAIL_SEND
}

/** The counter as flags (tcp_accecn_set_ace). */
export const countFlags = (a: AccEcn): number => aceFlags(a.receivedCe + ACE_START)

/**
 * Fields for an option in `room` bytes, at least `least` of them, or -1 (tcp_options_fit_accecn). `saving`: bytes of it that
 * take the place of NOPs elsewhere.
 */
export function fieldsThatFit(room: number, least: number, saving: number): number {
  for (let fields = FIELDS; fields >= least; fields--) if (room >= takenSize(fields, saving)) return fields
  return -1
}

/** What an option of so many fields adds to the others. */
export function takenSize(fields: number, saving: number): number {
  const size = BASE + FIELD * fields
  return (size & 3) > saving ? (size + 3) & ~3 : size & ~3
}

/** Is it long enough since the last option (tcp_accecn_option_beacon_check): tcp_ecn_option_beacon in a round trip? */
function isBeaconDue(t: Tcb, a: AccEcn): boolean {
  const times = t.stack.sysctl.tcp_ecn_option_beacon
  return times > 0 && (t.tcp.now - a.optionTime) * times >= t.srtt >> 3
}

/** Decides on the option of the next segment beside `blocks` SACK blocks, with `room` left; bytes more (or fewer) for both. */
export function fitOption(t: Tcb, a: AccEcn, blocks: number, room: number): number {
  a.fields = -1
  a.sackBlocks = blocks
  const wanted = t.stack.sysctl.tcp_ecn_option
  if (!isAccEcn(t) || wanted === 0 || a.seen === 0) return 0
  if (wanted < OPTION_FULL && a.demand === 0 && !isBeaconDue(t, a)) return 0
  const saving = blocks > 0 ? 2 : 0
  // What must be said may push a SACK block out, but not the last two.
  for (let kept = blocks; kept === blocks || (kept > 1 && a.least > 0); kept--) {
    const freed = (blocks - kept) * SACK_BLOCK
    const fields = fieldsThatFit(room + freed, a.least, saving)
    if (fields >= 0) {
      a.fields = fields
      a.sackBlocks = kept
      return takenSize(fields, saving) - freed
    }
  }
  return 0
}

/** Writes the counters in order 1: as many fields as asked for (tcp_options_write). */
export function emitOption(b: Uint8Array, o: number, fields: number, counters: readonly number[]): number {
  b[o] = ACC_ECN1
  b[o + 1] = BASE + FIELD * fields
  o += BASE
  for (let i = 0; i < fields; i++, o += FIELD) {
    const field = ORDER_1[i] as number
    put24(b, o, (counters[field] as number) + (FIELD_START[field] as number))
  }
  return o
}

/** Writes the option that `fitOption` decided on, padded for what follows: SACK's kind in the third byte of a word, or nothing. */
export function emitFitted(t: Tcb, a: AccEcn, b: Uint8Array, start: number): number {
  let o = emitOption(b, start, a.fields, a.received)
  const rest = a.sackBlocks > 0 ? 2 : 0
  while (((o - start) & 3) !== rest) o = emitNop(b, o)
  a.least = 0
  a.optionTime = t.tcp.now
  if (a.demand > 0) a.demand--
  return o
}

/** Counters of a SYN-ACK: nothing came yet. */
export const NO_BYTES: readonly number[] = [0, 0, 0, 0]
