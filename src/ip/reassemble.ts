/**
 * Reassembly, RFC 791 §3.2 and RFC 815, with the overlap rule of RFC 5722 that Linux applies to IPv4 too
 * (net/ipv4/ip_fragment.c, inet_fragment.c): an overlap discards the datagram, a repeated fragment is ignored. Memory
 * is bounded by `ipfrag_high_thresh`, time by `ipfrag_time`.
 */
import { CSUM_NONE, MAX_FRAGS, type Packet } from '../buf/packet.ts'
import type { Interface } from '../stack/interface.ts'
import type { Stack } from '../stack/stack.ts'
import { type Micros, Timer } from '../sys/clock.ts'
import { HalfSipHash } from '../sys/siphash.ts'
import * as icmp from '../wire/icmpv4.ts'
import * as wire from '../wire/ipv4.ts'
import type { Icmp } from './icmp.ts'

/** Accounted per queue and per fragment beside its buffer, in bytes (sizeof struct ipq, struct sk_buff). */
const QUEUE_OVERHEAD = 200
const PACKET_OVERHEAD = 256

/** One incomplete datagram (struct ipq). */
class Incomplete {
  readonly key: number
  readonly saddr: number
  readonly daddr: number
  /** Identification and protocol in one word. */
  readonly ident: number
  readonly interface: Interface
  readonly expires: Micros
  /** Fragments by offset, without overlaps; `ends[i]` is the byte behind `packets[i]`. */
  readonly packets: Packet[] = []
  readonly offsets: number[] = []
  readonly ends: number[] = []
  /** Payload bytes present. */
  meat = 0
  /** Highest byte known of; the length once the last fragment is here. */
  length = 0
  hasLast = false
  memory: number = QUEUE_OVERHEAD
  /** ECN codepoints seen, one bit each. */
  ecn = 0
  /** Others with the same hash; neighbours in order of age. */
  chain: Incomplete | null = null
  older: Incomplete | null = null
  newer: Incomplete | null = null

  constructor(key: number, packet: Packet, expires: Micros) {
    this.key = key
    this.saddr = packet.saddr
    this.daddr = packet.daddr
    this.ident = identOf(packet)
    this.interface = packet.interface as Interface
    this.expires = expires
  }

  isFor(packet: Packet): boolean {
    return (
      this.saddr === packet.saddr &&
      this.daddr === packet.daddr &&
      this.ident === identOf(packet) &&
      this.interface === packet.interface
    )
  }

  /** Index of the first fragment that ends behind `offset`. */
  indexOf(offset: number): number {
    let low = 0
    let high = this.ends.length
    // Almost always the next one in order.
    if (high === 0 || (this.ends[high - 1] as number) <= offset) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.ends[middle] as number) <= offset) low = middle + 1
      else high = middle
    }
    return low
  }

  /** True if fragments from index `i` on cover [offset, end) without a gap. */
  isCovered(i: number, offset: number, end: number): boolean {
    for (let at = offset; at < end; i++) {
      if (i >= this.offsets.length || (this.offsets[i] as number) > at) return false
      at = this.ends[i] as number
    }
    return true
  }
}

const identOf = (packet: Packet): number => (wire.id(packet.bytes, packet.l3) << 8) | packet.protocol

/** What `insert` found. */
const INSERTED = 0
const DUPLICATE = 1
const OVERLAP = 2
const CONTRADICTION = 3
const TOO_LONG = 4
const REASONS: readonly string[] = ['', 'duplicate', 'overlap', 'contradiction', 'too-long']

/** Every queue lives equally long, so that one timer for the oldest is enough. */
class ExpiryTimer extends Timer {
  readonly #of: Reassembler
  constructor(of: Reassembler) {
    super()
    this.#of = of
  }
  override fire(now: Micros): void {
    this.#of.expire(now)
  }
}

export class Reassembler {
  readonly #stack: Stack
  readonly #icmp: () => Icmp
  readonly #hash: HalfSipHash
  readonly #table: Map<number, Incomplete> = new Map()
  readonly #timer: ExpiryTimer = new ExpiryTimer(this)
  #oldest: Incomplete | null = null
  #newest: Incomplete | null = null
  /** Bytes held, overhead included, and datagrams that are incomplete. */
  memory = 0
  queues = 0

