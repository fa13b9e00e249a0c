/**
 * A packet socket (struct packet_sock): frames as they pass an interface, with their link-layer header (SOCK_RAW) or without
 * (SOCK_DGRAM). Behaviour of packet(7) and net/packet/af_packet.c; rings in shared memory there are none.
 */
import * as mac from '../addr/mac.ts'
import { PACKET_HOST, PACKET_MULTICAST, PACKET_OTHERHOST, type Packet } from '../buf/packet.ts'
import { makeHeadroom } from '../ip/fragment.ts'
import { AF_PACKET, OFFSETOF_SLL_ADDR, SIZEOF_SOCKADDR_LL, type SockAddr } from '../sock/address.ts'
import { runFilter } from '../sock/bpf.ts'
import { MSG_DONTWAIT, MSG_ERRQUEUE, MSG_PEEK, MSG_TRUNC, SOCK_DGRAM } from '../sock/constants.ts'
import { DatagramSock, packetTruesize } from '../sock/datagram.ts'
import type { Message } from '../sock/message.ts'
import type { OptionResult, OptionValue } from '../sock/sock.ts'
import { POLLERR } from '../sock/wait-queue.ts'
import type { Interface } from '../stack/interface.ts'
import { EAGAIN, EINVAL, EMSGSIZE, ENETDOWN, ENODEV, ENXIO, EOPNOTSUPP } from '../sys/errno.ts'
import * as ethernet from '../wire/ethernet.ts'
import { auxdata } from './auxdata.ts'
import { ETH_P_802_2, ETH_P_802_3, ETH_P_ALL, PACKET_OUTGOING } from './constants.ts'
import { Memberships } from './membership.ts'
import { getPacketOption, setPacketOption } from './options.ts'
import type { PacketFamily } from './packet-family.ts'

const NOTHING: Uint8Array = mac.zero()
const KNOWN_FLAGS: number = MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_ERRQUEUE

export class PacketSock extends DatagramSock {
  readonly packets: PacketFamily
  /** The protocol it listens to, in host order (po->num), and the interface: 0 any, -1 one that is gone. */
  hookProtocol: number
  ifindex = 0
  /** Sees frames now; kept by the family. */
  isHooked = false
  ignoresOutgoing = false
  /** PACKET_AUXDATA, and the rest of the options that are only remembered. */
  wantsAuxdata = false
  readonly remembered: Map<number, number> = new Map()
  /** Since PACKET_STATISTICS was read last. */
  packetsSeen = 0
  packetsDropped = 0
  readonly memberships: Memberships

  constructor(packets: PacketFamily, type: number, hookProtocol: number) {
    super(packets.stack, AF_PACKET, type, 0)
    this.packets = packets
    this.hookProtocol = hookProtocol
    this.memberships = new Memberships(packets.stack)
  }

  override close(): void {
    this.packets.unhook(this)
    this.packets.sockets.delete(this)
    this.memberships.dropAll()
    super.close()
  }

  /** packet_do_bind: 0, -EINVAL or -ENODEV. */
  override bind(to: SockAddr): number {
    if (to.length < SIZEOF_SOCKADDR_LL || to.family !== AF_PACKET) return -EINVAL
    const ifindex = to.link?.ifindex ?? 0
    const at = this.stack.interfaceByIndex(ifindex)
    return ifindex !== 0 && at === undefined ? -ENODEV : this.#bindTo(at, to.port)
  }

