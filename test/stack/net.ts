/** Hosts made of bare stacks for the tests of this folder and of test/ip: joined by cables, in virtual time. */

import * as ip4 from '../../src/addr/ip4.ts'
import type { Packet } from '../../src/buf/packet.ts'
import { PacketPool } from '../../src/buf/pool.ts'
import type { Transport } from '../../src/ip/transport.ts'
import { type CableOptions, cable } from '../../src/link/cable.ts'
import type { Link, Medium } from '../../src/link/link.ts'
import { F_ALL } from '../../src/link/link.ts'
import type { Interface } from '../../src/stack/interface.ts'
import { Stack } from '../../src/stack/stack.ts'
import { Random } from '../../src/sys/random.ts'
import { Sysctls } from '../../src/sys/sysctl.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import * as arp from '../../src/wire/arp.ts'
import * as checksum from '../../src/wire/checksum.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as icmp from '../../src/wire/icmpv4.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'

export const SECOND = 1_000_000
export const ip = (text: string): number => ip4.parse(text) as number

/** A clock, a pool, and hosts on it. */
export class Net {
  readonly clock: VirtualClock = new VirtualClock()
  readonly pool: PacketPool = new PacketPool()
  /** Drop reasons by host, in order. */
  readonly drops: string[] = []
  #seed = 1

  host(name: string, sysctl: Partial<Sysctls> = {}): Stack {
    const stack = new Stack({
      name,
      clock: this.clock,
      random: new Random(this.#seed++),
      pool: this.pool,
      sysctl: Object.assign(new Sysctls(), sysctl),
    })
    stack.trace.drop = (_packet, reason, where) => this.drops.push(`${where} ${reason}`)
    return stack
  }

  /** Joins two hosts; returns their interfaces. */
  join(a: Stack, aCidr: string, b: Stack, bCidr: string, options: CableOptions = {}): [Interface, Interface] {
    const [x, y] = cable(this.clock, options)
    return [
      a.addInterface(`eth${a.interfaces.length - 1}`, x, { addresses: [aCidr] }),
      b.addInterface(`eth${b.interfaces.length - 1}`, y, { addresses: [bCidr] }),
    ]
  }

  /** Gives a host an interface whose other end the test holds. */
  wire(stack: Stack, cidr: string, medium: Medium = 'ethernet', mtu = 1500, features: number = F_ALL): Wire {
    const wire = new Wire(this, medium, mtu, features)
    wire.at(stack.addInterface(`eth${stack.interfaces.length - 1}`, wire, { addresses: cidr === '' ? [] : [cidr] }))
    return wire
  }

  run(seconds: number): void {
    this.clock.runUntilSync(this.clock.now() + seconds * SECOND)
  }
}

/** The hardware address of whoever the test pretends to be. */
export const PEER_MAC: Uint8Array = Uint8Array.of(2, 0, 0, 0, 0, 0x99)

/** A link whose other end is the test: frames in and out as bytes. */
export class Wire implements Link {
  readonly medium: Medium
  readonly mtu: number
  readonly features: number
  readonly net: Net
  /** Frames the host sent, copied. */
  readonly sent: Uint8Array[] = []
  readonly times: number[] = []
  interface!: Interface
  #receive: ((packet: Packet) => void) | undefined

  constructor(net: Net, medium: Medium, mtu: number, features: number) {
    this.net = net
    this.medium = medium
    this.mtu = mtu
    this.features = features
  }

  at(of: Interface): void {
    this.interface = of
  }
  send(packet: Packet): boolean {
    this.sent.push(packet.toBytes())
    this.times.push(this.net.clock.now())
    packet.release()
    return true
  }
  attach(receive: ((packet: Packet) => void) | undefined): void {
    this.#receive = receive
  }
  close(): void {}

  /** A frame arrives at the host, and what it causes now happens. */
  deliver(frame: Uint8Array): void {
    this.#receive?.(this.net.pool.fromBytes(frame))
    this.net.clock.settle()
  }

  /** The frames sent since the last call. */
  take(): Uint8Array[] {
    this.times.length = 0
    return this.sent.splice(0)
  }

  /** The IP packets among them, without Ethernet header. */
  takeIp(): Uint8Array[] {
    const strip = this.medium === 'ethernet' ? 14 : 0
    return this.take()
      .filter((f) => strip === 0 || ethernet.etherType(f, 0) === ethernet.TYPE_IPV4)
      .map((f) => f.subarray(strip))
  }

  /** The ARP packets among them. */
  takeArp(): arp.Repr[] {
    return this.take()
      .filter((f) => ethernet.etherType(f, 0) === ethernet.TYPE_ARP)
      .map((f) => arp.parse(f, 14))
  }

