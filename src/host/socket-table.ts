/** The sockets of a host as rows: what `ss`, `netstat` and the lab show of them (sock_diag(7)). */

import { SIOCINQ, SOCK_DGRAM, SOCK_STREAM } from '../sock/constants.ts'
import {
  type Sock,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_LAST_ACK,
  TCP_LISTEN,
  TCP_NEW_SYN_RECV,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
} from '../sock/sock.ts'
import { SocketFile } from '../socket/socket-file.ts'
import type { Request } from '../tcp/request.ts'
import { diff } from '../tcp/seq.ts'
import { Tcb } from '../tcp/tcb.ts'
import { TimeWait } from '../tcp/timewait.ts'
import type { Host } from './host.ts'

/** A process that has a socket open. */
export interface SocketHolder {
  readonly name: string
  readonly pid: number
  readonly fd: number
}

/** One socket. */
export interface SocketRow {
  readonly netid: 'tcp' | 'udp' | 'raw'
  /** Linux's number (TCP_ESTABLISHED, …) and the name `ss` gives it. */
  readonly state: number
  readonly stateName: string
  /** For a listener: connections to be accepted, and the backlog. */
  readonly recvQ: number
  readonly sendQ: number
  /** Addresses as int32, ports; 0 is any. */
  readonly localAddress: number
  readonly localPort: number
  readonly remoteAddress: number
  readonly remotePort: number
  /** Name of the device it is bound to, or ''. */
  readonly device: string
  readonly holders: readonly SocketHolder[]
  /** What the row is about: for tools that show more of it. */
  readonly source?: Sock | TimeWait | Request
}

/** One local socket (AF_UNIX). */
export interface UnixRow {
  readonly netid: 'u_str' | 'u_dgr' | 'u_seq'
  readonly state: number
  readonly stateName: string
  readonly recvQ: number
  readonly sendQ: number
  /** Names as bound, '' for none; a leading NUL for an abstract one. */
  readonly localName: string
  readonly remoteName: string
  /** Numbers that tell sockets apart; 0: no peer. */
  readonly inode: number
  readonly peerInode: number
  readonly holders: readonly SocketHolder[]
}

/** All local sockets a process has open, in order of making (unix_diag). Connections to be accepted are not among them. */
export function unixRows(host: Host): UnixRow[] {
  const holders = socketHolders(host)
  const rows: UnixRow[] = []
  for (const sock of host.unix.sockets) {
    // Waits to be accepted: no file yet, and not listed.
    if (sock.inode === 0) continue
    const { type, state, peer } = sock
    const isListening = state === TCP_LISTEN
    rows.push({
      netid: type === SOCK_STREAM ? 'u_str' : type === SOCK_DGRAM ? 'u_dgr' : 'u_seq',
      state,
      stateName: stateName(state),
      recvQ: isListening ? sock.queueLength : Math.max(sock.ioctl(SIOCINQ), 0),
      sendQ: isListening ? sock.backlog : sock.wmemQueued,
      localName: sock.name,
      remoteName: peer?.name ?? '',
      inode: sock.inode,
      peerInode: peer?.inode ?? 0,
      holders: holders.get(sock) ?? [],
    })
  }
  return rows
}

/** The name of a state as `ss` prints it. */
export function stateName(state: number): string {
  switch (state) {
    case TCP_ESTABLISHED:
      return 'ESTAB'
    case TCP_SYN_SENT:
      return 'SYN-SENT'
    case TCP_SYN_RECV:
    case TCP_NEW_SYN_RECV:
      return 'SYN-RECV'
    case TCP_FIN_WAIT1:
      return 'FIN-WAIT-1'
    case TCP_FIN_WAIT2:
      return 'FIN-WAIT-2'
    case TCP_TIME_WAIT:
      return 'TIME-WAIT'
    case TCP_CLOSE_WAIT:
      return 'CLOSE-WAIT'
    case TCP_LAST_ACK:
      return 'LAST-ACK'
    case TCP_LISTEN:
      return 'LISTEN'
    case TCP_CLOSING:
      return 'CLOSING'
    default:
      return 'UNCONN'
  }
}

/** All UDP sockets with a port and all TCP connections and listeners, listeners first, else in order of making. */
export function socketRows(host: Host): SocketRow[] {
  const holders = socketHolders(host)
  const rows: SocketRow[] = []
  for (const sock of host.udp.sockets) {
    if (sock.localPort === 0) continue
    rows.push(rowOf(host, 'udp', sock, sock.state, sock.rmemAlloc, sock.wmemQueued, holders))
  }
  const listeners: SocketRow[] = []
  const others: SocketRow[] = []
  for (const t of host.tcp.sockets) {
    if (t.state === TCP_CLOSE) continue
    if (t.state === TCP_LISTEN) {
      listeners.push(rowOf(host, 'tcp', t, t.state, t.queue?.length ?? 0, t.queue?.backlog ?? 0, holders))
    }
    // SYN and FIN count (tcp_diag_get_info).
    else
      others.push(
        rowOf(
          host,
          'tcp',
          t,
          t.state,
          Math.max(diff(t.rcv.nxt, t.rcv.copiedSeq), 0),
          diff(t.snd.writeSeq, t.snd.una),
          holders,
        ),
      )
  }
  for (const connection of host.tcp.table.values()) {
    if (connection instanceof Tcb) continue
    const isTimeWait = connection instanceof TimeWait
    const state = isTimeWait ? connection.substate : TCP_SYN_RECV
    others.push({
      netid: 'tcp',
      state,
      stateName: stateName(state),
      recvQ: 0,
      sendQ: 0,
      localAddress: isTimeWait ? connection.localAddress : connection.local,
      localPort: connection.localPort,
      remoteAddress: isTimeWait ? connection.remoteAddress : connection.remote,
      remotePort: connection.remotePort,
      device: '',
      holders: [],
      source: connection,
    })
  }
  return [...rows, ...listeners, ...others]
}

/** All raw sockets, in order of making; their port is the protocol. */
export function rawRows(host: Host): SocketRow[] {
  const holders = socketHolders(host)
  return [...host.raw.sockets].map((s) => rowOf(host, 'raw', s, s.state, s.rmemAlloc, s.wmemQueued, holders))
}

type Holders = ReadonlyMap<Sock, SocketHolder[]>

// biome-ignore format: one line
function rowOf(host: Host, netid: SocketRow['netid'], sock: Sock, state: number, recvQ: number, sendQ: number, holders: Holders): SocketRow {
  const { localAddress, localPort, remoteAddress, remotePort } = sock
  return {
    netid,
    state,
    stateName: stateName(state),
    recvQ,
    sendQ,
    localAddress,
    localPort,
    remoteAddress,
    remotePort,
    device: host.stack.interfaceByIndex(sock.boundInterface)?.name ?? '',
    holders: holders.get(sock) ?? [],
    source: sock,
  }
}

/** Who has each socket open, by process id and descriptor. */
function socketHolders(host: Host): Map<Sock, SocketHolder[]> {
  const holders = new Map<Sock, SocketHolder[]>()
  for (const process of host.processes.values()) {
    for (const [fd, file] of process.files.entries()) {
      if (!(file instanceof SocketFile)) continue
      const holder = { name: process.name, pid: process.pid, fd }
      const list = holders.get(file.sock)
      if (list === undefined) holders.set(file.sock, [holder])
      else list.push(holder)
    }
  }
  return holders
}
