/** NETLINK_SOCK_DIAG (sock_diag(7)): the sockets of AF_INET as `ss` asks for them (net/ipv4/inet_diag.c). */
import * as nl from '../netlink/constants.ts'
import { MessageWriter, type NetlinkHeader, type NetlinkMessage } from '../netlink/message.ts'
import { answer, type NetlinkFamily, type NetlinkKernel } from '../netlink/netlink-family.ts'
import type { NetlinkSock } from '../netlink/netlink-sock.ts'
import { AF_INET } from '../sock/address.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../sock/constants.ts'
import { Sock } from '../sock/sock.ts'
import { AF_MAX } from '../socket/family-names.ts'
import { EINVAL, ENOENT } from '../sys/errno.ts'
import { viewOf } from '../wire/bytes.ts'
import type { Host } from './host.ts'
import type { SocketRow } from './socket-table.ts'

/** Groups of the protocol (SKNLGRP_MAX). */
const GROUPS = 4
/** sizeof(struct inet_diag_req_v2): family, protocol, ext, pad, states 32 bits, and struct inet_diag_sockid. */
const SIZEOF_REQUEST = 56
/** Offsets in it: states, ports, addresses. */
const STATES = 4
const SPORT = 8
const DPORT = 10
const SRC = 12
const DST = 28

export class SockDiag implements NetlinkKernel {
  readonly groups: number = GROUPS
  readonly #host: Host
  readonly #writer: MessageWriter = new MessageWriter()

  constructor(host: Host, family: NetlinkFamily) {
    this.#host = host
    family.register(nl.NETLINK_SOCK_DIAG, this)
  }

  input(bytes: Uint8Array, from: NetlinkSock): void {
    answer(bytes, from, (request) => this.#handle(request, from))
  }

  /** sock_diag_rcv_msg and inet_diag_handler_cmd. */
  #handle(request: NetlinkMessage, from: NetlinkSock): number {
    const { type, flags, payload } = request
    const [family = 0, protocol = 0] = payload
    if (type !== nl.SOCK_DIAG_BY_FAMILY || payload.length < 2 || family >= AF_MAX) return -EINVAL
    if (family !== AF_INET) return -ENOENT
    if (payload.length < SIZEOF_REQUEST) return -EINVAL
    const isDump = (flags & nl.NLM_F_DUMP) !== 0
    const netid = protocol === IPPROTO_TCP ? 'tcp' : protocol === IPPROTO_UDP ? 'udp' : null
    const header = { type, flags: isDump ? nl.NLM_F_MULTI : 0, seq: request.seq, pid: from.pid }
    if (netid === null) {
      if (isDump) from.refuseDump(request, -ENOENT)
      return isDump ? 1 : -ENOENT
    }
    const rows = this.#host.sockets().filter((row) => row.netid === netid && fits(row, payload, isDump))
    if (isDump) return from.startDump(request, this.#all(header, rows), false) || 1
    const [row] = rows
    if (row === undefined) return -ENOENT
    from.deliverOrDrop(this.#message(header, row), 0, 0)
    return 0
  }

  *#all(header: NetlinkHeader, rows: readonly SocketRow[]): Generator<Uint8Array> {
    for (const row of rows) yield this.#message(header, row)
  }

  /** struct inet_diag_msg and the attributes every socket has (inet_sk_diag_fill). */
  #message(header: NetlinkHeader, row: SocketRow): Uint8Array {
    const writer = this.#writer.begin(header).u8(AF_INET, row.state, 0, 0)
    const sock = row.source instanceof Sock ? row.source : null
    writer.be16(row.localPort).be16(row.remotePort)
    writer.be32(row.localAddress).u32(0, 0, 0).be32(row.remoteAddress).u32(0, 0, 0)
    // Interface, cookie, expires, queues, uid, inode.
    writer.u32(
      sock?.boundInterface ?? 0,
      sock?.inode ?? 0,
      0,
      0,
      row.recvQ,
      row.sendQ,
      sock?.uid ?? 0,
      sock?.inode ?? 0,
    )
    if (sock === null) return writer.end()
    writer.attribute8(nl.INET_DIAG_TOS, sock.tos).attribute8(nl.INET_DIAG_SHUTDOWN, sock.shutdownMask)
    return writer.attribute32(nl.INET_DIAG_MARK, sock.settings.mark).end()
  }
}

/** inet_diag_dump_icsk: states and ports given; one socket is asked for by its addresses too (inet_diag_find_one_icsk). */
function fits(row: SocketRow, payload: Uint8Array, isDump: boolean): boolean {
  const view = viewOf(payload)
  const sport = view.getUint16(SPORT)
  const dport = view.getUint16(DPORT)
  if (isDump) {
    const isState = (view.getUint32(STATES, true) & (1 << row.state)) !== 0
    return isState && (sport === 0 || sport === row.localPort) && (dport === 0 || dport === row.remotePort)
  }
  return (
    row.localPort === sport &&
    row.remotePort === dport &&
    row.localAddress === view.getInt32(SRC) &&
    row.remoteAddress === view.getInt32(DST)
  )
}
