/** `ss` (ss(8)): the sockets of a host in iproute2's columns, as it prints them into a pipe. */
import * as ip4 from '../addr/ip4.ts'
import type { Host } from '../host/host.ts'
import type { SocketRow, UnixRow } from '../host/socket-table.ts'
import { TCP_CLOSE, TCP_LISTEN } from '../sock/sock.ts'

export interface SsOptions {
  /** -t, -u, -x (AF_UNIX): only these; none: all. */
  readonly tcp?: boolean
  readonly udp?: boolean
  readonly unix?: boolean
  /** -a: listening sockets too. -l: only those. */
  readonly all?: boolean
  readonly listening?: boolean
  /** -p: who has it open. */
  readonly processes?: boolean
}

/** Options from flags: `-tan`, `-t -a`. Numbers are never turned into names, so `-n` changes nothing. */
export function parseSsFlags(text: string): SsOptions {
  const has = (letter: string): boolean => new RegExp(`(^|\\s)-[a-z]*${letter}`).test(text)
  return { tcp: has('t'), udp: has('u'), unix: has('x'), all: has('a'), listening: has('l'), processes: has('p') }
}

type Row = SocketRow | UnixRow

const isListening = (row: Row): boolean => row.state === TCP_LISTEN || (row.netid !== 'tcp' && row.state === TCP_CLOSE)

/** What `ss` with these options prints, every line ended by a newline. */
export function ss(host: Host, options: SsOptions | string = '-tan -u'): string {
  const parsed = typeof options === 'string' ? parseSsFlags(options) : options
  return formatSockets([...host.unixSockets(), ...host.sockets()], parsed)
}

/** Rows as `ss` prints them. */
export function formatSockets(all: readonly Row[], options: SsOptions): string {
  const { tcp = false, udp = false, unix = false, processes = false } = options
  const wantsAll = tcp === udp && udp === unix
  const rows = all.filter((row) => {
    const isWanted = row.netid === 'tcp' ? tcp : row.netid === 'udp' ? udp : unix
    if (!wantsAll && !isWanted) return false
    if (options.listening === true) return isListening(row)
    return options.all === true || !isListening(row)
  })
  const header = ['Netid', 'State', 'Recv-Q', 'Send-Q', 'Local Address:', 'Port', 'Peer Address:', 'Port', 'Process']
  const lines = [header, ...rows.map((row) => cells(row, processes))]
  // One kind of socket needs no column to tell which; local sockets are of three kinds.
  const first = !unix && tcp !== udp ? 1 : 0
  const widths = header.map((_, i) => Math.max(...lines.map((line) => (line[i] as string).length)))
  return lines.map((line) => `${formatLine(line, widths, first)}\n`).join('')
}

/** Addresses to the right, everything else to the left; no gap around the colon and before the processes. */
function formatLine(line: readonly string[], widths: readonly number[], first: number): string {
  let text = ''
  for (let i = first; i < line.length; i++) {
    const cell = line[i] as string
    const width = widths[i] as number
    if (i > first && i !== 5 && i !== 7 && i !== 8) text += ' '
    text += i === 4 || i === 6 ? cell.padStart(width) : cell.padEnd(width)
  }
  return text
}

function cells(row: Row, processes: boolean): string[] {
  const holders = row.holders.map(({ name, pid, fd }) => `("${name}",pid=${pid},fd=${fd})`)
  return [
    row.netid,
    row.stateName,
    String(row.recvQ),
    String(row.sendQ),
    ...('inode' in row ? unixCells(row) : inetCells(row)),
    processes && holders.length > 0 ? ` users:(${holders.join(',')})` : '',
  ]
}

/** Its name, with `@` for the NUL of an abstract one, and numbers; of the peer `ss` shows the number only. */
function unixCells({ localName, inode, peerInode }: UnixRow): string[] {
  const name = localName === '' ? '*' : localName.replaceAll('\0', '@')
  return [`${name} `, String(inode), '* ', String(peerInode)]
}

function inetCells(row: SocketRow): string[] {
  return [
    `${ip4.format(row.localAddress)}${row.device === '' ? '' : `%${row.device}`}:`,
    row.localPort === 0 ? '*' : String(row.localPort),
    `${ip4.format(row.remoteAddress)}:`,
    row.remotePort === 0 ? '*' : String(row.remotePort),
  ]
}
