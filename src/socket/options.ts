/**
 * Socket options: one table from level and name to how the option is read and written (sk_setsockopt, do_ip_setsockopt).
 * What a protocol has of its own (IPPROTO_TCP, …) goes to `Sock.setOption`. Options that are not in the table do not
 * exist: ENOPROTOOPT, as a kernel built without them says. `option-list.ts` describes them all.
 */

import { AF_INET, AF_UNIX } from '../sock/address.ts'
import * as so from '../sock/constants.ts'
import { OptionError } from '../sock/option-value.ts'
import { OptionResult, type OptionValue, type Sock } from '../sock/sock.ts'
import { EINVAL, ENOPROTOOPT, EOPNOTSUPP } from '../sys/errno.ts'
import { ipOptions } from './ip-options.ts'
import { putOption } from './option-bytes.ts'
import type { OptionTable } from './option-row.ts'
import { socketOptions } from './socket-options.ts'

/** The rows of a level; undefined if a transport keeps them. */
export function optionsOf(level: number): OptionTable | undefined {
  return level === so.SOL_SOCKET ? socketOptions : level === so.SOL_IP ? ipOptions : undefined
}

/** As `optionsOf`; only sockets of AF_INET have IP's. */
const tableOf = (s: Sock, level: number): OptionTable | undefined =>
  level === so.SOL_SOCKET || s.family === AF_INET ? optionsOf(level) : undefined

/** setsockopt(2): 0 or -errno. */
export function setOption(s: Sock, level: number, name: number, value: OptionValue): number {
  if (level !== so.SOL_SOCKET && s.family === AF_UNIX) return -EOPNOTSUPP
  const table = tableOf(s, level)
  if (table === undefined) return s.setOption(level, name, value)
  // sk_setsockopt reads an int before it looks which option it is for, but for SO_BINDTODEVICE.
  const isShort = level === so.SOL_SOCKET && value instanceof Uint8Array && value.length < 4
  if (isShort && name !== so.SO_BINDTODEVICE) return -EINVAL
  return table[name]?.set?.(s, value) ?? -ENOPROTOOPT
}

/** getsockopt(2): 0 with the value in `result`, or -errno. */
export function getOption(s: Sock, level: number, name: number, result: OptionResult): number {
  if (level !== so.SOL_SOCKET && s.family === AF_UNIX) return -EOPNOTSUPP
  const table = tableOf(s, level)
  if (table === undefined) {
    const answer = s.getOption(level, name, result)
    // A level nobody has falls through to IP, which says so in its own way.
    const isOwn = s.family !== AF_INET || level === s.protocol || (level === so.SOL_RAW && s.type === so.SOCK_RAW)
    return answer === -ENOPROTOOPT && !isOwn ? -EOPNOTSUPP : answer
  }
  const get = table[name]?.get
  if (get === undefined) return -ENOPROTOOPT
  const value = get(s)
  if (value instanceof OptionError) return value.errno
  result.value = value
  return 0
}

/** getsockopt(2) into bytes, whose number is the room there is: how many the value has there, or -errno. */
export function getOptionBytes(s: Sock, level: number, name: number, optval: Uint8Array): number {
  const row = tableOf(s, level)?.[name]
  if (row?.getBytes !== undefined) return row.getBytes(s, optval)
  const result = new OptionResult()
  result.room = optval.length
  const answer = getOption(s, level, name, result)
  return answer < 0 ? answer : putOption(level, name, result.value, row?.size, optval)
}
