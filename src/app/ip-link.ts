/** `ip link` (ip-link(8)). */
import * as mac from '../addr/mac.ts'
import * as nl from '../netlink/constants.ts'
import {
  type Attributes,
  attribute32,
  attributeText,
  type NetlinkMessage,
  parseAttributes,
} from '../netlink/message.ts'
import * as device from '../stack/device.ts'
import { viewOf } from '../wire/bytes.ts'
import { commandOf, hardware, type IpOptions, indexOf, shownIndexOf, type Words } from './ip-words.ts'
import type { Rtnetlink } from './rtnetlink.ts'
import { right, ToolError } from './tool.ts'

/** struct ifinfomsg and its attributes. */
export interface Link {
  readonly index: number
  readonly name: string
  readonly flags: number
  readonly hardwareType: number
  readonly attributes: Attributes
}

export function readLink({ payload }: NetlinkMessage): Link {
  const view = viewOf(payload)
  const attributes = parseAttributes(payload.subarray(nl.SIZEOF_IFINFOMSG))
  return {
    index: view.getInt32(4, true),
    name: attributeText(attributes, nl.IFLA_IFNAME) ?? '',
    flags: view.getUint32(8, true),
    hardwareType: view.getUint16(2, true),
    attributes,
  }
}

/** In the order of print_link_flags. */
const FLAGS: readonly (readonly [number, string])[] = [
  [device.IFF_LOOPBACK, 'LOOPBACK'],
  [device.IFF_BROADCAST, 'BROADCAST'],
  [device.IFF_POINTOPOINT, 'POINTOPOINT'],
  [device.IFF_MULTICAST, 'MULTICAST'],
  [device.IFF_NOARP, 'NOARP'],
  [device.IFF_ALLMULTI, 'ALLMULTI'],
  [device.IFF_PROMISC, 'PROMISC'],
  [device.IFF_UP, 'UP'],
  [device.IFF_LOWER_UP, 'LOWER_UP'],
]

const OPER_STATES: readonly string[] = ['UNKNOWN', 'NOTPRESENT', 'DOWN', 'LOWERLAYERDOWN', 'TESTING', 'DORMANT', 'UP']

function flagNames(flags: number): string {
  const isDown = (flags & device.IFF_UP) !== 0 && (flags & device.IFF_RUNNING) === 0
  const names = FLAGS.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name)
  return (isDown ? ['NO-CARRIER', ...names] : names).join(',')
}

const stateOf = ({ attributes }: Link): string => OPER_STATES[attributes.get(nl.IFLA_OPERSTATE)?.[0] ?? 0] ?? 'UNKNOWN'

/** `2: eth0: <…> mtu 1500 …`; `withMode` as `ip link` has it. */
export function linkHeading(link: Link, withMode: boolean): string {
  const { attributes } = link
  let text = `${link.index}: ${link.name}: <${flagNames(link.flags)}> mtu ${attribute32(attributes, nl.IFLA_MTU)} `
  const qdisc = attributeText(attributes, nl.IFLA_QDISC)
  if (qdisc !== undefined) text += `qdisc ${qdisc} `
  text += `state ${stateOf(link)} ${withMode ? 'mode DEFAULT ' : ''}group default `
  const queue = attribute32(attributes, nl.IFLA_TXQLEN) ?? 0
  return queue === 0 ? text : `${text}qlen ${queue}`
}

