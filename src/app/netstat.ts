/** `netstat` of net-tools (netstat(8)): sockets, routes, interfaces and statistics in its format, numbers never as names. */
import * as ip4 from '../addr/ip4.ts'
import type { Host } from '../host/host.ts'
import { rawRows, type SocketRow, type UnixRow } from '../host/socket-table.ts'
import { socketTimer } from '../host/socket-timer.ts'
import { TCP_ESTABLISHED, TCP_LISTEN } from '../sock/sock.ts'
import { interfaceDetails, interfaceTable } from './netstat-interfaces.ts'
import { statistics } from './netstat-statistics.ts'
import { routeTable } from './route-table.ts'
import { inodeOf } from './ss-details.ts'
import { getopt, left, print, right, type Tool } from './tool.ts'

const LETTERS = 'anptuxlrisweo46WN'
const LONG: Readonly<Record<string, string>> = {
  all: 'a',
  numeric: 'n',
  programs: 'p',
  tcp: 't',
  udp: 'u',
  raw: 'w',
  unix: 'x',
  listening: 'l',
  route: 'r',
  interfaces: 'i',
  statistics: 's',
  extend: 'e',
  timers: 'o',
  wide: 'W',
}

/** What `netstat` with these options prints. */
export function netstat(host: Host, argv: readonly string[]): string {
  const { flags } = getopt('netstat', argv, LETTERS, LONG)
  const has = (letter: string): boolean => flags.has(letter)
  if (has('r')) return routeTable(host, has('e') ? 'metrics' : 'mss')
  if (has('i')) return has('e') ? interfaceDetails(host, has('a')) : interfaceTable(host, has('a'))
  if (has('s')) return statistics(host.counters)
  const wantsAll = !has('t') && !has('u') && !has('w') && !has('x')
  const which = has('a') ? '(servers and established)' : has('l') ? '(only servers)' : '(w/o servers)'
  let text = ''
  if (wantsAll || has('t') || has('u') || has('w')) {
    text += `Active Internet connections ${which}\n${inetHeader(flags)}`
    const rows = [...host.sockets(), ...rawRows(host)].filter((row) => isShown(row, flags))
    // One file of /proc/net after the other.
    for (const [netid, letter] of [
      ['tcp', 't'],
      ['udp', 'u'],
      ['raw', 'w'],
    ] as const)
      for (const row of rows) if (row.netid === netid && (wantsAll || has(letter))) text += inetLine(host, row, flags)
  }
  if (wantsAll || has('x')) {
    text += `Active UNIX domain sockets ${which}\n${UNIX_HEADER}${has('p') ? `${left('PID/Program name', 20)} ` : ''}Path\n`
    for (const row of host.unixSockets()) if (isUnixShown(row, flags)) text += unixLine(row, flags)
  }
  return text
}

export const netstatTool: Tool = async (process, argv) => {
  await print(process, netstat(process.host, argv))
  return 0
}

type Flags = ReadonlySet<string>

function isShown(row: SocketRow, flags: Flags): boolean {
  if (flags.has('a')) return true
  return flags.has('l') === (row.netid === 'tcp' ? row.state === TCP_LISTEN : row.remoteAddress === 0)
}

const isUnixShown = ({ state }: UnixRow, flags: Flags): boolean =>
  flags.has('a') || (flags.has('l') ? state === TCP_LISTEN : state === TCP_ESTABLISHED)

const STATES: Readonly<Record<string, string>> = {
  ESTAB: 'ESTABLISHED',
  'FIN-WAIT-1': 'FIN_WAIT1',
  'FIN-WAIT-2': 'FIN_WAIT2',
}

function inetHeader(flags: Flags): string {
  let text = 'Proto Recv-Q Send-Q Local Address           Foreign Address         State      '
  if (flags.has('e')) text += ' User       Inode     '
  if (flags.has('p')) text += ' PID/Program name    '
  if (flags.has('o')) text += ' Timer'
  return `${text}\n`
}

function inetLine(host: Host, row: SocketRow, flags: Flags): string {
  const { netid, stateName, recvQ, sendQ } = row
  const isIdle = netid === 'udp' && row.state !== TCP_ESTABLISHED
  const name = isIdle ? '' : (STATES[stateName] ?? stateName.replaceAll('-', '_'))
  const state = netid === 'raw' ? row.state : name
  // For a listener /proc tells the connections to be accepted, and 0.
  const queued = row.state === TCP_LISTEN ? 0 : sendQ
  let text = `${left(netid, 4)}  ${right(recvQ, 6)} ${right(queued, 6)} `
  text += `${left(endpoint(row.localAddress, row.localPort), 23)} `
  text += `${left(endpoint(row.remoteAddress, row.remotePort), 23)} ${left(state, 11)}`
  if (flags.has('e')) text += ` ${left(ownerOf(row), 10)} ${left(inodeOf(row), 10)}`
  if (flags.has('p')) text += ` ${left(program(row), 20)}`
  if (flags.has('o')) text += ` ${timerColumn(host, row)}`
  return `${text}\n`
}

const endpoint = (address: number, port: number): string => `${ip4.format(address)}:${port === 0 ? '*' : port}`
const ownerOf = ({ source }: SocketRow): number => (source !== undefined && 'uid' in source ? source.uid : 0)

function program({ holders }: SocketRow | UnixRow): string {
  const [first] = holders
  return first === undefined ? '-' : `${first.pid}/${first.name}`
}

/** By the kernel's number of the timer. */
const TIMER_NAMES: readonly string[] = ['off', 'on', 'keepalive', 'timewait', 'probe']

function timerColumn(host: Host, row: SocketRow): string {
  if (row.netid !== 'tcp') return ''
  const { kind, left, retransmits, probes } = socketTimer(row, host.clock)
  return `${TIMER_NAMES[kind]} (${(Math.round(left / 1000) / 1000).toFixed(2)}/${retransmits}/${probes})`
}

const UNIX_HEADER = 'Proto RefCnt Flags       Type       State         I-Node   '
const TYPES: Readonly<Record<UnixRow['netid'], string>> = { u_str: 'STREAM', u_dgr: 'DGRAM', u_seq: 'SEQPACKET' }

function unixLine(row: UnixRow, flags: Flags): string {
  const isListening = row.state === TCP_LISTEN
  const references = row.peerInode !== 0 || (row.state === TCP_ESTABLISHED && row.netid !== 'u_dgr') ? 3 : 2
  const state = isListening ? 'LISTENING' : row.state === TCP_ESTABLISHED ? 'CONNECTED' : ''
  let text = `${left('unix', 5)} ${left(references, 6)} ${left(isListening ? '[ ACC ]' : '[ ]', 11)} `
  text += `${left(TYPES[row.netid], 10)} ${left(state, 13)} ${left(row.inode, 8)} `
  if (flags.has('p')) text += `${left(program(row), 20)} `
  return `${text}${row.localName.replaceAll('\0', '@')}\n`
}