  constructor(ip: { readonly stack: Stack; readonly icmp: Icmp }) {
    this.#stack = ip.stack
    this.#icmp = () => ip.icmp
    this.#hash = new HalfSipHash(ip.stack.random)
  }

  /** Takes a fragment, `start` and `l3` at its IP header; gives the whole datagram if this completed it. */
  add(packet: Packet): Packet | null {
    const { sysctl } = this.#stack
    if (this.memory > sysctl.ipfrag_high_thresh) this.#evict(sysctl.ipfrag_low_thresh)
    const queue = this.#find(packet)
    const verdict = insert(queue, packet)
    if (verdict === INSERTED) {
      const cost = packet.bytes.length + PACKET_OVERHEAD
      queue.memory += cost
      this.memory += cost
      return queue.hasLast && queue.meat === queue.length ? this.#complete(queue) : null
    }
    const { counters } = this.#stack
    if (verdict !== DUPLICATE) {
      // RFC 5722 §4: the whole datagram is given up, and what else comes of it starts anew.
      if (verdict === OVERLAP) counters.IpExtReasmOverlaps++
      counters.IpReasmFails++
      this.#discard(queue, `ipv4.fragment-${REASONS[verdict]}`)
    }
    this.#stack.drop(packet, `ipv4.fragment-${REASONS[verdict]}`)
    return null
  }

  #find(packet: Packet): Incomplete {
    const at = packet.interface as Interface
    const key = this.#hash.hash4(packet.saddr, packet.daddr, identOf(packet), at.index)
    const first = this.#table.get(key) ?? null
    for (let queue = first; queue !== null; queue = queue.chain) if (queue.isFor(packet)) return queue
    const { clock, sysctl } = this.#stack
    const made = new Incomplete(key, packet, clock.now() + sysctl.ipfrag_time * 1_000_000)
    made.chain = first
    this.#table.set(key, made)
    made.older = this.#newest
    if (this.#newest === null) {
      this.#oldest = made
      clock.start(this.#timer, made.expires)
    } else this.#newest.newer = made
    this.#newest = made
    this.memory += QUEUE_OVERHEAD
    this.queues++
    return made
  }

  #remove(queue: Incomplete): void {
    const first = this.#table.get(queue.key) as Incomplete
    if (first !== queue) {
      let before = first
      while (before.chain !== queue) before = before.chain as Incomplete
      before.chain = queue.chain
    } else if (queue.chain === null) this.#table.delete(queue.key)
    else this.#table.set(queue.key, queue.chain)
    if (queue.older === null) this.#oldest = queue.newer
    else queue.older.newer = queue.newer
    if (queue.newer === null) this.#newest = queue.older
    else queue.newer.older = queue.older
    this.memory -= queue.memory
    this.queues--
    if (this.#oldest === null) this.#stack.clock.stop(this.#timer)
  }

  #discard(queue: Incomplete, reason: string): void {
    this.#remove(queue)
    for (const packet of queue.packets) this.#stack.drop(packet, reason)
  }

  /** Over the limit: the oldest datagrams go, down to `target` bytes. */
  #evict(target: number): void {
    while (this.memory > target && this.#oldest !== null) {
      this.#stack.counters.IpReasmFails++
      this.#discard(this.#oldest, 'ipv4.fragment-memory')
    }
  }

  /** Drops every incomplete datagram. */
  close(): void {
    while (this.#oldest !== null) this.#discard(this.#oldest, 'ipv4.fragment-closed')
    this.#stack.clock.remove(this.#timer)
  }

  /** ip_expire: time is up for the oldest; who sent the first fragment is told (RFC 792, RFC 1122 §3.3.2). */
  expire(now: Micros): void {
    const { counters, clock } = this.#stack
    for (let queue = this.#oldest; queue !== null && queue.expires <= now; queue = this.#oldest) {
      counters.IpReasmTimeout++
      counters.IpReasmFails++
      const first = queue.packets[0]
      if (first !== undefined && queue.offsets[0] === 0) {
        first.start = first.l3
        this.#icmp().send(icmp.TIME_EXCEEDED, icmp.REASSEMBLY_EXCEEDED, 0, first)
      }
      this.#discard(queue, 'ipv4.fragment-timeout')
    }
    if (this.#oldest !== null) clock.start(this.#timer, this.#oldest.expires)
  }

  /** ip_frag_reasm: one packet, the header of the first fragment, the payload of all. */
  #complete(queue: Incomplete): Packet | null {
    this.#remove(queue)
    const { counters } = this.#stack
    const head = queue.packets[0] as Packet
    const headerLen = head.l4 - head.l3
    const ecn = combineEcn(queue.ecn)
    if (ecn < 0 || queue.length + headerLen > wire.MAX_LEN) {
      counters.IpReasmFails++
      for (const packet of queue.packets) this.#stack.drop(packet, 'ipv4.fragment-ecn')
      return null
    }
    let slices = head.fragCount
    for (let i = 1; i < queue.packets.length; i++) slices += (queue.packets[i] as Packet).fragCount + 1
    if (slices > MAX_FRAGS) gather(queue, head)
    else share(queue, head)
    head.csum = CSUM_NONE
    // The first fragment was cut to its payload; its header is still in front of it.
    head.unshare()
    head.start = head.l3
    wire.setTotalLength(head.bytes, head.l3, queue.length + headerLen)
    wire.setFragmentWord(head.bytes, head.l3, 0)
    if (ecn > 0) wire.setTos(head.bytes, head.l3, wire.tos(head.bytes, head.l3) | ecn)
    wire.fillChecksum(head.bytes, head.l3)
    counters.IpReasmOKs++
    return head
  }
}

