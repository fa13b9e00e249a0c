/** `ss` (ss(8)): the sockets of a host in iproute2's columns, as it prints them into a pipe. */
import * as ip4 from '../addr/ip4.ts'
import type { Host } from '../host/host.ts'
import { rawRows, type SocketRow, type UnixRow } from '../host/socket-table.ts'
import { TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN } from '../sock/sock.ts'
import { memory, sockDetails, tcpDetails, timerText } from './ss-details.ts'
import { parseFilter, type RowTest, SS_ALL, SS_CONN, stateBit } from './ss-filter.ts'
import { getopt, print, type Tool } from './tool.ts'

export interface SsOptions {
  /** -t, -u, -x (AF_UNIX), -w (raw): only these; none: all. */
  readonly tcp?: boolean
  readonly udp?: boolean
  readonly unix?: boolean
  readonly raw?: boolean
  /** -a: listening sockets too. -l: only those. */
  readonly all?: boolean
  readonly listening?: boolean
  /** -p: who has it open. */
  readonly processes?: boolean
  /** -o timers, -e details, -m memory, -i what TCP knows. */
  readonly timers?: boolean
  readonly extended?: boolean
  readonly memory?: boolean
  readonly info?: boolean
  /** -H: no heading. -O: one line a socket. */
  readonly noHeader?: boolean
  readonly oneLine?: boolean
  /** States wanted, as bits of Linux's numbers, and what else a row must fulfil. */
  readonly states?: number
  readonly test?: RowTest
}

type Row = SocketRow | UnixRow

/** Options of ss(8), and the long ones by letter. */
const LETTERS = 'tuxwalnrpioems4HO'
const LONG: Readonly<Record<string, string>> = {
  all: 'a',
  listening: 'l',
  numeric: 'n',
  processes: 'p',
  options: 'o',
  extended: 'e',
  memory: 'm',
  info: 'i',
  summary: 's',
  tcp: 't',
  udp: 'u',
  unix: 'x',
  raw: 'w',
  ipv4: '4',
  'no-header': 'H',
  oneline: 'O',
  resolve: 'r',
}

/** Options from a command line, filters included: `-tan`, `-t -a state established`, `-tn dport = :80`. */
export function parseSsFlags(line: string | readonly string[]): SsOptions {
  const argv = typeof line === 'string' ? line.split(/\s+/).filter((word) => word !== '') : line
  const { flags, words } = getopt('ss', argv, LETTERS, LONG)
  const has = (letter: string): boolean => flags.has(letter)
  const { states, test } = parseFilter(words)
  return {
    tcp: has('t'),
    udp: has('u'),
    unix: has('x'),
    raw: has('w'),
    all: has('a'),
    listening: has('l'),
    processes: has('p'),
    timers: has('o'),
    extended: has('e'),
    memory: has('m'),
    info: has('i'),
    noHeader: has('H'),
    oneLine: has('O'),
    ...(states === 0 ? {} : { states }),
    ...(test === undefined ? {} : { test: has('4') ? (row) => !('inode' in row) && test(row) : test }),
    ...(test === undefined && has('4') ? { test: (row: Row) => !('inode' in row) } : {}),
  }
}

/** What `ss` with these options prints, every line ended by a newline. */
export function ss(host: Host, options: SsOptions | string = '-tan -u'): string {
  const parsed = typeof options === 'string' ? parseSsFlags(options) : options
  return formatSockets([...host.unixSockets(), ...rawRows(host), ...host.sockets()], parsed, host)
}

/** The program. */
export const ssTool: Tool = async (process, argv) => {
  const isSummary = getopt('ss', argv, LETTERS, LONG).flags.has('s')
  await print(process, isSummary ? summary(process.host) : ss(process.host, parseSsFlags(argv)))
  return 0
}

/** The states that are shown when no filter names any. */
function statesOf({ all = false, listening = false, states }: SsOptions, row: Row): number {
  if (states !== undefined) return states
  if (listening) return stateBit(TCP_LISTEN) | stateBit(TCP_CLOSE)
  if (all) return SS_ALL
  // Of datagram sockets those that are connected.
  return row.netid === 'tcp' || row.netid.startsWith('u_') ? SS_CONN : stateBit(TCP_ESTABLISHED)
}

const HEADER = ['Netid', 'State', 'Recv-Q', 'Send-Q', 'Local Address:', 'Port', 'Peer Address:', 'Port', 'Process']
/** Least width of the queues' columns, also without the heading. */
const QUEUE_WIDTH = 6
const NETID = 0
const STATE = 1
/** Columns that follow the one before without a gap, and those that are filled up on the left. */
const JOINED: readonly number[] = [5, 7, 8]
const RIGHT: readonly number[] = [4, 6]

