/** The control block that a finished handshake makes (inet_csk_clone_lock, tcp_create_openreq_child). */
import { SF_BINDPORT_LOCK, SF_DEAD, SF_KEEPALIVE, TCP_SYN_RECV } from '../sock/sock.ts'
import { initializeReceiveMss, syncMss } from './mss.ts'
import { pacingOf } from './pacing.ts'
import { recoveryOf } from './rack.ts'
import type { Request } from './request.ts'
import type { Segment } from './segment.ts'
import { add } from './seq.ts'
import { statsOf } from './stats.ts'
import { OPT_CORK, OPT_NODELAY, OPT_UNACCEPTED, OPT_WSCALE, Tcb } from './tcb.ts'
import { keepIdle, startKeep } from './timer.ts'

/**
 * The control block of a connection for a listener, in SYN-RECEIVED until `g`, the segment that it is made for, has been
 * processed; most options come from the listener (inet_csk_clone_lock).
 */
export function makeChild(r: Request, g: Segment): Tcb {
  const tcp = r.tcp
  const listener = r.listener
  const t = new Tcb(tcp, listener.family, listener.ca)
  t.localAddress = r.local
  t.remoteAddress = r.remote
  t.remotePort = r.remotePort
  t.localPort = r.localPort
  t.flags = listener.flags & ~(SF_DEAD | SF_BINDPORT_LOCK)
  t.boundInterface = listener.boundInterface
  t.rcvbuf = listener.rcvbuf
  t.sndbuf = listener.sndbuf
  t.settings = listener.settings
  t.priority = 0
  t.tuning = r.savedSyn === null ? listener.tuning : listener.tuning.with('savedSyn', r.savedSyn)
  if (listener.pacing !== null) pacingOf(t).maxRate = listener.pacing.maxRate
  t.opt = r.opt | (listener.opt & (OPT_NODELAY | OPT_CORK))
  t.snd.userMss = listener.snd.userMss
  t.snd.mssClamp = r.mss
  t.snd.iss = r.iss
  t.snd.una = t.snd.nxt = t.snd.writeSeq = t.snd.up = t.snd.sml = add(r.iss, 1)
  t.snd.wscale = (r.opt & OPT_WSCALE) !== 0 ? r.sndWscale : 0
  t.rcv.irs = r.irs
  t.rcv.nxt = t.rcv.wup = t.rcv.copiedSeq = add(r.irs, 1)
  t.rcv.advMss = r.advMss
  t.rcv.wnd = r.rcvWnd
  t.rcv.wscale = (r.opt & OPT_WSCALE) !== 0 ? r.rcvWscale : 0
  t.rcv.windowClamp = r.rcvClamp
  t.rcv.ssthresh = r.rcvWnd
  t.opt |= OPT_UNACCEPTED
  t.tsRecent = r.tsRecent
  t.tsRecentStamp = t.lastReceived = tcp.nowMs()
  t.tsOffset = r.tsOffset
  t.totalRetrans = r.resent
  // The SYN.
  t.segmentsIn = 1
  if (r.retries > 0) {
    const v = recoveryOf(t)
    v.hasUndo = true
    v.undoMarker = r.iss
    v.retransStamp = r.firstSent
    const s = statsOf(t)
    s.timeouts = r.retries
    s.timeoutRows = 1
    s.timeoutMs = (tcp.nowMs() - r.firstSent) | 0
  }
  t.setFlag(SF_DEAD, false)
  t.state = TCP_SYN_RECV
  t.snd.wnd = t.snd.maxWnd = g.window << t.snd.wscale
  t.snd.wl1 = g.seq
  t.lastPushed = t.snd.writeSeq
  tcp.ports.inherit(t, listener)
  tcp.hashIn(t)
  const dst = tcp.stack.ipv4.route(r.remote, r.local, t.boundInterface)
  if (typeof dst !== 'number') {
    t.dst = dst
    syncMss(t, dst.mtu)
    initializeReceiveMss(t)
  }
  if (t.isFlag(SF_KEEPALIVE)) startKeep(t, keepIdle(t))
  return t
}