/** Puts a fragment in its place (ip_frag_queue). The packet is cut to its payload. */
function insert(queue: Incomplete, packet: Packet): number {
  const word = wire.fragmentWord(packet.bytes, packet.l3)
  const offset = (word & wire.OFFSET_MASK) << 3
  const headerLen = packet.l4 - packet.l3
  let length = packet.length - headerLen
  // RFC 791: all but the last are multiples of eight; Linux cuts what is over.
  if ((word & wire.MF) !== 0) length &= ~7
  const end = offset + length
  if (length <= 0) return CONTRADICTION
  // "Ping of death".
  if (end + headerLen > wire.MAX_LEN) return TOO_LONG
  if ((word & wire.MF) === 0) {
    if (end < queue.length || (queue.hasLast && end !== queue.length)) return CONTRADICTION
  } else if (end > queue.length && queue.hasLast) return CONTRADICTION
  const at = queue.indexOf(offset)
  if (at < queue.offsets.length && (queue.offsets[at] as number) < end) {
    return queue.isCovered(at, offset, end) ? DUPLICATE : OVERLAP
  }
  if ((word & wire.MF) === 0) queue.hasLast = true
  if (end > queue.length) queue.length = end
  packet.start = packet.l4
  packet.trimTo(length)
  queue.meat += length
  queue.ecn |= 1 << (wire.tos(packet.bytes, packet.l3) & wire.ECN_MASK)
  if (at === queue.offsets.length) {
    queue.packets.push(packet)
    queue.offsets.push(offset)
    queue.ends.push(end)
  } else {
    queue.packets.splice(at, 0, packet)
    queue.offsets.splice(at, 0, offset)
    queue.ends.splice(at, 0, end)
  }
  return INSERTED
}

/**
 * RFC 3168 §5.3: CE if any fragment has it; not-ECT mixed with an ECN codepoint is an error. -1 then, else bits to add.
 * As ip_frag_ecn_table: CE with not-ECT drops, so does it in Linux.
 */
function combineEcn(seen: number): number {
  const notEct = (seen & (1 << wire.ECN_NOT_ECT)) !== 0
  const ce = (seen & (1 << wire.ECN_CE)) !== 0
  if (ce && notEct) return -1
  return ce ? wire.ECN_CE : 0
}

/** Appends the payload of the later fragments to `head` as slices. */
function share(queue: Incomplete, head: Packet): void {
  for (let i = 1; i < queue.packets.length; i++) {
    const packet = queue.packets[i] as Packet
    packet.shareInto(head, 0, packet.length)
    packet.release()
  }
}

/** As `share`, where there are more fragments than slices in a packet: copied into one piece. */
function gather(queue: Incomplete, head: Packet): void {
  const from = head.length
  const page = head.pool.takeChunk(queue.length - from)
  let at = 0
  for (let i = 1; i < queue.packets.length; i++) {
    const packet = queue.packets[i] as Packet
    const length = packet.length
    packet.copyTo(page.bytes, at, 0, length)
    at += length
    packet.release()
  }
  if (head.fragCount === MAX_FRAGS) head.pullUp(head.length)
  head.addFrag(page, 0, at)
  page.unref()
}
