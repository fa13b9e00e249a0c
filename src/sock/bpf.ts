/**
 * The classic Berkeley packet filter (SO_ATTACH_FILTER): programs checked as Linux checks them (bpf_check_classic, linux/filter.h,
 * Documentation/networking/filter.rst) and run over packets. What a program returns is how many bytes are kept, 0 for none.
 *
 * A program is attached to any socket by setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, bytes) with its struct sock_filter[] as bytes
 * (there is no pointer to put into a struct sock_fprog). It sits in `Settings.filter`; a protocol asks `runFilter` where Linux has
 * sk_filter, with `packet.start` at what the program is to see first.
 */
import type { Packet } from '../buf/packet.ts'
import type { Interface } from '../stack/interface.ts'
import { EINVAL, ENOENT, EPERM } from '../sys/errno.ts'
import { get16, get32 } from '../wire/bytes.ts'
import { TYPE_IPV4 } from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { checkProgram, LD } from './bpf-check.ts'
import type { OptionValue, Sock } from './sock.ts'

/** sizeof(struct sock_filter): code 16 bits, jt and jf 8, k 32, in the machine's order. */
export const SIZEOF_SOCK_FILTER = 8
/** Most instructions of a program (BPF_MAXINSNS). */
export const BPF_MAXINSNS = 4096

/** One instruction (struct sock_filter). */
export interface Instruction {
  readonly code: number
  readonly jt: number
  readonly jf: number
  /** int32. */
  readonly k: number
}

/** A program that was found to be right. */
export class Filter {
  readonly program: readonly Instruction[]
  readonly memory: Int32Array = new Int32Array(16)
  readonly scratch: Uint8Array = new Uint8Array(4)

  constructor(program: readonly Instruction[]) {
    this.program = program
  }
}

// Parts of an instruction's code (linux/bpf_common.h).
const CLASS_LD = 0
const CLASS_LDX = 1
const CLASS_ST = 2
const CLASS_STX = 3
const CLASS_ALU = 4
const CLASS_JMP = 5
const CLASS_RET = 6
const SRC_X = 0x08
const RET_A = 0x10
const MISC_TXA = 0x80

// Where negative offsets lead (linux/filter.h).
export const SKF_AD_OFF = -0x1000
const SKF_NET_OFF = -0x100000
const SKF_LL_OFF = -0x200000

/** A load beyond the packet: the program ends with 0. */
const OUTSIDE: number = Number.NaN

/** SO_ATTACH_FILTER: 0, -EPERM if it is locked, or -EINVAL. */
export function attachFilter(sock: Sock, value: OptionValue): number {
  if (!(value instanceof Uint8Array) || value.length % SIZEOF_SOCK_FILTER !== 0) return -EINVAL
  if (sock.settings.isFilterLocked) return -EPERM
  const program = decode(value)
  if (program.length === 0 || program.length > BPF_MAXINSNS || !checkProgram(program)) return -EINVAL
  sock.settings = sock.settings.with('filter', new Filter(program))
  return 0
}

/** SO_DETACH_FILTER: 0, -EPERM or -ENOENT. */
export function detachFilter(sock: Sock): number {
  if (sock.settings.isFilterLocked) return -EPERM
  if (sock.settings.filter === null) return -ENOENT
  sock.settings = sock.settings.with('filter', null)
  return 0
}

/** SO_LOCK_FILTER: for ever; -EPERM to undo it. */
export function lockFilter(sock: Sock, on: boolean): number {
  if (sock.settings.isFilterLocked && !on) return -EPERM
  sock.settings = sock.settings.with('isFilterLocked', on)
  return 0
}

/** SO_GET_FILTER: the program as it was given. */
export function filterBytes(sock: Sock): Uint8Array {
  const program = sock.settings.filter?.program ?? []
  const bytes = new Uint8Array(program.length * SIZEOF_SOCK_FILTER)
  const view = new DataView(bytes.buffer)
  for (const [i, { code, jt, jf, k }] of program.entries()) {
    const at = i * SIZEOF_SOCK_FILTER
    view.setUint16(at, code, true)
    view.setUint8(at + 2, jt)
    view.setUint8(at + 3, jf)
    view.setInt32(at + 4, k, true)
  }
  return bytes
}

function decode(bytes: Uint8Array): Instruction[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const program: Instruction[] = []
  for (let at = 0; at < bytes.length; at += SIZEOF_SOCK_FILTER) {
    program.push({
      code: view.getUint16(at, true),
      jt: view.getUint8(at + 2),
      jf: view.getUint8(at + 3),
      k: view.getInt32(at + 4, true),
    })
  }
  return program
}

/** sk_filter with a program: how many bytes to keep from `packet.start` on, 0 to drop the packet; lent. */
export function runFilter(filter: Filter, packet: Packet, by: Interface | null): number {
  const { program, memory } = filter
  let a = 0
  let x = 0
  for (let pc = 0; pc < program.length; pc++) {
    const { code, jt, jf, k } = program[pc] as Instruction
    const operand = (code & SRC_X) !== 0 ? x : k
    switch (code & 7) {
      case CLASS_LD: {
        if ((code & 0xe0) === LD.ABS && k === SKF_AD_OFF + AD_ALU_XOR_X) a ^= x
        else a = load(filter, code, k, x, packet, by)
        if (Number.isNaN(a)) return 0
        break
      }
      case CLASS_LDX:
        x = load(filter, code, k, x, packet, by)
        if (Number.isNaN(x)) return 0
        break
      case CLASS_ST:
        memory[k] = a
        break
      case CLASS_STX:
        memory[k] = x
        break
      case CLASS_ALU:
        a = compute(code & 0xf0, a, operand)
        if (Number.isNaN(a)) return 0
        break
      case CLASS_JMP:
        pc += code === CLASS_JMP ? k : holds(code & 0xf0, a, operand) ? jt : jf
        break
      case CLASS_RET:
        return (code & 0x18) === RET_A ? a >>> 0 : k >>> 0
      default:
        if (code & MISC_TXA) a = x
        else x = a
    }
  }
  return 0
}

