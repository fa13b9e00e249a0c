/** `arp` of net-tools (arp(8)): the neighbours of a host. */
import * as ip4 from '../addr/ip4.ts'
import * as mac from '../addr/mac.ts'
import type { Host } from '../host/host.ts'
import { NUD_FAILED, NUD_INCOMPLETE, NUD_NOARP, NUD_NONE, NUD_PERMANENT } from '../stack/neighbor.ts'
import { getopt, left, print, type Tool, ToolError } from './tool.ts'

const LETTERS = 'anevi:'
const UNUSABLE = NUD_INCOMPLETE | NUD_FAILED

interface Entry {
  readonly address: string
  readonly device: string
  /** '' while it is not known. */
  readonly hardware: string
  readonly isPermanent: boolean
}

function entries(host: Host): Entry[] {
  const found: Entry[] = []
  for (const { name, neighbors, usesArp } of host.stack.interfaces) {
    for (const { address, state, mac: hardware } of usesArp ? neighbors.values() : []) {
      if (state === NUD_NOARP || state === NUD_NONE) continue
      found.push({
        address: ip4.format(address),
        device: name,
        hardware: (state & UNUSABLE) === 0 ? mac.format(hardware) : '',
        isPermanent: state === NUD_PERMANENT,
      })
    }
  }
  return found
}

export const arpTool: Tool = async (process, argv) => {
  const { flags, values, words } = getopt('arp', argv, LETTERS, { all: 'a', numeric: 'n', device: 'i' })
  const device = values.get('i')
  const [only] = words
  if (only !== undefined && ip4.parse(only) === undefined) throw new ToolError(`${only}: Unknown host`, 255)
  const shown = entries(process.host).filter(
    (e) => (device === undefined || e.device === device) && (only === undefined || e.address === only),
  )
  if (only !== undefined && shown.length === 0) {
    await print(process, `${only} (${only}) -- no entry\n`)
    return 1
  }
  if (shown.length === 0) return 0
  if (flags.has('a')) {
    for (const e of shown) {
      const at = e.hardware === '' ? '<incomplete>' : `${e.hardware} [ether]${e.isPermanent ? ' PERM' : ''}`
      await print(process, `? (${e.address}) at ${at} on ${e.device}\n`)
    }
    return 0
  }
  await print(process, 'Address                  HWtype  HWaddress           Flags Mask            Iface\n')
  for (const e of shown) {
    const known = e.hardware !== ''
    const kind = known ? `${left('ether', 8)}${left(e.hardware, 20)}${left(e.isPermanent ? 'CM' : 'C', 6)}` : ''
    const text = known
      ? `${left(e.address, 25)}${kind}`
      : `${left(e.address, 25)}${left('', 8)}${left('(incomplete)', 26)}`
    await print(process, `${text}${left('', 16)}${e.device}\n`)
  }
  return 0
}