/** `link/ether …`, with -d what else there is. */
export function linkAddress({ attributes, hardwareType, flags }: Link, details: boolean): string {
  const kinds: Readonly<Record<number, string>> = {
    [device.ARPHRD_ETHER]: 'ether',
    [device.ARPHRD_LOOPBACK]: 'loopback',
    [device.ARPHRD_NONE]: 'none',
  }
  let text = `link/${kinds[hardwareType] ?? hardwareType} `
  const [address, broadcast] = [attributes.get(nl.IFLA_ADDRESS), attributes.get(nl.IFLA_BROADCAST)]
  if (address !== undefined) text += hardware(address)
  const word = (flags & device.IFF_POINTOPOINT) !== 0 ? 'peer' : 'brd'
  if (broadcast !== undefined) text += ` ${word} ${hardware(broadcast)}`
  if (!details) return text
  const number = (type: number): number => attribute32(attributes, type) ?? 0
  text += ` promiscuity ${number(nl.IFLA_PROMISCUITY)}  allmulti ${number(nl.IFLA_ALLMULTI)}`
  text += ` minmtu ${number(nl.IFLA_MIN_MTU)} maxmtu ${number(nl.IFLA_MAX_MTU)}`
  text += ` numtxqueues ${number(nl.IFLA_NUM_TX_QUEUES)} numrxqueues ${number(nl.IFLA_NUM_RX_QUEUES)}`
  return `${text} gso_max_size ${number(nl.IFLA_GSO_MAX_SIZE)} gso_max_segs ${number(nl.IFLA_GSO_MAX_SEGS)} `
}

/** The words of struct rtnl_link_stats64 by place. */
const [RX_PACKETS, TX_PACKETS, RX_BYTES, TX_BYTES, RX_ERRORS, TX_ERRORS, RX_DROPPED, TX_DROPPED] = [
  0, 1, 2, 3, 4, 5, 6, 7,
]
const [MULTICAST, COLLISIONS, RX_LENGTH, RX_OVER, RX_CRC, RX_FRAME, RX_FIFO, RX_MISSED] = [8, 9, 10, 11, 12, 13, 14, 15]
const [TX_ABORTED, TX_CARRIER, TX_FIFO, TX_HEARTBEAT, TX_WINDOW] = [16, 17, 18, 19, 20]
/** Least widths of the columns: `*X errors:`, packets, errors, dropped, overrun, carrier, compressed. */
const WIDTHS: readonly number[] = [10, 7, 6, 7, 7, 7, 10]

/** -s, and with -s -s the kinds of errors (print_stats64). */
function statistics({ attributes }: Link, times: number): string[] {
  const bytes = attributes.get(nl.IFLA_STATS64)
  if (bytes === undefined) return []
  const view = viewOf(bytes)
  const count = (place: number): number => Number(view.getBigUint64(place * 8, true))
  const rx = [RX_BYTES, RX_PACKETS, RX_ERRORS, RX_DROPPED, RX_MISSED, MULTICAST].map((place) => count(place as number))
  const tx = [TX_BYTES, TX_PACKETS, TX_ERRORS, TX_DROPPED, TX_CARRIER, COLLISIONS].map((place) =>
    count(place as number),
  )
  const widths = WIDTHS.map((width, i) => Math.max(width, String(rx[i] ?? 0).length, String(tx[i] ?? 0).length))
  const row = (values: readonly number[]): string =>
    `    ${values.map((value, i) => right(value, widths[i] as number)).join(' ')} `
  const heading = (name: string, words: readonly string[]): string =>
    `    ${name}: ${words.map((word, i) => right(word, (widths[i] as number) - (i === 0 ? 4 : 0))).join(' ')}`
  const errors = (name: string, words: readonly string[], places: readonly (number | undefined)[]): string[] => [
    `    ${name} errors:${' '.repeat((widths[0] as number) - 10)} ${words.map((w, i) => right(w, widths[i + 1] as number)).join(' ')}`,
    `    ${' '.repeat(widths[0] as number)} ${places.map((p, i) => right(count(p as number), widths[i + 1] as number)).join(' ')} `,
  ]
  const lines = [heading('RX', ['bytes', 'packets', 'errors', 'dropped', 'missed', 'mcast', '']), row(rx)]
  if (times > 1)
    lines.push(
      ...errors('RX', ['length', 'crc', 'frame', 'fifo', 'overrun'], [RX_LENGTH, RX_CRC, RX_FRAME, RX_FIFO, RX_OVER]),
    )
  lines.push(heading('TX', ['bytes', 'packets', 'errors', 'dropped', 'carrier', 'collsns', '']), row(tx))
  if (times > 1)
    lines.push(
      ...errors(
        'TX',
        ['aborted', 'fifo', 'window', 'heartbt', 'transns'],
        [TX_ABORTED, TX_FIFO, TX_WINDOW, TX_HEARTBEAT, RX_MISSED],
      ),
    )
  return lines
}

