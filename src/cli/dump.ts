/** `sockeye dump FILE`: a capture as text, one packet a line, as `tcpdump -n` prints it. */
import { readFileSync } from 'node:fs'
import { LINKTYPE_ETHERNET, LINKTYPE_RAW } from '../link/pcap.ts'
import { type CapturedPacket, CaptureReader } from '../link/pcap-reader.ts'
import { DissectContext, dissect, line, type TreeNode } from '../wire/dissect.ts'
import { fileReason, parse, UsageError } from './arguments.ts'
import { type Palette, palette, wantsColour } from './terminal.ts'

/** Conversations whose first sequence numbers are remembered. */
const CONVERSATIONS = 65536
/** Characters collected before they are written. */
const BATCH = 65536

/** Runs the command; the exit status. */
export async function dump(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, {
    absolute: { type: 'boolean', short: 'S' },
    tree: { type: 'boolean', short: 'v' },
  })
  const file = positionals[0]
  if (file === undefined) throw new UsageError('dump: which file?')
  if (positionals.length > 1) throw new UsageError(`dump: too many arguments: '${positionals[1] as string}'`)
  let bytes: Uint8Array
  try {
    bytes = readFileSync(file)
  } catch (error) {
    throw new UsageError(`dump: ${file}: ${fileReason(error)}`)
  }
  const reader = new CaptureReader(bytes)
  if (reader.format === 'unknown') throw new UsageError(`dump: ${file}: ${reader.error}`)
  const style = palette(wantsColour(process.stdout, process.env))
  const context = values.absolute === true ? undefined : new DissectContext(CONVERSATIONS)
  let text = ''
  for (const packet of reader) {
    text += `${format(packet, context, style)}\n`
    if (values.tree === true) text += tree(packet)
    if (text.length < BATCH) continue
    await write(text)
    text = ''
  }
  await write(text)
  if (reader.error === null) return 0
  throw new UsageError(`dump: ${file}: ${reader.error}`)
}

/** One packet as a line: time of day (UTC), tcpdump's text, and its comment. */
export function format(packet: CapturedPacket, context: DissectContext | undefined, style: Palette): string {
  const wireLength = packet.originalLength
  let text: string
  const type = packet.interface.linkType
  if (type === LINKTYPE_ETHERNET || type === LINKTYPE_RAW) {
    const medium = type === LINKTYPE_ETHERNET ? 'ethernet' : 'ip'
    text = line(packet.bytes, context === undefined ? { medium, wireLength } : { medium, wireLength, context })
  } else text = `link type ${type}, length ${wireLength}`
  const comment = packet.comment === '' ? '' : `  ${style.yellow(`# ${packet.comment.replaceAll('\n', '; ')}`)}`
  return `${style.dim(timeOfDay(packet.time))} ${text}${comment}`
}

function tree(packet: CapturedPacket): string {
  const type = packet.interface.linkType
  if (type !== LINKTYPE_ETHERNET && type !== LINKTYPE_RAW) return ''
  const { tree: nodes } = dissect(packet.bytes, { medium: type === LINKTYPE_ETHERNET ? 'ethernet' : 'ip' })
  return `${nodes.map((node) => branch(node, 1)).join('')}\n`
}

const branch = (node: TreeNode, depth: number): string =>
  `${'    '.repeat(depth)}${node.text}\n${node.children.map((child) => branch(child, depth + 1)).join('')}`

/** Microseconds since 1970 as HH:MM:SS.ffffff, UTC. */
export function timeOfDay(time: number): string {
  if (Number.isNaN(time)) return '--:--:--.------'
  const micros = ((Math.floor(time) % 86_400_000_000) + 86_400_000_000) % 86_400_000_000
  const seconds = Math.floor(micros / 1e6)
  const two = (n: number): string => String(n).padStart(2, '0')
  const hours = two(Math.floor(seconds / 3600))
  return `${hours}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}.${String(micros % 1e6).padStart(6, '0')}`
}

/** Writes to stdout and waits until a slow reader took it. */
function write(text: string): Promise<void> {
  if (text === '') return Promise.resolve()
  return new Promise((resolve) => {
    if (process.stdout.write(text)) resolve()
    else process.stdout.once('drain', resolve)
  })
}
