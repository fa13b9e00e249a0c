/** `ip neighbour` (ip-neighbour(8)). */
import * as ip4 from '../addr/ip4.ts'
import * as mac from '../addr/mac.ts'
import * as nl from '../netlink/constants.ts'
import { attribute32, attributeAddress, type NetlinkMessage, parseAttributes } from '../netlink/message.ts'
import { AF_INET } from '../sock/address.ts'
import {
  NUD_DELAY,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_NOARP,
  NUD_NONE,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
} from '../stack/neighbor.ts'
import { viewOf } from '../wire/bytes.ts'
import type { Link } from './ip-link.ts'
import { commandOf, hardware, type IpOptions, indexOf, shownIndexOf, type Words } from './ip-words.ts'
import type { Rtnetlink } from './rtnetlink.ts'
import { ToolError } from './tool.ts'

/** Ticks a second of the times in struct nda_cacheinfo (USER_HZ). */
const USER_HZ = 100
const STATES: Readonly<Record<string, number>> = {
  none: NUD_NONE,
  incomplete: NUD_INCOMPLETE,
  reachable: NUD_REACHABLE,
  stale: NUD_STALE,
  delay: NUD_DELAY,
  probe: NUD_PROBE,
  failed: NUD_FAILED,
  noarp: NUD_NOARP,
  permanent: NUD_PERMANENT,
}
const ALL_STATES = 0xff

interface NeighborEntry {
  readonly index: number
  readonly state: number
  readonly address: number
  readonly hardware: Uint8Array | undefined
  readonly probes: number | undefined
  /** Seconds since it was used, confirmed, updated; references. */
  readonly times: readonly number[] | undefined
}

function readNeighbor({ payload }: NetlinkMessage): NeighborEntry {
  const attributes = parseAttributes(payload.subarray(nl.SIZEOF_NDMSG))
  const cache = attributes.get(nl.NDA_CACHEINFO)
  const view = cache === undefined ? undefined : viewOf(cache)
  const seconds = (at: number): number => Math.floor((view?.getUint32(at, true) ?? 0) / USER_HZ)
  return {
    index: viewOf(payload).getInt32(4, true),
    state: viewOf(payload).getUint16(8, true),
    address: attributeAddress(attributes, nl.NDA_DST) ?? 0,
    hardware: attributes.get(nl.NDA_LLADDR),
    probes: attribute32(attributes, nl.NDA_PROBES),
    times: view === undefined ? undefined : [seconds(4), seconds(0), seconds(8), view.getUint32(12, true)],
  }
}

function neighborText(
  entry: NeighborEntry,
  links: ReadonlyMap<number, Link>,
  options: IpOptions,
  named: boolean,
): string {
  const device = links.get(entry.index)?.name ?? `if${entry.index}`
  if (options.brief) {
    const at = entry.hardware === undefined ? '' : hardware(entry.hardware)
    return `${ip4.format(entry.address).padEnd(39)} ${device.padEnd(16)} ${at}\n`
  }
  let text = `${ip4.format(entry.address)} ${named ? `dev ${device} ` : ''}`
  if (entry.hardware !== undefined) text += `lladdr ${hardware(entry.hardware)} `
  if (options.statistics > 0 && entry.times !== undefined) {
    const [used, confirmed, updated, references] = entry.times
    text += `${references === 0 ? '' : ` ref ${references}`} used ${used}/${confirmed}/${updated}probes ${entry.probes ?? 0} `
  }
  const states = Object.keys(STATES).filter((name) => (entry.state & (STATES[name] as number)) !== 0)
  return `${text}${states.map((name) => `${name.toUpperCase()} `).join('')}\n`
}

/** A neighbour as `ip monitor` tells it. */
export const neighborNews = (message: NetlinkMessage, links: ReadonlyMap<number, Link>, options: IpOptions): string =>
  neighborText(readNeighbor(message), links, options, true)

/** What `show` and `flush` are about. */
interface Filter {
  index: number
  states: number
  address: number | undefined
}

