/** A program that talks to the kernel by netlink, for tests. */
import type { Process } from '../../src/host/process.ts'
import { sockaddrNl } from '../../src/netlink/address.ts'
import { MessageWriter, messages, type NetlinkMessage, parseAttributes } from '../../src/netlink/message.ts'
import * as c from '../../src/socket/constants.ts'
import { outcome } from '../host/net.ts'

/** Bytes of the struct between header and attributes. */
export const HEADERS: Readonly<Record<number, number>> = {
  [c.RTM_NEWLINK]: 16,
  [c.RTM_DELLINK]: 16,
  [c.RTM_NEWADDR]: 8,
  [c.RTM_DELADDR]: 8,
  [c.RTM_NEWROUTE]: 12,
  [c.RTM_DELROUTE]: 12,
  [c.RTM_NEWNEIGH]: 12,
  [c.RTM_DELNEIGH]: 12,
  [c.RTM_NEWRULE]: 12,
}

const hex = (b: Uint8Array): string => [...b].map((x) => x.toString(16).padStart(2, '0')).join('')

/** A message as text: struct, then attributes in order as `type=hex`. */
export function show({ type, payload }: NetlinkMessage): string {
  const size = HEADERS[type] ?? 0
  const parts = [`${type} ${hex(payload.subarray(0, size))}`]
  for (const [attribute, value] of parseAttributes(payload.subarray(size))) parts.push(`${attribute}=${hex(value)}`)
  return parts.join(' ')
}

/** A socket of NETLINK_ROUTE, bound to groups. */
export function socket(p: Process, groups = 0): number {
  const fd = p.socket(c.AF_NETLINK, c.SOCK_RAW | c.SOCK_NONBLOCK, c.NETLINK_ROUTE)
  p.bind(fd, sockaddrNl(0, groups))
  return fd
}

/** Everything that waits. */
export function drain(p: Process, fd: number): NetlinkMessage[] {
  const all: NetlinkMessage[] = []
  for (;;) {
    const into = new Uint8Array(65536)
    const n = outcome(() => p.recv(fd, into))
    if (typeof n !== 'number') return all
    all.push(...messages(into.subarray(0, n)))
  }
}

/** Sends one request and gives what comes back. */
export function ask(
  p: Process,
  fd: number,
  type: number,
  flags: number,
  body: (w: MessageWriter) => void,
): NetlinkMessage[] {
  const writer = new MessageWriter().begin({ type, flags: flags | c.NLM_F_REQUEST, seq: 5, pid: 0 })
  body(writer)
  p.send(fd, writer.end())
  return drain(p, fd)
}

/** The error of an acknowledgement as a number, 0 for none. */
export const errorOf = (answers: readonly NetlinkMessage[]): number => {
  const last = answers[answers.length - 1]
  if (last === undefined || last.type !== c.NLMSG_ERROR) throw new Error('no acknowledgement')
  return new DataView(last.payload.buffer, last.payload.byteOffset).getInt32(0, true)
}
