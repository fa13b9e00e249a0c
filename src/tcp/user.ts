/**
 * The user's calls, RFC 9293 §3.10.1–3.10.6: OPEN, SEND, RECEIVE, CLOSE, ABORT, STATUS, as Linux's sockets make them
 * (tcp.c). All non-blocking: a result, or -errno; -EAGAIN where a blocking caller would sleep.
 */

import { AF_INET, AF_UNSPEC, SIZEOF_SA_FAMILY, SIZEOF_SOCKADDR, type SockAddr } from '../sock/address.ts'
import { MSG_FASTOPEN, MSG_ZEROCOPY, SIOCATMARK, SIOCINQ, SIOCOUTQ, SIOCOUTQNSD } from '../sock/constants.ts'
import { hasErrors } from '../sock/error-queue.ts'
import { inetBind, inetGetName } from '../sock/inet.ts'
import { readSocketControl, SendControl } from '../sock/send-control.ts'
import {
  type Message,
  RCV_SHUTDOWN,
  SEND_SHUTDOWN,
  SF_BINDADDR_LOCK,
  SF_DEAD,
  SF_LINGER,
  SF_OOBINLINE,
  SHUTDOWN_MASK,
  type Sock,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_LAST_ACK,
  TCP_LISTEN,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from '../sock/sock.ts'
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP, POLLRDNORM, POLLWRNORM } from '../sock/wait-queue.ts'
import { abortZeroCopy, beginZeroCopy, putZeroCopy, wantsZeroCopy, type ZeroCopy } from '../sock/zerocopy.ts'
import {
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EAGAIN,
  EALREADY,
  ECONNABORTED,
  EINVAL,
  EISCONN,
  ENETUNREACH,
  ENOBUFS,
  ENOTCONN,
  ENOTTY,
  EPIPE,
} from '../sys/errno.ts'
import { AcceptQueue } from './accept-queue.ts'
import { appendBytes, pushAppended } from './append.ts'
import { restartAfterIdle } from './cwnd.ts'
import { disconnect } from './disconnect.ts'
import { listenFastOpen } from './fastopen.ts'
import { beginOpen, type SynData, sendFastOpen } from './fastopen-client.ts'
import { initialSequence, timestampOffset } from './isn.ts'
import { abort, connectionDone, destroy, needsReset, setState, WAKE_ALL } from './lifecycle.ts'
import { stopListening } from './listen.ts'
import { settleMemory } from './memory.ts'
import { currentMss, initializeReceiveMss, syncMss, TCP_MSS_DEFAULT, TS_LEN } from './mss.ts'
import { beginMtuProbing } from './mtu-probe.ts'
import { endWithReset, orphaned } from './orphan.ts'
import { sendFin } from './output.ts'
import { isTaken } from './port-reuse.ts'
import { checkAppLimited } from './rate.ts'
import { bytesBeforeMark, read, spliceRead } from './read.ts'
import { URG_VALID } from './receive.ts'
import { releaseQueues, releaseReceived } from './receive-queue.ts'
import { INITIAL_RTO } from './rtt.ts'
import { diff } from './seq.ts'
import { OPT_CONNECTING, OPT_NOSPACE, OPT_UNACCEPTED, type Tcb } from './tcb.ts'
import type { Tcp } from './tcp.ts'
import { sendActiveReset } from './transmit.ts'
import { isReadable } from './window.ts'
import { isWritable } from './write-space.ts'

export class TcpUser {
  readonly #tcp: Tcp

  constructor(tcp: Tcp) {
    this.#tcp = tcp
  }

