/**
 * connect(2) to AF_UNSPEC takes a connection apart, so that its socket may connect again: what goes and what stays
 * (tcp_disconnect). Of TCP_INFO stay the delivery rate, the chronographs, the shortest RTT and what the receive buffer learned.
 */
import { SF_BINDADDR_LOCK, TCP_CLOSE, TCP_CLOSING, TCP_LAST_ACK, TCP_LISTEN, TCP_SYN_SENT } from '../sock/sock.ts'
import { ECONNRESET } from '../sys/errno.ts'
import { needsReset, setState, WAKE_ALL } from './lifecycle.ts'
import { stopListening } from './listen.ts'
import { settleMemory } from './memory.ts'
import { MIN_RCV_MSS } from './mss.ts'
import { releaseQueues } from './receive-queue.ts'
import { INITIAL_RTO } from './rtt.ts'
import { add } from './seq.ts'
import { resetCounts } from './stats.ts'
import {
  CA_OPEN,
  INFINITE_SSTHRESH,
  INIT_CWND,
  OPT_CONNECTING,
  OPT_FIN_QUEUED,
  OPT_SACK,
  OPT_SYN_DATA,
  OPT_TFO_CHILD,
  OPT_TIMESTAMPS,
  OPT_WSCALE,
  type Tcb,
} from './tcb.ts'
import { clearTimers } from './timer.ts'
import { sendActiveReset } from './transmit.ts'
import { purgeQueue } from './tx-queue.ts'

/** What the peer agreed to, and what came of it. */
const AGREED = OPT_TIMESTAMPS | OPT_SACK | OPT_WSCALE | OPT_SYN_DATA | OPT_TFO_CHILD

/** Back to CLOSED from any state. */
export function disconnect(t: Tcb): void {
  const { tcp, state, snd } = t
  tcp.now = t.stack.clock.now()
  if (state === TCP_LISTEN) {
    stopListening(t)
    tcp.removeListener(t)
  } else if (needsReset(state) || (snd.nxt !== snd.writeSeq && (state === TCP_CLOSING || state === TCP_LAST_ACK))) {
    sendActiveReset(t)
    t.error = ECONNRESET
  } else if (state === TCP_SYN_SENT) t.error = ECONNRESET
  setState(t, TCP_CLOSE)
  clearTimers(t)
  releaseQueues(t)
  purgeQueue(t)
  settleMemory(t)
  if (!t.isFlag(SF_BINDADDR_LOCK)) t.localAddress = 0
  t.remoteAddress = t.remotePort = 0
  t.dst = null
  t.shutdownMask = 0
  t.closedRead = false
  t.opt &= ~(AGREED | OPT_CONNECTING | OPT_FIN_QUEUED)
  t.isActive = false
  t.accEcn = null
  if (t.fastOpen !== null) {
    t.fastOpen.isDeferred = t.fastOpen.synFastOpen = t.fastOpen.synData = false
    t.fastOpen.clientFail = 0
  }
  resetOptions(t)
  resetSender(t)
  resetReceiver(t)
  if (t.stats !== null) resetCounts(t.stats)
  t.wake(WAKE_ALL)
}

/** Options that do not outlive a connection, though a program set them. */
function resetOptions(t: Tcb): void {
  if (t.settings.peekOff >= 0) t.settings = t.settings.with('peekOff', -1)
  if (t.tuning.rtoMinUs !== 0) t.tuning = t.tuning.with('rtoMinUs', 0)
  if (t.tuning.delackMaxUs !== 0) t.tuning = t.tuning.with('delackMaxUs', 0)
  if (t.tuning.savedSyn !== null) t.tuning = t.tuning.with('savedSyn', null)
  t.snd.userMss = t.rcv.windowClamp = 0
}

function resetSender(t: Tcb): void {
  const { snd } = t
  // Above all that the last connection may have sent: the next one starts there.
  snd.writeSeq = add(snd.writeSeq, snd.maxWnd + 2) || 1
  snd.wscale = snd.cwndCnt = snd.maxPacketsOut = 0
  snd.isCwndLimited = false
  snd.cwnd = INIT_CWND
  snd.ssthresh = INFINITE_SSTHRESH
  t.caState = CA_OPEN
  t.caData = t.recovery = null
  t.segmentsIn = t.segmentsOut = 0
  t.sackedOut = t.lostOut = t.retransOut = t.totalRetrans = t.delivered = 0
  t.backoff = t.probesOut = t.probeStart = 0
  t.srtt = 0
  t.mdev = t.rto = INITIAL_RTO
}

function resetReceiver(t: Tcb): void {
  const { rcv } = t
  rcv.copiedSeq = rcv.nxt
  rcv.wscale = rcv.rttTsEcr = rcv.lastSegmentSize = 0
  rcv.mss = MIN_RCV_MSS
  t.disorder = null
  t.urgData = t.tsRecent = t.tsRecentStamp = 0
  t.ackPending = t.pingpong = t.ato = t.quickAck = t.lastReceived = 0
  t.hasOowAck = false
}
