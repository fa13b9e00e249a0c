/**
 * Which sockets exist: address families, and for AF_INET types and protocols, with the errors of __sock_create and
 * inet_create for everything else (socket(2)). Families and protocols are added by registering them.
 */

import { AF_INET, AF_PACKET } from '../sock/address.ts'
import { IPPROTO_IP, IPPROTO_MAX, SOCK_MAX, SOCK_PACKET } from '../sock/constants.ts'
import type { Sock } from '../sock/sock.ts'
import { EAFNOSUPPORT, EINVAL, EPROTONOSUPPORT, ESOCKTNOSUPPORT } from '../sys/errno.ts'
import type { Credentials } from './credentials.ts'
import { AF_MAX } from './family-names.ts'

/** Makes a socket of a family: it, or -errno. `type` is without SOCK_NONBLOCK and SOCK_CLOEXEC. */
export type CreateSocket = (type: number, protocol: number, credentials: Credentials) => Sock | number

/** The families of one host. */
export class Families {
  readonly #create: Map<number, CreateSocket> = new Map()

  register(family: number, create: CreateSocket): void {
    this.#create.set(family, create)
  }

  /** socket(2) without the descriptor (__sock_create). */
  create(family: number, type: number, protocol: number, credentials: Credentials): Sock | number {
    if (!(family >= 0 && family < AF_MAX)) return -EAFNOSUPPORT
    if (!(type >= 0 && type < SOCK_MAX)) return -EINVAL
    // As old as AF_PACKET's predecessor (__sock_create).
    const create = this.#create.get(family === AF_INET && type === SOCK_PACKET ? AF_PACKET : family)
    if (create === undefined) return -EAFNOSUPPORT
    const sock = create(type, protocol, credentials)
    if (typeof sock !== 'number') {
      sock.uid = credentials.euid
      sock.caller = credentials
    }
    return sock
  }
}

/** One row of AF_INET's table (struct inet_protosw); `protocol` IPPROTO_IP takes any. */
interface InetProtocol {
  readonly type: number
  readonly protocol: number
  readonly create: (protocol: number, credentials: Credentials) => Sock | number
}

/** AF_INET: register it with `families.register(AF_INET, inet.create)`. */
export class InetFamily {
  readonly #rows: InetProtocol[] = []

  /** Sockets of `type` with `protocol` are made by `create` from now on; a second `create` for the same replaces the first. */
  register(type: number, protocol: number, create: InetProtocol['create']): void {
    const at = this.#rows.findIndex((row) => row.type === type && row.protocol === protocol)
    const row = { type, protocol, create }
    if (at >= 0) this.#rows[at] = row
    else this.#rows.push(row)
  }

  /** inet_create: protocol 0 is the first of the type; IPPROTO_IP as a row takes any protocol but 0. */
  readonly create: CreateSocket = (type, protocol, credentials) => {
    if (!(protocol >= 0 && protocol < IPPROTO_MAX)) return -EINVAL
    let isTypeKnown = false
    for (const row of this.#rows) {
      if (row.type !== type) continue
      isTypeKnown = true
      const isMatch =
        protocol === row.protocol ? protocol !== IPPROTO_IP : protocol === IPPROTO_IP || row.protocol === IPPROTO_IP
      if (isMatch) return row.create(protocol === IPPROTO_IP ? row.protocol : protocol, credentials)
    }
    return isTypeKnown ? -EPROTONOSUPPORT : -ESOCKTNOSUPPORT
  }
}
