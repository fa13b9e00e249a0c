/** Tree rows of IPv4 and TCP options as Wireshark 4 shows them. Options are at most 40 bytes, so are the rows. */
import * as ip4 from '../addr/ip4.ts'
import { get8, get16, get32 } from './bytes.ts'
import { bits, hex, hexBytes, node, plural, type TreeNode } from './dissect-node.ts'
import * as ipv4Options from './ipv4-options.ts'
import * as tcpOptions from './tcp-options.ts'

/** The row of a malformed option, which ends the list. */
const malformed = (name: string, at: number, end: number): TreeNode =>
  node(name, 'Malformed option: length runs past the header', at, end - at)

/** The options in [o, end). */
export function ipv4OptionsTree(b: Uint8Array, o: number, end: number): TreeNode {
  const rows: TreeNode[] = []
  const names: string[] = []
  for (let at = o; at < end; ) {
    const n = ipv4Options.optionLength(b, at, end)
    if (n === 0) {
      rows.push(malformed('ip.opt.len.invalid', at, end))
      break
    }
    const type = get8(b, at)
    if (type > ipv4Options.NOP) names.push(ipv4OptionName(type))
    rows.push(ipv4OptionTree(b, at, n))
    if (type === ipv4Options.EOL) break
    at += n
  }
  const list = names.length > 0 ? `, ${names.join(', ')}` : ''
  return node('ip.options', `Options: (${plural(end - o, 'byte')})${list}`, o, end - o, rows)
}

function ipv4OptionName(type: number): string {
  switch (type) {
    case ipv4Options.EOL:
      return 'End of Options List (EOL)'
    case ipv4Options.NOP:
      return 'No-Operation (NOP)'
    case ipv4Options.RR:
      return 'Record Route'
    case ipv4Options.TS:
      return 'Time Stamp'
    case ipv4Options.LSRR:
      return 'Loose Source Route'
    case ipv4Options.SSRR:
      return 'Strict Source Route'
    case ipv4Options.RA:
      return 'Router Alert'
    default:
      return `Unknown (${hex(type, 2)})`
  }
}

function ipv4OptionTree(b: Uint8Array, at: number, n: number): TreeNode {
  const type = get8(b, at)
  const rows = [node('ip.opt.type', `Type: ${type}`, at, 1)]
  if (type > ipv4Options.NOP) rows.push(node('ip.opt.len', `Length: ${n}`, at + 1, 1))
  if (type === ipv4Options.RR || type === ipv4Options.LSRR || type === ipv4Options.SSRR)
    rows.push(...routeRows(b, at, n))
  else if (type === ipv4Options.TS) rows.push(...timestampRows(b, at, n))
  let size = type > ipv4Options.NOP ? ` (${plural(n, 'byte')})` : ''
  if (type === ipv4Options.RA && n >= 4) {
    const value = get16(b, at + 2)
    const meaning = `${value === 0 ? 'Router shall examine packet' : 'Reserved'} (${value})`
    size += `: ${meaning}`
    rows.push(node('ip.opt.ra', `Router Alert: ${meaning}`, at + 2, 2))
  }
  return node('ip.opt', `IP Option - ${ipv4OptionName(type)}${size}`, at, n, rows)
}

function routeRows(b: Uint8Array, at: number, n: number): TreeNode[] {
  if (n < 3) return []
  const next = ipv4Options.pointer(b, at)
  const rows = [node('ip.opt.ptr', `Pointer: ${next}`, at + 2, 1)]
  for (let i = 3; i + 4 <= n; i += 4) {
    const address = ip4.format(get32(b, at + i))
    const label = get8(b, at) !== ipv4Options.RR ? 'Source Route' : i + 1 < next ? 'Recorded Route' : 'Empty Route'
    rows.push(node('ip.rec_rt', `${label}: ${address}${i + 1 === next ? ' <- (next)' : ''}`, at + i, 4))
  }
  return rows
}

function timestampRows(b: Uint8Array, at: number, n: number): TreeNode[] {
  if (n < 4) return []
  const flag = ipv4Options.timestampFlag(b, at)
  const text =
    ['Time stamps only', 'Time stamp and address', '', 'Time stamps for prespecified addresses'][flag] || 'Unknown'
  const last = get8(b, at + 3)
  const rows = [
    node('ip.opt.ptr', `Pointer: ${ipv4Options.pointer(b, at)}`, at + 2, 1),
    node('ip.opt.overflow', `${bits(last, 0xf0, 8)} = Overflow: ${last >>> 4}`, at + 3, 1),
    node('ip.opt.flag', `${bits(last, 0x0f, 8)} = Flag: ${text} (${hex(flag, 1)})`, at + 3, 1),
  ]
  const step = flag === ipv4Options.TS_ONLY ? 4 : 8
  for (let i = 4; i + step <= n; i += step) {
    if (step === 8) rows.push(node('ip.opt.addr', `Address: ${ip4.format(get32(b, at + i))}`, at + i, 4))
    const stamp = at + i + step - 4
    rows.push(node('ip.opt.time_stamp', `Time stamp: ${get32(b, stamp) >>> 0}`, stamp, 4))
  }
  return rows
}

