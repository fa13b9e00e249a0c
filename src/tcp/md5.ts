/**
 * Signed segments (RFC 2385, TCP_MD5SIG): with a key for a peer each segment to it carries an MD5 digest of pseudo-header,
 * header without options, payload and key; one from it that does not is dropped and counted (tcp_inbound_hash).
 */
import { inNetwork, mask } from '../addr/ip4.ts'
import type { Chunk, Packet } from '../buf/packet.ts'
import { AF_INET } from '../sock/address.ts'
import { EINVAL, ENOENT } from '../sys/errno.ts'
import { MD5_SIZE, Md5 } from '../sys/md5.ts'
import { put16, put32 } from '../wire/bytes.ts'
import { HDR_LEN } from '../wire/tcp.ts'

/** Bytes of the option with its padding: NOP, NOP, kind, length, digest. */
export const MD5_OPTION = 20
/** Where in the options the digest is: it always comes first. */
const DIGEST_AT = 4
/** TCP_MD5SIG_MAXKEYLEN. */
const MAX_KEY = 80
const TCP_MD5SIG_FLAG_PREFIX = 1
const TCP_MD5SIG_FLAG_IFINDEX = 2
/** struct tcp_md5sig: sockaddr_storage, flags, prefix length, key length, interface, key. */
const SIZE = 216
const FLAGS_AT = 128
const PREFIX_AT = 129
const KEY_LENGTH_AT = 130
const IFINDEX_AT = 132
const KEY_AT = 136
const PSEUDO = 12

export interface Md5Key {
  readonly address: number
  readonly prefix: number
  readonly key: Uint8Array
}

/** The keys of a socket, never changed, only replaced: those accepted from a listener share its. */
export class Md5Keys {
  readonly #keys: readonly Md5Key[]

  constructor(keys: readonly Md5Key[]) {
    this.#keys = keys
  }

  /** The key for a peer: that of the longest prefix. */
  find(remote: number): Md5Key | null {
    let best: Md5Key | null = null
    for (const key of this.#keys)
      if (inNetwork(remote, key.address, key.prefix) && (best === null || key.prefix > best.prefix)) best = key
    return best
  }

  /** With `key` in the place of the one for the same prefix; with none there if it is empty. */
  with(key: Md5Key): Md5Keys | null {
    const others = this.#keys.filter((k) => k.prefix !== key.prefix || k.address !== key.address)
    if (key.key.length > 0) return new Md5Keys([...others, key])
    if (others.length === this.#keys.length) return null
    return new Md5Keys(others)
  }

  get isEmpty(): boolean {
    return this.#keys.length === 0
  }
}

/**
 * setsockopt(TCP_MD5SIG) and TCP_MD5SIG_EXT with a struct tcp_md5sig (tcp_v4_parse_md5_keys): the new keys, null for none,
 * -EINVAL, or -ENOENT for a key to be deleted that is not there.
 */
export function changeKeys(keys: Md5Keys | null, value: Uint8Array, isExtended: boolean): Md5Keys | null | number {
  if (value.length < SIZE) return -EINVAL
  const view = new DataView(value.buffer, value.byteOffset, SIZE)
  if (view.getUint16(0, true) !== AF_INET) return -EINVAL
  const flags = isExtended ? view.getUint8(FLAGS_AT) : 0
  const prefix = (flags & TCP_MD5SIG_FLAG_PREFIX) !== 0 ? view.getUint8(PREFIX_AT) : 32
  const length = view.getUint16(KEY_LENGTH_AT, true)
  // There are no layer 3 master devices (VRF) to bind a key to.
  if ((flags & TCP_MD5SIG_FLAG_IFINDEX) !== 0 && view.getInt32(IFINDEX_AT, true) !== 0) return -EINVAL
  if (prefix > 32 || length > MAX_KEY) return -EINVAL
  const key = { address: view.getInt32(4) & mask(prefix), prefix, key: value.slice(KEY_AT, KEY_AT + length) }
  const changed = (keys ?? new Md5Keys([])).with(key)
  if (changed === null) return -ENOENT
  return changed.isEmpty ? null : changed
}

/** Makes and checks signatures; one a host. */
export class Signer {
  readonly #md5: Md5 = new Md5()
  /** Pseudo-header and TCP header. */
  readonly #head: Uint8Array = new Uint8Array(PSEUDO + HDR_LEN)
  readonly #digest: Uint8Array = new Uint8Array(MD5_SIZE)

  /** Writes the signature into a segment that is complete but for its checksum, its TCP header at `at` = `packet.start`. */
  sign(key: Md5Key, packet: Packet, at: number, source: number, destination: number): void {
    this.#begin(packet.bytes, at, packet.length, source, destination)
    const header = ((packet.bytes[at + 12] as number) >> 4) * 4
    this.#payload(packet, at + header)
    this.#end(key, packet.bytes, at + HDR_LEN + DIGEST_AT)
  }

  /** Is `digest` that of the received segment, whose payload begins at `packet.start`? */
  verify(key: Md5Key, packet: Packet, digest: number): boolean {
    const header = packet.start - packet.l4
    this.#begin(packet.bytes, packet.l4, header + packet.length, packet.saddr, packet.daddr)
    this.#payload(packet, packet.start)
    this.#end(key, this.#digest, 0)
    let difference = 0
    for (let i = 0; i < MD5_SIZE; i++) difference |= (this.#digest[i] as number) ^ (packet.bytes[digest + i] as number)
    return difference === 0
  }

  #begin(b: Uint8Array, at: number, length: number, source: number, destination: number): void {
    const head = this.#head
    put32(head, 0, source)
    put32(head, 4, destination)
    put16(head, 8, 6)
    put16(head, 10, length)
    for (let i = 0; i < HDR_LEN; i++) head[PSEUDO + i] = b[at + i] as number
    put16(head, PSEUDO + 16, 0)
    this.#md5.begin()
    this.#md5.update(head, 0, head.length)
  }

  #payload(packet: Packet, from: number): void {
    this.#md5.update(packet.bytes, from, packet.end - from)
    for (let i = 0; i < packet.fragCount; i++) {
      const { bytes } = packet.fragChunk[i] as Chunk
      this.#md5.update(bytes, packet.fragOffset[i] as number, packet.fragLength[i] as number)
    }
  }

  #end(key: Md5Key, into: Uint8Array, offset: number): void {
    this.#md5.update(key.key, 0, key.key.length)
    this.#md5.digest(into, offset)
  }
}
