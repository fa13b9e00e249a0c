/** /proc/net/tcp, udp, unix, sockstat: the sockets of a host in the columns of the kernel's seq_files (proc(5)). */

import { bswap_32 } from '../addr/byte-order.ts'
import { SOCK_STREAM } from '../sock/constants.ts'
import { TCP_ESTABLISHED, TCP_LISTEN, TCP_SYN_RECV } from '../sock/sock.ts'
import type { Clock, Micros } from '../sys/clock.ts'
import { inPingpong } from '../tcp/quick-ack.ts'
import { Request } from '../tcp/request.ts'
import { diff } from '../tcp/seq.ts'
import { INFINITE_SSTHRESH, Tcb } from '../tcp/tcb.ts'
import { TimeWait } from '../tcp/timewait.ts'
import type { UnixSock } from '../unix/unix-sock.ts'
import type { Host } from './host.ts'
import { type SocketRow, socketRows } from './socket-table.ts'
import { type SocketTimer, socketTimer, TIMER_OFF } from './socket-timer.ts'

/** Widths that the kernel pads its lines to, the newline not counted (seq_setwidth). */
const TCP_WIDTH = 149
/** Microseconds of a tick in the files (USER_HZ = 100). */
const TICK: Micros = 10000
const PAGE = 4096

const TCP_HEADER = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'
/** What there is of a protocol that has no sockets here. */
export const TCP6_TEXT =
  '  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'

/** A line as wide as the kernel pads it (seq_pad). */
export function line(text: string, width: number): string {
  return `${text.padEnd(width)}\n`
}

export const hex = (value: number, digits: number): string =>
  (value >>> 0).toString(16).toUpperCase().padStart(digits, '0')

/** An address as the kernel prints it: its bytes as a number of a little-endian machine. */
export const hexAddress = (a: number): string => hex(bswap_32(a), 8)

/** What stands for the address of a kernel object (%pK): something that tells objects apart. */
export const pointer = (inode: number): string => inode.toString(16).padStart(16, '0')

/** Addresses, ports and state of a socket or what is left of one. */
export interface Endpoints {
  readonly localAddress: number
  readonly localPort: number
  readonly remoteAddress: number
  readonly remotePort: number
  readonly state: number
}

/** The columns that lines of all protocols have. */
export interface Columns {
  readonly ends: Endpoints
  /** Bytes not acknowledged, or on their way; and bytes not read, or connections not accepted. */
  readonly tx: number
  readonly rx: number
  readonly timer: SocketTimer
  readonly uid: number
  readonly inode: number
}

export function columns({ ends, tx, rx, timer, uid, inode }: Columns): string {
  const { localAddress, localPort, remoteAddress, remotePort, state } = ends
  const local = `${hexAddress(localAddress)}:${hex(localPort, 4)}`
  const remote = `${hexAddress(remoteAddress)}:${hex(remotePort, 4)}`
  const queues = `${hex(tx, 8)}:${hex(rx, 8)}`
  const when = hex(Math.floor(timer.left / TICK), 8)
  const counts = `${hex(timer.retransmits, 8)} ${String(uid).padStart(5)} ${String(timer.probes).padStart(8)}`
  return `${local} ${remote} ${hex(state, 2)} ${queues} ${hex(timer.kind, 2)}:${when} ${counts} ${inode}`
}

/** get_tcp4_sock */
function tcpLine(row: SocketRow, t: Tcb, clock: Clock): string {
  const timer = socketTimer(row, clock)
  const { uid, inode, snd, rcv } = t
  const tx = diff(snd.writeSeq, snd.una)
  const rx = t.state === TCP_LISTEN ? row.recvQ : Math.max(diff(rcv.nxt, rcv.copiedSeq), 0)
  const refs = timer.kind === TIMER_OFF ? 1 : 2
  const ticks = (micros: Micros): number => Math.floor(micros / TICK)
  const quick = (t.quickAck << 1) | (inPingpong(t) ? 1 : 0)
  const isInitialSlowStart = t.snd.ssthresh >= INFINITE_SSTHRESH
  const last = t.state === TCP_LISTEN ? (t.fastOpen?.queueMost ?? 0) : isInitialSlowStart ? -1 : t.snd.ssthresh
  const common = columns({ ends: row, tx, rx, timer, uid, inode })
  return `${common} ${refs} ${pointer(inode)} ${ticks(t.rto)} ${ticks(t.ato)} ${quick} ${t.snd.cwnd} ${last}`
}

