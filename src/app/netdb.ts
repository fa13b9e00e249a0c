/** Names and numbers of netdb.h: flags and errors of getaddrinfo(3) and getnameinfo(3), with glibc's values. */
import type { AddressIn } from '../socket/address-value.ts'

// Flags of getaddrinfo(3).
// Flags of getaddrinfo(3).
export const AI_PASSIVE = 0x1
export const AI_CANONNAME = 0x2
export const AI_NUMERICHOST = 0x4
export const AI_V4MAPPED = 0x8
export const AI_ALL = 0x10
export const AI_ADDRCONFIG = 0x20
export const AI_NUMERICSERV = 0x400
/** What counts when no hints are given. */
export const AI_DEFAULT: number = AI_V4MAPPED | AI_ADDRCONFIG

// Flags of getnameinfo(3).
export const NI_NUMERICHOST = 1
export const NI_NUMERICSERV = 2
export const NI_NOFQDN = 4
export const NI_NAMEREQD = 8
export const NI_DGRAM = 16

// Errors of both.
export const EAI_BADFLAGS = -1
export const EAI_NONAME = -2
export const EAI_AGAIN = -3
export const EAI_FAIL = -4
export const EAI_NODATA = -5
export const EAI_FAMILY = -6
export const EAI_SOCKTYPE = -7
export const EAI_SERVICE = -8
export const EAI_ADDRFAMILY = -9
export const EAI_SYSTEM = -11

const ERRORS: Readonly<Record<number, readonly [name: string, text: string]>> = {
  [EAI_BADFLAGS]: ['EAI_BADFLAGS', 'Bad value for ai_flags'],
  [EAI_NONAME]: ['EAI_NONAME', 'Name or service not known'],
  [EAI_AGAIN]: ['EAI_AGAIN', 'Temporary failure in name resolution'],
  [EAI_FAIL]: ['EAI_FAIL', 'Non-recoverable failure in name resolution'],
  [EAI_NODATA]: ['EAI_NODATA', 'No address associated with hostname'],
  [EAI_FAMILY]: ['EAI_FAMILY', 'ai_family not supported'],
  [EAI_SOCKTYPE]: ['EAI_SOCKTYPE', 'ai_socktype not supported'],
  [EAI_SERVICE]: ['EAI_SERVICE', 'Servname not supported for ai_socktype'],
  [EAI_ADDRFAMILY]: ['EAI_ADDRFAMILY', 'Address family for hostname not supported'],
  [EAI_SYSTEM]: ['EAI_SYSTEM', 'System error'],
}

/** gai_strerror(3). */
export const gai_strerror = (errcode: number): string => ERRORS[errcode]?.[1] ?? 'Unknown error'

/** What getaddrinfo and getnameinfo throw: `code` is the name of an EAI_ constant, `errcode` its number. */
export class GaiError extends Error {
  readonly code: string
  readonly errcode: number

  constructor(call: string, errcode: number, about?: string) {
    const code = ERRORS[errcode]?.[0] ?? `EAI${errcode}`
    super(`${call} ${code}${about === undefined ? '' : ` ${about}`}: ${gai_strerror(errcode)}`)
    this.name = 'GaiError'
    this.code = code
    this.errcode = errcode
  }
}

/** What getaddrinfo is to look for (struct addrinfo as hints); absent fields are 0. */
export interface AddrInfoHints {
  readonly flags?: number
  readonly family?: number
  readonly socktype?: number
  readonly protocol?: number
}

/** One answer of getaddrinfo: what to give to socket, and to connect or bind. */
export interface AddrInfo {
  readonly flags: number
  readonly family: number
  readonly socktype: number
  readonly protocol: number
  readonly addr: AddressIn & { readonly family: number; readonly address: string; readonly port: number }
  /** Of the first answer, with AI_CANONNAME. */
  readonly canonname?: string
}

/** An address as the resolver keeps it: four or sixteen bytes. */
export interface HostAddress {
  readonly family: number
  readonly bytes: Uint8Array
  /** Index of the interface of a link-local IPv6 address. */
  readonly scopeId?: number
}
