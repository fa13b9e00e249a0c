/** What a packet socket asked interfaces to take in (struct packet_mclist): everything, all multicasts, or some addresses. */
import { NETDEV_CHANGE } from '../stack/changes.ts'
import { IFF_ALLMULTI, IFF_PROMISC } from '../stack/device.ts'
import type { Interface } from '../stack/interface.ts'
import type { Stack } from '../stack/stack.ts'
import { EINVAL, ENOBUFS, ENODEV } from '../sys/errno.ts'
import { get16, get32 } from '../wire/bytes.ts'
import { PACKET_MR_ALLMULTI, PACKET_MR_MULTICAST, PACKET_MR_PROMISC, PACKET_MR_UNICAST } from './constants.ts'

/** Memberships a socket may have; Linux knows no limit but memory (optmem_max). */
export const MAX_MEMBERSHIPS = 256

/** struct packet_mreq. */
export interface PacketMreq {
  readonly ifindex: number
  readonly type: number
  readonly alen: number
  /** Eight bytes. */
  readonly address: Uint8Array
}

interface Membership {
  readonly request: PacketMreq
  count: number
}

export class Memberships {
  readonly #stack: Stack
  #list: Membership[] = []

  constructor(stack: Stack) {
    this.#stack = stack
  }

  /** PACKET_ADD_MEMBERSHIP (packet_mc_add): 0, -ENODEV, -EINVAL or -ENOBUFS. */
  add(request: PacketMreq): number {
    const at = this.#stack.interfaceByIndex(request.ifindex)
    if (at === undefined) return -ENODEV
    const isAddress = request.type === PACKET_MR_MULTICAST || request.type === PACKET_MR_UNICAST
    if (request.alen > addressLength(at)) return -EINVAL
    const known = this.#find(request)
    if (known !== undefined) {
      known.count++
      return 0
    }
    if (isAddress && request.alen !== addressLength(at)) return -EINVAL
    if (this.#list.length >= MAX_MEMBERSHIPS) return -ENOBUFS
    this.#list.push({ request, count: 1 })
    apply(at, request, 1)
    return 0
  }

  /** PACKET_DROP_MEMBERSHIP (packet_mc_drop): 0 also for one there is not. */
  drop(request: PacketMreq): number {
    const known = this.#find(request)
    if (known === undefined || --known.count > 0) return 0
    this.#list.splice(this.#list.indexOf(known), 1)
    this.#leave(known)
    return 0
  }

  /** The socket is closed. */
  dropAll(): void {
    for (const each of this.#list) this.#leave(each)
    this.#list = []
  }

  /** The interface is gone, and what was asked of it. */
  forget(at: Interface): void {
    this.#list = this.#list.filter((each) => each.request.ifindex !== at.index)
  }

  #leave(gone: Membership): void {
    const at = this.#stack.interfaceByIndex(gone.request.ifindex)
    if (at !== undefined) apply(at, gone.request, -1)
  }

  #find(wanted: PacketMreq): Membership | undefined {
    return this.#list.find(
      ({ request: r }) =>
        r.ifindex === wanted.ifindex &&
        r.type === wanted.type &&
        r.alen === wanted.alen &&
        r.address.every((byte, i) => i >= r.alen || byte === wanted.address[i]),
    )
  }
}

const addressLength = (at: Interface): number => (at.headerLength > 0 ? at.mac.length : 0)

/** packet_dev_mc: types nobody knows are accepted and mean nothing. */
function apply(at: Interface, { type, address }: PacketMreq, by: 1 | -1): void {
  if (type === PACKET_MR_PROMISC) {
    at.promiscuity += by
    at.stack.changes.link(at, NETDEV_CHANGE, IFF_PROMISC)
  } else if (type === PACKET_MR_ALLMULTI) {
    at.allmulti += by
    at.stack.changes.link(at, NETDEV_CHANGE, IFF_ALLMULTI)
  } else if (type === PACKET_MR_MULTICAST || type === PACKET_MR_UNICAST) {
    const key = get16(address, 0) * 0x100000000 + (get32(address, 2) >>> 0)
    const count = (at.hardwareFilter.get(key) ?? 0) + by
    if (count > 0) at.hardwareFilter.set(key, count)
    else at.hardwareFilter.delete(key)
  }
}