/** Rows as `ss` prints them; `host` is needed for -i, -m and -o only. */
export function formatSockets(all: readonly Row[], options: SsOptions, host?: Host): string {
  const { tcp = false, udp = false, unix = false, raw = false, states = 0 } = options
  const wantsAll = !tcp && !udp && !unix && !raw
  const rows = all.filter((row) => {
    const isWanted = { tcp, udp, raw, u_str: unix, u_dgr: unix, u_seq: unix }[row.netid]
    if (!wantsAll && !isWanted) return false
    if ((statesOf(options, row) & stateBit(row.state)) === 0) return false
    return options.test === undefined || options.test(row)
  })
  const lines = rows.map((row) => cells(row, options, host))
  if (options.noHeader !== true) lines.unshift(HEADER)
  const hidden = new Set<number>()
  // One kind of socket needs no column to tell which; local sockets are of three kinds. So with one state.
  if (!unix && Number(tcp) + Number(udp) + Number(raw) === 1) hidden.add(NETID)
  const onlyDatagrams = !wantsAll && !tcp && !unix && options.all !== true && options.listening !== true
  if ((states !== 0 && (states & (states - 1)) === 0) || (states === 0 && onlyDatagrams)) hidden.add(STATE)
  const widths = HEADER.map((_, i) => Math.max(...lines.map((line) => (line[i] as string).length)))
  return lines.map((line) => `${formatLine(line, widths, hidden)}\n`).join('')
}

/** Addresses to the right, everything else to the left; no gap around the colon and before the processes. */
function formatLine(line: readonly string[], widths: readonly number[], hidden: ReadonlySet<number>): string {
  let text = ''
  for (let i = 0; i < line.length; i++) {
    if (hidden.has(i)) continue
    const cell = line[i] as string
    const width = widths[i] as number
    if (text !== '' && !JOINED.includes(i)) text += ' '
    text += RIGHT.includes(i) ? cell.padStart(width) : cell.padEnd(width)
  }
  return text
}

function cells(row: Row, options: SsOptions, host: Host | undefined): string[] {
  return [
    row.netid,
    row.stateName,
    String(row.recvQ).padEnd(QUEUE_WIDTH),
    String(row.sendQ).padEnd(QUEUE_WIDTH),
    ...('inode' in row ? unixCells(row) : inetCells(row)),
    extra(row, options, host),
  ]
}

/** The last column: processes, timer, details, and on lines of their own memory and TCP's state. */
function extra(row: Row, options: SsOptions, host: Host | undefined): string {
  let text = ''
  if (options.processes === true && row.holders.length > 0) {
    text = ` users:(${row.holders.map(({ name, pid, fd }) => `("${name}",pid=${pid},fd=${fd})`).join(',')})`
  }
  if (host === undefined) return text
  if (options.timers === true) text += timerText(host, row)
  if (options.extended === true) text += sockDetails(host, row)
  const wantsInfo = options.info === true && row.netid === 'tcp'
  if (options.memory !== true && !wantsInfo) return text
  if (!('inode' in row) && options.oneLine !== true) text += '\n\t'
  if (options.memory === true) text += memory(row)
  if (wantsInfo && row.netid === 'tcp') text += tcpDetails(row, options.extended === true || options.timers === true)
  return text
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

/** `ss -s`. */
function summary(host: Host): string {
  const rows = host.sockets()
  const tcp = rows.filter((row) => row.netid === 'tcp')
  const udp = rows.length - tcp.length
  const count = (...names: string[]): number => tcp.filter((row) => names.includes(row.stateName)).length
  const timewait = count('TIME-WAIT')
  const hashed = tcp.length - timewait
  const orphaned = tcp.filter((row) => row.holders.length === 0 && !['TIME-WAIT', 'LISTEN'].includes(row.stateName))
  const line = (name: string, n: number): string =>
    `${name}\t  ${String(n).padEnd(9)} ${String(n).padEnd(9)} ${'0'.padEnd(9)}\n`
  return [
    `Total: ${rows.length - timewait + host.raw.sockets.size + host.unixSockets().length}\n`,
    `TCP:   ${tcp.length} (estab ${count('ESTAB', 'CLOSE-WAIT')}, closed ${timewait}, `,
    `orphaned ${orphaned.length}, timewait ${timewait})\n\n`,
    'Transport Total     IP        IPv6\n',
    line('RAW', host.raw.sockets.size),
    line('UDP', udp),
    line('TCP', hashed),
    line('INET', hashed + udp + host.raw.sockets.size),
    line('FRAG', 0),
    '\n',
  ].join('')
}