  /** bind(2): EINVAL if bound already, EADDRNOTAVAIL for an address of somebody else, EADDRINUSE. */
  bind(t: Tcb, address: SockAddr): number {
    return inetBind(t, address, this.#tcp.ports)
  }

  /** listen(2): from CLOSED, or again with another backlog (inet_listen). */
  listen(t: Tcb, backlog: number): number {
    // As unsigned, so that a negative one means the most (listen(2)).
    const bounded = Math.min(backlog >>> 0, t.stack.sysctl.somaxconn)
    if (t.state === TCP_LISTEN && t.queue !== null) {
      t.queue.backlog = bounded
      return 0
    }
    if (t.state !== TCP_CLOSE || (t.opt & OPT_CONNECTING) !== 0) return -EINVAL
    t.queue = new AcceptQueue(bounded)
    const old = t.state
    t.state = TCP_LISTEN
    const result = this.#tcp.ports.recheck(t)
    if (result < 0) {
      t.state = old
      t.queue = null
      return -EADDRINUSE
    }
    t.shutdownMask = 0
    listenFastOpen(t, bounded)
    t.stack.trace.tcpState?.(t, old, TCP_LISTEN, t.stack.name)
    this.#tcp.addListener(t)
    return 0
  }

  accept(t: Tcb): Sock | number {
    if (t.state !== TCP_LISTEN || t.queue === null) return -EINVAL
    const child = t.queue.shift()
    if (child === null) return -EAGAIN
    const request = child.fastOpen?.request ?? null
    if (request !== null) request.isAccepted = true
    child.opt &= ~OPT_UNACCEPTED
    return child
  }

  /** connect(2): -EINPROGRESS while the handshake goes on; asked again, its outcome (inet_stream_connect). */
  connect(t: Tcb, address: SockAddr): number {
    if (address.length < SIZEOF_SA_FAMILY) return -EINVAL
    if (address.family === AF_UNSPEC) {
      disconnect(t)
      return 0
    }
    if ((t.opt & OPT_CONNECTING) !== 0) {
      if (t.fastOpen?.isDeferred === true) return -EISCONN
      if (t.state === TCP_SYN_SENT || t.state === TCP_SYN_RECV) return -EALREADY
      t.opt &= ~OPT_CONNECTING
      if (t.state === TCP_CLOSE) return -(t.takeError() || ECONNABORTED)
      return 0
    }
    if (t.state !== TCP_CLOSE) return -EISCONN
    return this.#open(t, address, null)
  }

  /** Active OPEN (tcp_v4_connect). */
  #open(t: Tcb, address: SockAddr, data: SynData | null): number {
    if (address.length < SIZEOF_SOCKADDR) return -EINVAL
    if (address.family !== AF_INET) return -EAFNOSUPPORT
    const tcp = this.#tcp
    const stack = t.stack
    tcp.now = stack.clock.now()
    const wanted = t.isFlag(SF_BINDADDR_LOCK) ? t.localAddress : 0
    const dst = stack.ipv4.route(address.address, wanted, t.boundInterface)
    if (typeof dst === 'number') {
      if (dst === -ENETUNREACH) stack.counters.IpOutNoRoutes++
      return dst
    }
    if (dst.type === 3 || dst.type === 5) return -ENETUNREACH
    t.dst = dst
    if (t.localAddress === 0) t.localAddress = dst.source
    t.remoteAddress = dst.destination
    t.remotePort = address.port
    setState(t, TCP_SYN_SENT)
    const result = this.#choosePort(t)
    if (result < 0) {
      setState(t, TCP_CLOSE)
      t.remoteAddress = t.remotePort = 0
      if (!t.isFlag(SF_BINDADDR_LOCK)) t.localAddress = 0
      return result
    }
    const ports = (t.localPort << 16) | t.remotePort
    const snd = t.snd
    // A socket that was connected before goes on from there.
    snd.iss = snd.writeSeq || initialSequence(tcp.hash, tcp.now, t.localAddress, t.remoteAddress, ports)
    t.tsOffset = timestampOffset(tcp.hash, t.localAddress, t.remoteAddress)
    snd.una = snd.nxt = snd.writeSeq = snd.up = snd.sml = snd.iss
    snd.wnd = snd.maxWnd = snd.wl1 = 0
    t.rcv.nxt = t.rcv.wup = t.rcv.copiedSeq = 0
    snd.mssClamp = snd.userMss > 0 ? snd.userMss : TCP_MSS_DEFAULT
    beginMtuProbing(t)
    syncMss(t, dst.mtu)
    // With timestamps, until the peer does without (tcp_connect_init).
    if (stack.sysctl.tcp_timestamps !== 0) snd.mss -= TS_LEN
    initializeReceiveMss(t)
    t.rcv.wnd = 0
    t.rto = INITIAL_RTO
    t.retransmits = t.error = 0
    t.closedRead = false
    tcp.hashIn(t)
    t.opt |= OPT_CONNECTING
    return beginOpen(t, data)
  }

