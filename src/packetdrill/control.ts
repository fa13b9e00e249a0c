/** What recvmsg gave beside the bytes: flags and control messages. */
import type { ControlMessage, Message } from '../sock/sock.ts'
import type { Host } from './host.ts'
import type { Expression } from './script.ts'
import { field, items, numberOf, numberOr } from './values.ts'

/** Least tolerance of a time stamp, in microseconds. */
const TOLERANCE = 4000

const EXTENDED_ERROR: readonly string[] = [
  'ee_errno',
  'ee_origin',
  'ee_type',
  'ee_code',
  'ee_pad',
  'ee_info',
  'ee_data',
]

/** What differs from the script, or null. */
export function checkMessage(world: Host, expected: Expression | undefined, message: Message): string | null {
  const flags = numberOf(field(expected, 'msg_flags'))
  if (flags !== null && flags !== message.flags)
    return `expected msg_flags 0x${flags.toString(16)}, got 0x${message.flags.toString(16)}`
  const control = field(expected, 'msg_control')
  if (control === undefined || control.kind !== 'list') return null
  const live = message.control ?? []
  const wanted = items(control)
  if (wanted.length !== live.length)
    return `expected ${wanted.length} control messages, got ${live.length}: ${JSON.stringify(live)}`
  for (let i = 0; i < wanted.length; i++) {
    const problem = checkOne(world, wanted[i] as Expression, live[i] as ControlMessage)
    if (problem !== null) return `control message ${i + 1}: ${problem}`
  }
  return null
}

function checkOne(world: Host, expected: Expression, live: ControlMessage): string | null {
  const level = numberOr(field(expected, 'cmsg_level'), live.level)
  const type = numberOr(field(expected, 'cmsg_type'), live.type)
  // A mapped socket's error queue speaks IPv6; ours is the IPv4 one.
  const isSame =
    (level === live.level && type === live.type) ||
    (level === 41 && type === 25 && live.level === 0 && live.type === 11)
  if (!isSame) return `expected level ${level} type ${type}, got level ${live.level} type ${live.type}`
  const data = field(expected, 'cmsg_data')
  if (data === undefined || data.kind === 'ellipsis') return null
  if (data.kind !== 'struct') {
    const value = numberOf(data)
    return value === null || value === live.data ? null : `expected ${value}, got ${String(live.data)}`
  }
  const words = typeof live.data === 'number' ? [live.data] : [...live.data]
  if (data.fields.has('scm_sec')) return checkStamp(world, data, words)
  for (const [name, value] of data.fields) {
    const at = EXTENDED_ERROR.indexOf(name)
    const number = numberOf(value)
    if (at >= 0 && number !== null && number !== words[at])
      return `expected ${name} ${number}, got ${String(words[at])}`
  }
  return null
}

/** A software time stamp, in seconds and nanoseconds, against script time. */
function checkStamp(world: Host, data: Expression, words: readonly number[]): string | null {
  const wanted = numberOr(field(data, 'scm_sec'), 0) * 1e6 + numberOr(field(data, 'scm_nsec'), 0) / 1000
  if (wanted === 0) return null
  const got = world.stampTime(words[0] ?? 0, words[1] ?? 0)
  return Math.abs(got - wanted) <= Math.max(TOLERANCE, world.tolerance)
    ? null
    : `expected time stamp ${wanted} us, got ${got} us`
}