/** /proc/net/tcp (tcp4_seq_show). */
export function procTcp(host: Host): string {
  const { clock } = host
  let text = line(TCP_HEADER, TCP_WIDTH)
  let slot = 0
  for (const row of socketRows(host)) {
    const { source } = row
    let shown: string
    if (source instanceof Tcb) shown = tcpLine(row, source, clock)
    else if (source instanceof TimeWait || source instanceof Request) {
      const timer = socketTimer(row, clock)
      const uid = source instanceof Request ? source.listener.uid : 0
      const refs = source instanceof Request ? 0 : 3
      shown = `${columns({ ends: row, tx: 0, rx: 0, timer, uid, inode: 0 })} ${refs} ${pointer(0)}`
    } else continue
    text += line(`${String(slot++).padStart(4)}: ${shown}`, TCP_WIDTH)
  }
  return text
}

/** Flag of a local listener (__SO_ACCEPTCON), and the states of a socket with a file and without one. */
const SO_ACCEPTCON = 0x10000
const SS_FREE_UNCONNECTED = 4
const SS_FREE_CONNECTED = 2

/** /proc/net/unix (unix_seq_show). Connections to be accepted have no inode. */
export function procUnix(host: Host): string {
  const references = new Map<UnixSock, number>()
  for (const { peer } of host.unix.sockets) {
    if (peer !== null) references.set(peer, (references.get(peer) ?? 0) + 1)
  }
  let text = 'Num       RefCount Protocol Flags    Type St Inode Path\n'
  let number = 1
  for (const sock of host.unix.sockets) {
    const { state, type, inode } = sock
    const isConnected = state === TCP_ESTABLISHED
    const ownState = isConnected ? 3 : 1
    const shownState = inode !== 0 ? ownState : isConnected ? SS_FREE_CONNECTED : SS_FREE_UNCONNECTED
    const flags = state === TCP_LISTEN ? SO_ACCEPTCON : 0
    const refs = 2 + (references.get(sock) ?? 0)
    const name = sock.name === '' ? '' : ` ${sock.name.replaceAll('\0', '@')}`
    const numbers = `${hex(refs, 8)} ${hex(0, 8)} ${hex(flags, 8)} ${hex(type, 4)} ${hex(shownState, 2)}`
    text += `${pointer(number++)}: ${numbers} ${String(inode).padStart(5)}${name}\n`
  }
  return text
}

/** /proc/net/sockstat (sockstat_seq_show): sockets in use and allocated, and pages of memory. */
export function procSockstat(host: Host): string {
  const { tcp, udp, unix, raw, ping, packet, netlink } = host
  let used = udp.sockets.size + raw.sockets.size + ping.sockets.size + packet.sockets.size + netlink.sockets.size
  let inUse = 0
  let allocated = 0
  let udpBytes = 0
  let udpInUse = 0
  for (const t of tcp.sockets) {
    allocated++
    if (t.inode !== 0) used++
    if (t.state === TCP_LISTEN || (t.hashed && t.state !== TCP_SYN_RECV)) inUse++
  }
  for (const sock of unix.sockets) if (sock.inode !== 0 || sock.type === SOCK_STREAM) used++
  for (const sock of udp.sockets) {
    udpBytes += sock.rmemAlloc + sock.wmemQueued
    if (sock.localPort !== 0) udpInUse++
  }
  const pages = (bytes: number): number => Math.ceil(bytes / PAGE)
  const { queues, memory } = host.ipv4.reassembler
  return (
    `sockets: used ${used}\n` +
    `TCP: inuse ${inUse} orphan ${tcp.memory.orphans} tw ${tcp.timeWaits} alloc ${allocated} mem ${tcp.memory.pages}\n` +
    `UDP: inuse ${udpInUse} mem ${pages(udpBytes)}\n` +
    'UDPLITE: inuse 0\n' +
    `RAW: inuse ${raw.sockets.size}\n` +
    `FRAG: inuse ${queues} memory ${memory}\n`
  )
}