  /** The bound port if the four-tuple is free, or an ephemeral one (__inet_hash_connect). */
  #choosePort(t: Tcb): number {
    if (t.portBucket !== null && t.localPort !== 0) return isTaken(t, t.localPort) ? -EADDRNOTAVAIL : 0
    return this.#tcp.ports.connect(t, isTaken)
  }

  getName(t: Tcb, peer: boolean, into: SockAddr): number {
    return inetGetName(t, peer, into)
  }

  /** SEND (tcp_sendmsg_locked): takes what fits the send buffer. */
  // biome-ignore format: one line
  send(t: Tcb, bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null, message: Message | null): number {
    let { tsflags } = t.settings
    if (message !== null && message.control !== null) {
      const control = new SendControl()
      const refused = readSocketControl(t, message, control)
      if (refused < 0) return refused
      if (control.tsflags >= 0) tsflags = control.tsflags
    }
    if ((flags & MSG_ZEROCOPY) === 0 || length === 0 || !wantsZeroCopy(t))
      return this.#send(t, bytes, offset, length, flags, to, message, tsflags, null)
    const held = message?.zerocopy ?? null
    const zerocopy = held ?? beginZeroCopy(t, length, t.sendHead === null ? null : (t.txTail?.zerocopy ?? null))
    if (zerocopy === null) return -ENOBUFS
    const result = this.#send(t, bytes, offset, length, flags, to, message, tsflags, zerocopy)
    if (held !== null) return result
    if (result <= 0) abortZeroCopy(t, zerocopy)
    else if (result < length && message?.isWhole === true) message.zerocopy = zerocopy
    else putZeroCopy(t, zerocopy)
    return result
  }

  // biome-ignore format: one line
  #send(t: Tcb, bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null, message: Message | null, tsflags: number, zerocopy: ZeroCopy | null): number {
    if ((flags & MSG_FASTOPEN) !== 0 || t.fastOpen?.isDeferred === true) {
      const result = this.#fastOpen(t, { bytes, offset, length, message, zerocopy }, to)
      if (result !== 0) return result
    }
    const state = t.state
    if (state !== TCP_ESTABLISHED && state !== TCP_CLOSE_WAIT && !(state === TCP_SYN_RECV && isEarlyChild(t))) {
      if (t.error !== 0) return -t.takeError()
      if (state === TCP_SYN_SENT || state === TCP_SYN_RECV) return -EAGAIN
      return -EPIPE
    }
    this.#tcp.now = t.stack.clock.now()
    const mss = currentMss(t)
    if (t.error !== 0) return -t.takeError()
    if ((t.shutdownMask & SEND_SHUTDOWN) !== 0) return -EPIPE
    checkAppLimited(t)
    if (t.packetsOut === 0 && t.sendHead === null) restartAfterIdle(t)
    const taken = appendBytes(t, bytes, offset, length, flags, mss, message, zerocopy)
    if (taken < length && (t.opt & OPT_NOSPACE) === 0) t.opt |= OPT_NOSPACE
    if (taken > 0) pushAppended(t, flags, mss, tsflags, taken < length)
    settleMemory(t)
    return taken === 0 && length > 0 ? -EAGAIN : taken
  }

  /** Not within `#send`: the closure would have every call of that allocate what it captures. */
  #fastOpen(t: Tcb, data: SynData, to: SockAddr | null): number {
    this.#tcp.now = t.stack.clock.now()
    return sendFastOpen(t, data, to, (address, syn) => this.#open(t, address, syn))
  }

  /** RECEIVE: what is queued, 0 at the end, or -EAGAIN. */
  receive(t: Tcb, bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number {
    const result = read(t, bytes, offset, length, flags, message)
    settleMemory(t)
    return result
  }

  /** RECEIVE for splice(2). */
  splice(t: Tcb, bytes: Uint8Array, offset: number, length: number, isNonBlocking: boolean): number {
    const result = spliceRead(t, bytes, offset, length, isNonBlocking)
    settleMemory(t)
    return result
  }

  /** shutdown(2) (inet_shutdown, tcp_shutdown; LINUX-TCP 36). */
  shutdown(t: Tcb, how: number): number {
    if (how < 0 || how > 2) return -EINVAL
    const mask = how + 1
    this.#tcp.now = t.stack.clock.now()
    let result = 0
    switch (t.state) {
      case TCP_CLOSE:
        result = -ENOTCONN
        t.shutdownMask |= mask
        break
      case TCP_LISTEN:
        if ((mask & RCV_SHUTDOWN) !== 0) disconnect(t)
        break
      case TCP_SYN_SENT:
        disconnect(t)
        break
      default:
        t.shutdownMask |= mask
        // In SYN-RECEIVED the FIN waits for the end of the handshake.
        if ((mask & SEND_SHUTDOWN) !== 0 && t.state !== TCP_SYN_RECV && closeState(t)) sendFin(t)
    }
    t.wake(WAKE_ALL)
    return result
  }

  /** The last descriptor is gone (tcp_close; LINUX-TCP 35). */
  close(t: Tcb): void {
    const tcp = this.#tcp
    tcp.now = t.stack.clock.now()
    t.shutdownMask = SHUTDOWN_MASK
    t.setFlag(SF_DEAD, true)
    if (t.state === TCP_LISTEN) {
      setState(t, TCP_CLOSE)
      tcp.removeListener(t)
      stopListening(t)
      destroy(t)
      return
    }
    // What came out of order stays, and is told of in the last segment (tcp_close).
    const unread = releaseReceived(t)
    if (t.state === TCP_CLOSE) {
      destroy(t)
      return
    }
    if (unread > 0) {
      // RFC 2525 §2.17: the peer must learn that its data was thrown away.
      t.stack.counters.TcpExtTCPAbortOnClose++
      endWithReset(t)
      return
    }
    if (t.isFlag(SF_LINGER) && t.lingerSeconds === 0) {
      t.stack.counters.TcpExtTCPAbortOnData++
      if (needsReset(t.state)) sendActiveReset(t)
      connectionDone(t)
      return
    }
    if (t.state === TCP_SYN_SENT) {
      connectionDone(t)
      return
    }
    if (closeState(t)) sendFin(t)
    orphaned(t)
  }

  /** A finished handshake nobody accepted: reset (inet_child_forget). */
  abandon(t: Tcb): void {
    this.#tcp.now = t.stack.clock.now()
    t.setFlag(SF_DEAD, true)
    if (needsReset(t.state)) sendActiveReset(t)
    releaseQueues(t)
    if (t.state === TCP_CLOSE) destroy(t)
    else connectionDone(t)
  }

  /** ABORT: a reset to the peer and an error to the owner. */
  abort(t: Tcb, error: number): void {
    this.#tcp.now = t.stack.clock.now()
    if (needsReset(t.state)) sendActiveReset(t)
    abort(t, error)
  }

  /** Readiness (tcp_poll). */
  poll(t: Tcb): number {
    if (t.state === TCP_LISTEN) return t.queue !== null && t.queue.length > 0 ? POLLIN | POLLRDNORM : 0
    let mask = 0
    if (t.shutdownMask === SHUTDOWN_MASK || t.state === TCP_CLOSE) mask |= POLLHUP
    if ((t.shutdownMask & RCV_SHUTDOWN) !== 0) mask |= POLLIN | POLLRDNORM | POLLRDHUP
    if (t.state === TCP_SYN_SENT && t.fastOpen?.isDeferred === true) mask |= POLLOUT | POLLWRNORM
    else if (t.state !== TCP_SYN_SENT && (t.state !== TCP_SYN_RECV || isEarlyChild(t))) {
      // The urgent byte does not count while it is the next one (tcp_poll).
      const isAtMark = t.urgData !== 0 && t.urgSeq === t.rcv.copiedSeq && !t.isFlag(SF_OOBINLINE)
      if (isReadable(t, isAtMark ? t.rcvLowat + 1 : t.rcvLowat)) mask |= POLLIN | POLLRDNORM
      if ((t.shutdownMask & SEND_SHUTDOWN) === 0) {
        if (isWritable(t)) mask |= POLLOUT | POLLWRNORM
        else t.opt |= OPT_NOSPACE
      } else mask |= POLLOUT | POLLWRNORM
      if ((t.urgData & URG_VALID) !== 0) mask |= POLLPRI
    }
    if (t.error !== 0 || hasErrors(t)) mask |= POLLERR
    return mask
  }

  /** SIOCINQ, SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK (tcp_ioctl). */
  ioctl(t: Tcb, request: number): number {
    switch (request) {
      case SIOCINQ:
        if (t.state === TCP_LISTEN) return -EINVAL
        return t.state === TCP_SYN_SENT || t.state === TCP_SYN_RECV ? 0 : bytesBeforeMark(t)
      case SIOCOUTQ:
        if (t.state === TCP_LISTEN) return -EINVAL
        return t.state === TCP_SYN_SENT || t.state === TCP_SYN_RECV ? 0 : diff(t.snd.writeSeq, t.snd.una)
      case SIOCOUTQNSD:
        if (t.state === TCP_LISTEN) return -EINVAL
        return t.state === TCP_SYN_SENT || t.state === TCP_SYN_RECV ? 0 : diff(t.snd.writeSeq, t.snd.nxt)
      case SIOCATMARK:
        return t.urgData !== 0 && t.urgSeq === t.rcv.copiedSeq ? 1 : 0
      default:
        return -ENOTTY
    }
  }
}

/** A Fast Open child before the end of its handshake: it may be written to (tcp_passive_fastopen). */
const isEarlyChild = (t: Tcb): boolean => t.fastOpen !== null && t.fastOpen.request !== null

/** The state a close leads to; true if a FIN must be sent (tcp_close_state). */
function closeState(t: Tcb): boolean {
  switch (t.state) {
    case TCP_ESTABLISHED:
    case TCP_SYN_RECV:
      setState(t, TCP_FIN_WAIT1)
      return true
    case TCP_CLOSE_WAIT:
      setState(t, TCP_LAST_ACK)
      return true
    default:
      return false
  }
}
