/** ICMP types and codes as scripts name them: a word, or `type_N` and `code_N`. */
import * as icmp from '../wire/icmpv4.ts'
import { Unsupported } from './values.ts'

const TYPES: Readonly<Record<string, number>> = {
  echo_reply: icmp.ECHO_REPLY,
  unreachable: icmp.UNREACHABLE,
  source_quench: icmp.SOURCE_QUENCH,
  redirect: icmp.REDIRECT,
  echo_request: icmp.ECHO,
  time_exceeded: icmp.TIME_EXCEEDED,
  parameter_problem: icmp.PARAMETER_PROBLEM,
  parameterprob: icmp.PARAMETER_PROBLEM,
  timestamp_request: icmp.TIMESTAMP,
  timestamp_reply: icmp.TIMESTAMP_REPLY,
  info_request: icmp.INFO_REQUEST,
  info_reply: icmp.INFO_REPLY,
  address_request: icmp.MASK_REQUEST,
  address_reply: icmp.MASK_REPLY,
}
const CODES: readonly string[] = [
  'net_unreachable',
  'host_unreachable',
  'protocol_unreachable',
  'port_unreachable',
  'frag_needed',
  'source_route_failed',
  'net_unknown',
  'host_unknown',
  'source_host_isolated',
  'net_prohibited',
  'host_prohibited',
  'net_unreachable_for_tos',
  'host_unreachable_for_tos',
  'packet_filtered',
  'precedence_violation',
  'precedence_cutoff',
]

/** The number of a type. */
export function icmpType(name: string): number {
  const type = name.startsWith('type_') ? Number(name.slice(5)) : TYPES[name]
  if (type === undefined) throw new Unsupported(`ICMP type ${name}`)
  return type
}

/** The number of a code; 0 if none was given. */
export function icmpCode(name: string): number {
  if (name === '') return 0
  const code = name.startsWith('code_') ? Number(name.slice(5)) : CODES.indexOf(name)
  if (code < 0) throw new Unsupported(`ICMP code ${name}`)
  return code
}