/** The options in [o, end). */
export function tcpOptionsTree(b: Uint8Array, o: number, end: number): TreeNode {
  const rows: TreeNode[] = []
  const names: string[] = []
  for (let at = o; at < end; ) {
    const n = tcpOptions.optionLength(b, at, end)
    if (n === 0) {
      rows.push(malformed('tcp.option_len.invalid', at, end))
      break
    }
    const kind = get8(b, at)
    names.push(tcpOptionName(kind))
    rows.push(tcpOptionTree(b, at, n))
    if (kind === tcpOptions.EOL) break
    at += n
  }
  const list = names.length > 0 ? `, ${names.join(', ')}` : ''
  return node('tcp.options', `Options: (${plural(end - o, 'byte')})${list}`, o, end - o, rows)
}

/** Long names for titles. */
function tcpOptionName(kind: number): string {
  switch (kind) {
    case tcpOptions.EOL:
      return 'End of Option List (EOL)'
    case tcpOptions.NOP:
      return 'No-Operation (NOP)'
    case tcpOptions.MSS:
      return 'Maximum segment size'
    case tcpOptions.WSCALE:
      return 'Window scale'
    case tcpOptions.SACK_PERMITTED:
      return 'SACK permitted'
    case tcpOptions.SACK:
      return 'SACK'
    case tcpOptions.TIMESTAMP:
      return 'Timestamps'
    case tcpOptions.MD5:
      return 'TCP MD5 signature'
    case tcpOptions.USER_TIMEOUT:
      return 'User Timeout'
    case tcpOptions.FAST_OPEN:
      return 'TCP Fast Open'
    case tcpOptions.EXPERIMENT:
      return 'Experimental'
    default:
      return `Unknown (${kind})`
  }
}

/** Names of the Kind row. */
function tcpKindName(kind: number): string {
  switch (kind) {
    case tcpOptions.NOP:
      return 'No-Operation'
    case tcpOptions.EOL:
      return 'End of Option List'
    case tcpOptions.MSS:
      return 'Maximum Segment Size'
    case tcpOptions.WSCALE:
      return 'Window Scale'
    case tcpOptions.SACK_PERMITTED:
      return 'SACK Permitted'
    case tcpOptions.TIMESTAMP:
      return 'Time Stamp Option'
    case tcpOptions.MD5:
      return 'MD5 Signature Option'
    case tcpOptions.USER_TIMEOUT:
      return 'User Timeout Option'
    case tcpOptions.FAST_OPEN:
      return 'TCP Fast Open Cookie'
    case tcpOptions.SACK:
      return 'SACK'
    default:
      return 'Unknown'
  }
}

function tcpOptionTree(b: Uint8Array, at: number, n: number): TreeNode {
  const kind = get8(b, at)
  const rows = [node('tcp.option_kind', `Kind: ${tcpKindName(kind)} (${kind})`, at, 1)]
  if (kind > tcpOptions.NOP) rows.push(node('tcp.option_len', `Length: ${n}`, at + 1, 1))
  const [note, values] = tcpOptionValues(b, at, n)
  return node('tcp.option', `TCP Option - ${tcpOptionName(kind)}${note}`, at, n, [...rows, ...values])
}

/** What the title adds, and the rows of the value; nothing if the length is wrong for the kind. */
function tcpOptionValues(b: Uint8Array, at: number, n: number): [string, TreeNode[]] {
  const kind = get8(b, at)
  if (kind === tcpOptions.MSS && n === tcpOptions.MSS_LEN) {
    const mss = get16(b, at + 2)
    return [`: ${mss} bytes`, [node('tcp.options.mss_val', `MSS Value: ${mss}`, at + 2, 2)]]
  }
  if (kind === tcpOptions.WSCALE && n === tcpOptions.WSCALE_LEN) {
    const shift = get8(b, at + 2)
    const row = node('tcp.options.wscale.shift', `Shift count: ${shift}`, at + 2, 1)
    return [`: ${shift} (multiply by ${2 ** Math.min(shift, tcpOptions.MAX_WSCALE)})`, [row]]
  }
  if (kind === tcpOptions.TIMESTAMP && n === tcpOptions.TIMESTAMP_LEN) {
    const value = get32(b, at + 2) >>> 0
    const echo = get32(b, at + 6) >>> 0
    return [
      `: TSval ${value}, TSecr ${echo}`,
      [
        node('tcp.options.timestamp.tsval', `Timestamp value: ${value}`, at + 2, 4),
        node('tcp.options.timestamp.tsecr', `Timestamp echo reply: ${echo}`, at + 6, 4),
      ],
    ]
  }
  if (kind === tcpOptions.SACK) return sackValues(b, at, n)
  if (kind === tcpOptions.FAST_OPEN) {
    if (n === 2) return ['', [node('tcp.options.tfo.request', 'Fast Open Cookie Request', at, 2)]]
    return ['', [node('tcp.options.tfo.cookie', `Fast Open Cookie: ${hexBytes(b, at + 2, n - 2)}`, at + 2, n - 2)]]
  }
  if (n <= 2) return ['', []]
  return ['', [node('tcp.options.unknown.payload', `Payload: ${hexBytes(b, at + 2, n - 2)}`, at + 2, n - 2)]]
}

function sackValues(b: Uint8Array, at: number, n: number): [string, TreeNode[]] {
  const rows: TreeNode[] = []
  let note = ''
  for (let i = at + 2; i + tcpOptions.SACK_BLOCK_LEN <= at + n; i += tcpOptions.SACK_BLOCK_LEN) {
    const left = get32(b, i) >>> 0
    const right = get32(b, i + 4) >>> 0
    note += ` ${left}-${right}`
    rows.push(node('tcp.options.sack_le', `left edge = ${left}`, i, 4))
    rows.push(node('tcp.options.sack_re', `right edge = ${right}`, i + 4, 4))
  }
  return [note, rows]
}