  #bindTo(at: Interface | undefined, wanted: number): number {
    const protocol = wanted === 0 ? this.hookProtocol : wanted
    const ifindex = at?.index ?? 0
    if (protocol !== this.hookProtocol || ifindex !== this.ifindex) {
      this.packets.unhook(this)
      this.hookProtocol = protocol
      this.ifindex = ifindex
    }
    if (protocol === 0) return 0
    if (at === undefined || at.up) this.packets.hook(this)
    else this.#fail()
    return 0
  }

  /** Its interface went down, or away altogether (packet_notifier). */
  deviceGone(forGood: boolean): void {
    if (this.isHooked) {
      this.packets.unhook(this)
      this.#fail()
    }
    if (forGood) this.ifindex = -1
  }

  forgetMemberships(at: Interface): void {
    this.memberships.forget(at)
  }

  #fail(): void {
    this.error = ENETDOWN
    this.wake(POLLERR)
  }

  override getName(peer: boolean, into: SockAddr): number {
    if (peer) return -EOPNOTSUPP
    const at = this.stack.interfaceByIndex(this.ifindex)
    into.family = AF_PACKET
    into.port = this.hookProtocol
    const hardware = at === undefined || at.headerLength === 0 ? NOTHING.subarray(0, 0) : at.mac
    into.link = { ifindex: this.ifindex, hatype: at?.hardwareType ?? 0, pkttype: 0, hardware }
    into.length = OFFSETOF_SLL_ADDR + hardware.length
    return 0
  }

  override setOption(level: number, name: number, value: OptionValue): number {
    return setPacketOption(this, level, name, value)
  }

  override getOption(level: number, name: number, result: OptionResult): number {
    return getPacketOption(this, level, name, result)
  }

  /** A frame passed, lent: `start` at its link-layer header (packet_rcv). */
  input(packet: Packet, outgoing: boolean, by: Interface): void {
    const { kind, start } = packet
    const { filter } = this.settings
    if (outgoing) packet.kind = PACKET_OUTGOING
    // The header of `lo` is made on a copy; else a filter looks at the frame itself, from where the program would.
    const made = by.isLoopback && this.type !== SOCK_DGRAM ? this.#copy(packet, by) : null
    const seen = made ?? packet
    if (made === null) {
      packet.l3 = start + (by.medium === 'ethernet' ? ethernet.HDR_LEN : 0)
      if (this.type === SOCK_DGRAM) packet.start = packet.l3
    }
    // Nothing at all is not worth keeping.
    const snap = filter === null ? seen.length : runFilter(filter, seen, by)
    packet.start = start
    const isRoom = snap > 0 && this.hasRoom()
    if (isRoom) this.#keep(made ?? this.#copy(packet, by), snap)
    else {
      made?.release()
      if (snap > 0) this.packetsDropped++
    }
    packet.kind = kind
  }

  /** The frame as the program is to get it. */
  #copy(packet: Packet, by: Interface): Packet {
    const copy = packet.clone()
    copy.interface = by
    copy.l3 = copy.start + (by.medium === 'ethernet' ? ethernet.HDR_LEN : 0)
    if (this.type === SOCK_DGRAM) copy.start = copy.l3
    return by.isLoopback && this.type !== SOCK_DGRAM ? pushLoopbackHeader(copy) : copy
  }

  #keep(copy: Packet, snap: number): void {
    copy.seq = copy.length
    const size = packetTruesize(copy.length + copy.start - copy.l3)
    if (snap < copy.length) copy.trimTo(snap)
    this.packetsSeen++
    this.enqueue(copy, size)
  }

  /** packet_recvmsg. */
  override receive(bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number {
    if ((flags & ~KNOWN_FLAGS) !== 0) return -EINVAL
    if ((flags & MSG_ERRQUEUE) !== 0) return -EAGAIN
    const packet = this.next()
    if (typeof packet === 'number') return packet
    if (message !== null) {
      if (message.name !== null) nameSender(packet, message.name)
      if (this.wantsAuxdata) auxdata(packet, message)
    }
    return this.take(packet, bytes, offset, length, flags, message)
  }

  /** packet_snd. */
  // biome-ignore format: one line
  override send(bytes: Uint8Array, offset: number, length: number, _flags: number, to: SockAddr | null, message: Message | null = null): number {
    const isRaw = this.type !== SOCK_DGRAM
    if (to !== null && to.length < SIZEOF_SOCKADDR_LL) return -EINVAL
    const at = this.stack.interfaceByIndex(to === null ? this.ifindex : (to.link?.ifindex ?? 0))
    if (at === undefined) return -ENXIO
    if (!at.up) return -ENETDOWN
    const header = at.headerLength
    // A VLAN tag may come on top, if it is one.
    if (length > at.mtu + (isRaw ? header : 0) + ethernet.VLAN_LEN) return -EMSGSIZE
    const space = this.sendSpace()
    if (space < 0) return space
    // Without a name there is no address: to nobody on `lo`, to nowhere elsewhere (eth_header).
    if (!isRaw && to === null && header > 0 && !at.isLoopback) return -EINVAL
    if (isRaw ? length < Math.max(header, 1) : length + header === 0) return -EINVAL
    const packet = this.build(isRaw ? 0 : header, bytes, offset, length, message)
    if (!isRaw && header > 0) {
      const protocol = to === null ? this.hookProtocol : to.port
      const type = protocol === ETH_P_802_3 || protocol === ETH_P_802_2 ? length : protocol
      ethernet.emit(packet.bytes, packet.start, to?.link?.hardware ?? NOTHING, at.mac, type)
    }
    packet.etherType = this.#etherType(packet, at, to)
    packet.l3 = packet.start + header
    const isTagged = at.usesArp && ethernet.etherType(packet.bytes, packet.start) === ethernet.TYPE_VLAN
    if (length > at.mtu + (isRaw ? header : 0) && !isTagged) {
      packet.release()
      return -EMSGSIZE
    }
    const result = at.isLoopback ? this.#loop(packet, at) : at.xmit(packet)
    return result < 0 ? result : length
  }

  /** skb->protocol: what the name says, else the socket, else the frame. */
  #etherType(packet: Packet, at: Interface, to: SockAddr | null): number {
    const given = to === null ? this.hookProtocol : to.port
    if ((given !== 0 && given !== ETH_P_ALL) || this.type === SOCK_DGRAM) return given
    if (at.headerLength > 0) return ethernet.etherType(packet.bytes, packet.start)
    return (packet.bytes[packet.start] ?? 0) >>> 4 === 6 ? ethernet.TYPE_IPV6 : ethernet.TYPE_IPV4
  }

  /** `lo` has no header here: it goes before the frame does, but for what it says. */
  #loop(packet: Packet, at: Interface): number {
    const isToUs = ethernet.sameAddress(packet.bytes, packet.start, NOTHING, 0)
    const isToMany = ethernet.isMulticast(packet.bytes, packet.start)
    packet.kind = isToUs ? PACKET_HOST : isToMany ? PACKET_MULTICAST : PACKET_OTHERHOST
    packet.pull(ethernet.HDR_LEN)
    return at.xmit(packet)
  }
}

/** The header that frames have on Linux's `lo`: no addresses, and the type. */
function pushLoopbackHeader(packet: Packet): Packet {
  const made = packet.start < ethernet.HDR_LEN ? makeHeadroom(packet) : packet
  ethernet.emit(made.bytes, made.push(ethernet.HDR_LEN), NOTHING, NOTHING, made.etherType)
  return made
}

/** struct sockaddr_ll of a received frame. */
function nameSender(packet: Packet, name: SockAddr): void {
  const by = packet.interface as Interface
  const hasAddress = by.headerLength > 0
  const source = packet.l3 - ethernet.HDR_LEN + ethernet.srcOffset(0)
  const hardware = by.medium === 'ethernet' ? packet.bytes.slice(source, source + ethernet.ADDR_LEN) : NOTHING
  name.family = AF_PACKET
  name.port = packet.etherType
  name.link = {
    ifindex: by.index,
    hatype: by.hardwareType,
    pkttype: packet.kind,
    hardware: hasAddress ? hardware : NOTHING.subarray(0, 0),
  }
  name.length = SIZEOF_SOCKADDR_LL
}