async function neighbors(rt: Rtnetlink, { index, states, address }: Filter): Promise<NeighborEntry[]> {
  const found = await rt.dump(nl.RTM_GETNEIGH, (w) => w.u8(AF_INET, 0, 0, 0).u32(0).u16(0).u8(0, 0))
  return found
    .map(readNeighbor)
    .filter(
      (n) =>
        (index === 0 || n.index === index) &&
        (n.state & states) !== 0 &&
        (address === undefined || n.address === address),
    )
}

/** `ip neighbour …`: what it prints. */
export async function ipNeigh(rt: Rtnetlink, words: Words, options: IpOptions): Promise<string> {
  const commands = ['add', 'change', 'replace', 'delete', 'get', 'show', 'list', 'lst', 'flush']
  const command = commandOf('neigh', words.isEmpty ? 'show' : words.take(), commands)
  const links = await rt.links()
  if (command === 'show' || command === 'flush') {
    const isFlush = command === 'flush'
    if (isFlush && words.isEmpty) throw new ToolError('Flush requires arguments.', 255)
    const states = ALL_STATES & ~NUD_NOARP & (isFlush ? ~NUD_PERMANENT : ALL_STATES)
    const filter = readFilter(words, links, states)
    const found = options.family === '6' ? [] : await neighbors(rt, filter)
    if (!isFlush) return found.map((entry) => neighborText(entry, links, options, filter.index === 0)).join('')
    for (const { index, address } of found) await remove(rt, index, address)
    return ''
  }
  await change(rt, links, command, words)
  return ''
}

function readFilter(words: Words, links: ReadonlyMap<number, Link>, states: number): Filter {
  const filter: Filter = { index: 0, states, address: undefined }
  while (!words.isEmpty) {
    const word = words.take()
    if (word === 'dev') filter.index = shownIndexOf(links, words.take())
    else if (word === 'nud') filter.states = words.takes('all') ? ALL_STATES : words.named('nud', STATES)
    else if (word === 'to') filter.address = words.address()
    else if (word !== 'all') filter.address = words.again().address()
  }
  return filter
}

const remove = (rt: Rtnetlink, index: number, address: number): Promise<void> =>
  rt.change(nl.RTM_DELNEIGH, 0, (w) => {
    w.u8(AF_INET, 0, 0, 0).u32(index).u16(0).u8(0, 0).attributeAddress(nl.NDA_DST, address)
  })

async function change(rt: Rtnetlink, links: Map<number, Link>, command: string, words: Words): Promise<void> {
  let address: number | undefined
  let lladdr: Uint8Array | undefined
  let state = NUD_PERMANENT
  let index = 0
  while (!words.isEmpty) {
    if (words.takes('lladdr')) {
      const text = words.take()
      lladdr = mac.parse(text)
      if (lladdr === undefined) throw new ToolError(`"${text}" is invalid lladdr.`, 1)
    } else if (words.takes('nud')) state = words.named('nud', STATES)
    else if (words.takes('dev')) index = indexOf(links, words.take())
    else {
      words.takes('to')
      address = words.address()
    }
  }
  if (index === 0 || address === undefined) throw new ToolError('Device and destination are required arguments.', 255)
  const to = address
  if (command === 'delete') return await remove(rt, index, to)
  const flags: Readonly<Record<string, number>> = {
    add: nl.NLM_F_CREATE | nl.NLM_F_EXCL,
    change: nl.NLM_F_REPLACE,
    replace: nl.NLM_F_CREATE | nl.NLM_F_REPLACE,
  }
  const wanted = flags[command]
  if (wanted === undefined) throw new ToolError(`Command "${command}" is unknown, try "ip neigh help".`, 255)
  await rt.change(nl.RTM_NEWNEIGH, wanted, (w) => {
    w.u8(AF_INET, 0, 0, 0).u32(index).u16(state).u8(0, 0).attributeAddress(nl.NDA_DST, to)
    if (lladdr !== undefined) w.attributeBytes(nl.NDA_LLADDR, lladdr)
  })
}