/** One link as `ip link` shows it. */
export function linkText(link: Link, options: IpOptions): string {
  const address = link.attributes.get(nl.IFLA_ADDRESS)
  if (options.brief)
    return `${briefStart(link)}${address === undefined ? '' : `${hardware(address)} `}<${flagNames(link.flags)}> \n`
  const lines = [linkHeading(link, true), `    ${linkAddress(link, options.details)}`]
  lines.push(...(options.statistics > 0 ? statistics(link, options.statistics) : []))
  return `${lines.join(options.oneline ? '\\' : '\n')}\n`
}

export const linkStatistics = (link: Link, { statistics: times }: IpOptions): string[] =>
  times > 0 ? statistics(link, times) : []

/** Name and state in the columns of -br. */
export const briefStart = (link: Link): string => `${link.name.padEnd(16)} ${stateOf(link).padEnd(14)} `

/** `ip link …`: what it prints. */
export async function ipLink(rt: Rtnetlink, words: Words, options: IpOptions): Promise<string> {
  const command = commandOf('link', words.isEmpty ? 'show' : words.take(), [
    'add',
    'set',
    'delete',
    'show',
    'list',
    'lst',
  ])
  const links = await rt.links()
  if (command === 'show') return showLinks(links, words, options)
  if (command === 'add') throw new ToolError('RTNETLINK answers: Operation not supported', 2)
  words.takes('dev')
  const index = indexOf(links, words.take())
  if (command === 'delete') {
    await rt.change(nl.RTM_DELLINK, 0, (w) => w.u8(0, 0).u16(0).u32(index, 0, 0))
    return ''
  }
  await setLink(rt, index, words)
  return ''
}

function showLinks(links: ReadonlyMap<number, Link>, words: Words, options: IpOptions): string {
  let only = 0
  let upOnly = false
  while (!words.isEmpty) {
    if (words.takes('up')) upOnly = true
    else {
      words.takes('dev')
      only = shownIndexOf(links, words.take())
    }
  }
  let text = ''
  for (const link of links.values()) {
    if ((only === 0 || link.index === only) && (!upOnly || (link.flags & device.IFF_UP) !== 0))
      text += linkText(link, options)
  }
  return text
}

async function setLink(rt: Rtnetlink, index: number, words: Words): Promise<void> {
  let flags = 0
  let change = 0
  const switched = (bit: number, on: boolean): void => {
    change |= bit
    flags = on ? flags | bit : flags & ~bit
  }
  let mtu: number | undefined
  let name: string | undefined
  let address: Uint8Array | undefined
  while (!words.isEmpty) {
    const word = words.take()
    if (word === 'up' || word === 'down') switched(device.IFF_UP, word === 'up')
    else if (word === 'mtu') mtu = words.number('mtu')
    else if (word === 'name') name = words.take()
    else if (word === 'promisc') switched(device.IFF_PROMISC, onOff('promisc', words.take()))
    else if (word === 'allmulticast') switched(device.IFF_ALLMULTI, onOff('allmulticast', words.take()))
    else if (word === 'address') {
      address = mac.parse(words.take())
      if (address === undefined) throw new ToolError('"address" is not a hardware address', 1)
    } else throw new ToolError(`Error: either "dev" is duplicate, or "${word}" is a garbage.`, 255)
  }
  await rt.change(nl.RTM_NEWLINK, 0, (w) => {
    w.u8(0, 0).u16(0).u32(index, flags, change)
    if (mtu !== undefined) w.attribute32(nl.IFLA_MTU, mtu)
    if (name !== undefined) w.attributeText(nl.IFLA_IFNAME, name)
    if (address !== undefined) w.attributeBytes(nl.IFLA_ADDRESS, address)
  })
}

function onOff(what: string, word: string): boolean {
  if (word !== 'on' && word !== 'off')
    throw new ToolError(`Error: argument of "${what}" must be one of "on, off", not "${word}"`, 255)
  return word === 'on'
}