  /** Delivers an IP packet from PEER_MAC to the host's own hardware address, or to `to`. */
  ip(packet: Uint8Array, to: Uint8Array = this.interface.mac): void {
    if (this.medium === 'ip') {
      this.deliver(packet)
      return
    }
    this.deliver(frame(to, PEER_MAC, ethernet.TYPE_IPV4, packet))
  }

  /** Delivers an ARP packet. */
  arp(
    operation: number,
    sender: string,
    target: string,
    options: { mac?: Uint8Array; to?: Uint8Array; tha?: Uint8Array } = {},
  ): void {
    const mac = options.mac ?? PEER_MAC
    const to = options.to ?? (operation === arp.OP_REPLY ? this.interface.mac : new Uint8Array(6).fill(255))
    const body = new Uint8Array(28)
    arp.emit(
      body,
      0,
      operation,
      mac,
      ip(sender),
      options.tha ?? (operation === arp.OP_REPLY ? this.interface.mac : new Uint8Array(6)),
      ip(target),
    )
    this.deliver(frame(to, mac, ethernet.TYPE_ARP, body))
  }

  /** Makes `address` a known neighbour at PEER_MAC, so that what is sent next is not ARP. */
  know(address: string): void {
    this.interface.stack.arp.addPermanent(this.interface, ip(address), PEER_MAC)
  }
}

export function frame(dst: Uint8Array, src: Uint8Array, type: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(14 + body.length)
  ethernet.emit(bytes, 0, dst, src, type)
  bytes.set(body, 14)
  return bytes
}

export interface DatagramOptions {
  ttl?: number
  id?: number
  /** RF | DF | MF | offset / 8. */
  fragment?: number
  tos?: number
  options?: Uint8Array
}

/** An IPv4 packet as bytes. */
export function datagram(
  src: string,
  dst: string,
  protocol: number,
  payload: Uint8Array,
  o: DatagramOptions = {},
): Uint8Array {
  const options = o.options ?? new Uint8Array(0)
  const headerLen = 20 + options.length
  const bytes = new Uint8Array(headerLen + payload.length)
  bytes.set(options, 20)
  bytes.set(payload, headerLen)
  ipv4.emit(
    bytes,
    0,
    headerLen,
    o.tos ?? 0,
    bytes.length,
    o.id ?? 1,
    o.fragment ?? 0,
    o.ttl ?? 64,
    protocol,
    ip(src),
    ip(dst),
  )
  return bytes
}

/** An ICMP message as bytes. */
export function message(type: number, code: number, rest: number, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(8 + data.length)
  icmp.emit(bytes, 0, type, code, rest)
  bytes.set(data, 8)
  icmp.fillChecksum(bytes, 0, bytes.length)
  return bytes
}

/** `length` bytes that differ from place to place. */
export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >>> 8) * 7) & 255
  return bytes
}

/** A transport that keeps what it is given, as bytes; errors as tuples. */
export class Sink implements Transport {
  readonly received: { saddr: number; daddr: number; data: Uint8Array; csum: number }[] = []
  readonly errors: {
    type: number
    code: number
    errno: number
    fatal: boolean
    info: number
    saddr: number
    daddr: number
    quoted: Uint8Array
  }[] = []
  input(packet: Packet): void {
    this.received.push({ saddr: packet.saddr, daddr: packet.daddr, data: packet.toBytes(), csum: packet.csum })
    packet.release()
  }
  error(quoted: Packet, type: number, code: number, errno: number, fatal: boolean, info: number): void {
    this.errors.push({
      type,
      code,
      errno,
      fatal,
      info,
      saddr: quoted.saddr,
      daddr: quoted.daddr,
      quoted: quoted.toBytes(),
    })
  }
}

/** Sends `payload` as IP protocol `protocol` from a stack; the result of route or output. */
export function send(stack: Stack, to: string, protocol: number, payload: Uint8Array, df = false): number {
  const dst = stack.ipv4.route(ip(to), 0, 0)
  if (typeof dst === 'number') return dst
  const packet = stack.pool.allocHeader(payload.length)
  packet.bytes.set(payload, packet.put(payload.length))
  return stack.ipv4.output(packet, dst, dst.source, dst.destination, protocol, 64, 0, df)
}

/** True if header and ICMP checksums of an IP packet are right. */
export const isSound = (packet: Uint8Array): boolean =>
  ipv4.check(packet, 0, packet.length) &&
  ipv4.checksumOk(packet, 0) &&
  (ipv4.protocol(packet, 0) !== 1 ||
    ipv4.isFragment(packet, 0) ||
    checksum.fold(
      checksum.sumBytes(packet, ipv4.headerLength(packet, 0), packet.length - ipv4.headerLength(packet, 0), 0),
    ) === 0xffff)
