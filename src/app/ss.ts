/** `ss` (ss(8)): the sockets of a host in iproute2's columns, as it prints them into a pipe. */
import * as ip4 from '../addr/ip4.ts'
import type { Host } from '../host/host.ts'
import type { SocketRow } from '../host/socket-table.ts'
import { TCP_CLOSE, TCP_LISTEN } from '../sock/sock.ts'

export interface SsOptions {
  /** -t, -u: only these; both or none for all. */
  readonly tcp?: boolean
  readonly udp?: boolean
  /** -a: listening sockets too. -l: only those. */
  readonly all?: boolean
  readonly listening?: boolean
  /** -p: who has it open. */
  readonly processes?: boolean
}

/** Options from flags: `-tan`, `-t -a`. Numbers are never turned into names, so `-n` changes nothing. */
export function parseSsFlags(text: string): SsOptions {
  const has = (letter: string): boolean => new RegExp(`(^|\\s)-[a-z]*${letter}`).test(text)
  return { tcp: has('t'), udp: has('u'), all: has('a'), listening: has('l'), processes: has('p') }
}

const isListening = (row: SocketRow): boolean =>
  row.state === TCP_LISTEN || (row.netid === 'udp' && row.state === TCP_CLOSE)

/** What `ss` with these options prints, every line ended by a newline. */
export function ss(host: Host, options: SsOptions | string = '-tan -u'): string {
  return formatSockets(host.sockets(), typeof options === 'string' ? parseSsFlags(options) : options)
}

/** Rows as `ss` prints them. */
export function formatSockets(all: readonly SocketRow[], options: SsOptions): string {
  const { tcp = false, udp = false, processes = false } = options
  const wantsBoth = tcp === udp
  const rows = all.filter((row) => {
    if (!wantsBoth && row.netid !== (tcp ? 'tcp' : 'udp')) return false
    if (options.listening === true) return isListening(row)
    return options.all === true || !isListening(row)
  })
  const header = ['Netid', 'State', 'Recv-Q', 'Send-Q', 'Local Address:', 'Port', 'Peer Address:', 'Port', 'Process']
  const lines = [header, ...rows.map((row) => cells(row, processes))]
  // One kind of socket needs no column to tell which.
  const first = wantsBoth ? 0 : 1
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

function cells(row: SocketRow, processes: boolean): string[] {
  const holders = row.holders.map(({ name, pid, fd }) => `("${name}",pid=${pid},fd=${fd})`)
  return [
    row.netid,
    row.stateName,
    String(row.recvQ),
    String(row.sendQ),
    `${ip4.format(row.localAddress)}${row.device === '' ? '' : `%${row.device}`}:`,
    row.localPort === 0 ? '*' : String(row.localPort),
    `${ip4.format(row.remoteAddress)}:`,
    row.remotePort === 0 ? '*' : String(row.remotePort),
    processes && holders.length > 0 ? ` users:(${holders.join(',')})` : '',
  ]
}