/** As `runFilter` by the socket's program, which is to see the packet from `from` on (an offset in its linear part). */
export function filterFrom(sock: Sock, packet: Packet, from: number): number {
  const { filter } = sock.settings
  const { start } = packet
  if (filter === null) return packet.length + start - from
  packet.start = from
  const keep = runFilter(filter, packet, packet.interface as Interface | null)
  packet.start = start
  return keep
}

/** JEQ 0x10, JGT 0x20, JGE 0x30, JSET 0x40, all unsigned. */
function holds(operation: number, a: number, b: number): boolean {
  if (operation === 0x10) return a === b
  if (operation === 0x20) return a >>> 0 > b >>> 0
  if (operation === 0x30) return a >>> 0 >= b >>> 0
  return (a & b) !== 0
}

/** BPF_ADD and its like on 32 bits; NaN for a division by zero, which ends the program. */
function compute(operation: number, a: number, b: number): number {
  switch (operation) {
    case 0x00:
      return (a + b) | 0
    case 0x10:
      return (a - b) | 0
    case 0x20:
      return Math.imul(a, b)
    case 0x30:
      return b === 0 ? OUTSIDE : Math.floor((a >>> 0) / (b >>> 0)) | 0
    case 0x40:
      return a | b
    case 0x50:
      return a & b
    case 0x60:
      return a << b
    case 0x70:
      return (a >>> b) | 0
    case 0x80:
      return -a | 0
    case 0x90:
      return b === 0 ? OUTSIDE : ((a >>> 0) % (b >>> 0)) | 0
    default:
      return a ^ b
  }
}

/** BPF_LD and BPF_LDX in all their modes. */
// biome-ignore format: one line
function load(filter: Filter, code: number, k: number, x: number, packet: Packet, by: Interface | null): number {
  switch (code & 0xe0) {
    case LD.IMM:
      return k
    case LD.MEM:
      return filter.memory[k] as number
    case LD.LEN:
      return packet.length
    case LD.MSH: {
      const byte = fetch(filter, packet, k, 1)
      return (byte & 0xf) << 2 || (Number.isNaN(byte) ? OUTSIDE : 0)
    }
    default: {
      const size = (code & 0x18) === LD.W ? 4 : (code & 0x18) === LD.H ? 2 : 1
      const isAbsolute = (code & 0xe0) === LD.ABS
      if (isAbsolute && k < 0 && k >= SKF_AD_OFF) return ancillary(k - SKF_AD_OFF, packet, by)
      return fetch(filter, packet, isAbsolute ? k : (x + k) | 0, size)
    }
  }
}

/** `size` bytes of the packet in network order; offsets below 0 count from the network or the link-layer header. */
function fetch(filter: Filter, packet: Packet, offset: number, size: number): number {
  if (offset < 0) {
    const isNet = offset >= SKF_NET_OFF
    const base = isNet ? packet.l3 : packet.l3 - 14
    const at = base - packet.start + offset - (isNet ? SKF_NET_OFF : SKF_LL_OFF)
    if (offset < SKF_LL_OFF || at + packet.start < 0) return OUTSIDE
    return at < 0 ? read(packet.bytes, packet.start + at, size) : fetch(filter, packet, at, size)
  }
  if (offset + size > packet.length) return OUTSIDE
  const at = packet.start + offset
  if (at + size <= packet.end) return read(packet.bytes, at, size)
  packet.copyTo(filter.scratch, 0, offset, size)
  return read(filter.scratch, 0, size)
}

const read = (b: Uint8Array, at: number, size: number): number =>
  size === 4 ? get32(b, at) : size === 2 ? get16(b, at) : (b[at] ?? 0)

// Offsets from SKF_AD_OFF (linux/filter.h).
const AD_PROTOCOL = 0
const AD_PKTTYPE = 4
const AD_IFINDEX = 8
const AD_MARK = 20
const AD_HATYPE = 28
const AD_ALU_XOR_X = 40
const AD_PAY_OFFSET = 52
const AD_RANDOM = 56

/** What is known of a packet beside its bytes; queue, hash, processor and VLAN tag are 0 here. */
function ancillary(what: number, packet: Packet, by: Interface | null): number {
  switch (what) {
    case AD_PROTOCOL:
      return packet.etherType
    case AD_PKTTYPE:
      return packet.kind
    case AD_IFINDEX:
      return by === null ? OUTSIDE : by.index
    case AD_HATYPE:
      return by === null ? OUTSIDE : by.hardwareType
    case AD_MARK:
      return packet.mark
    case AD_PAY_OFFSET:
      return payloadOffset(packet)
    case AD_RANDOM:
      return by === null ? 0 : by.stack.random.int32()
    default:
      return 0
  }
}

/** Bytes before the payload of an IPv4 packet, as far as its headers are known (skb_get_poff); 0 for others. */
function payloadOffset(packet: Packet): number {
  const { bytes, l3, start } = packet
  if (packet.etherType !== TYPE_IPV4 || l3 < 0 || l3 + ipv4.HDR_LEN > packet.end) return 0
  const l4 = l3 + ipv4.headerLength(bytes, l3)
  const protocol = ipv4.protocol(bytes, l3)
  if (protocol === ipv4.PROTO_TCP) return l4 - start + Math.max(20, ((bytes[l4 + 12] ?? 0) >>> 4) * 4)
  return l4 - start + (protocol === ipv4.PROTO_UDP || protocol === ipv4.PROTO_ICMP ? 8 : 0)
}
