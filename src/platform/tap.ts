/**
 * A real TAP device of Linux as a link (Documentation/networking/tuntap.rst): what the kernel sends on the interface
 * arrives here, what is sent here arrives at the kernel. Plain frames (IFF_NO_PI, no virtio-net header), one queue.
 *
 * Frames are read straight into pooled packets and written straight from their bytes, one system call a frame. Reading
 * is driven by the event loop's level-triggered poll: while frames are there, each turn of the loop reads one budget of
 * them and lets everybody else have a turn (NAPI's idea); when there are none, nothing runs.
 *
 * Addresses, routes and namespaces are the caller's: `ip tuntap add`, `ip address add`, `ip link set … up`.
 */
import { closeSync, constants, openSync } from 'node:fs'
import { type Chunk, FRAME, HEADROOM, MAX_FRAGS, type Packet } from '../buf/packet.ts'
import { PacketPool } from '../buf/pool.ts'
import { F_GRO, F_WIRE, type Link, type Medium } from '../link/link.ts'
import type { Clock } from '../sys/clock.ts'
import { EAGAIN, EBADF, EBUSY, EINVAL, EIO, EPERM, errnoName } from '../sys/errno.ts'
import { RealClock } from './clock.ts'
import { chunkAddress, type Libc, loadLibc, type PollHandle } from './libc.ts'
import { TimerFd } from './timer-fd.ts'

/** Frames read in one turn of the event loop at most (NAPI's budget), and kept for a kernel that takes none just now. */
export const TAP_READ_BUDGET = 256
export const TAP_WRITE_QUEUE = 1024
/** Frames the kernel queues towards us before it drops; Linux's 1000 is less than one TCP window of a fast sender. */
export const TAP_KERNEL_QUEUE = 4096

export interface TapOptions {
  /** Gives packets their time of arrival. A real clock gets the kernel's fine timer in turn. */
  clock?: Clock
  /** Where the packets come from; a pool of its own by default. */
  pool?: PacketPool
  /** Sets the interface's MTU; by default what it has. */
  mtu?: number
  /** Sets the interface's queue length (txqueuelen): TAP_KERNEL_QUEUE by default, 0 leaves it. */
  queueLength?: number
}

/** What became of frames that were not delivered. */
export class TapCounters {
  /** Sent while TAP_WRITE_QUEUE frames waited; or refused by the kernel (interface down, too long). */
  txDropped = 0
  txErrors = 0
  /** Arrived with nobody attached; reads that failed. */
  rxDropped = 0
  rxErrors = 0
}

/** Layout of struct ifreq: 16 bytes of name, then a union. */
const IFREQ_SIZE = 40
const IFREQ_UNION = 16
const TUNSETIFF = 0x400454ca
const IFF_TAP = 0x0002
const IFF_NO_PI = 0x1000
const SIOCGIFMTU = 0x8921
const SIOCSIFMTU = 0x8922
const SIOCGIFHWADDR = 0x8927
const SIOCSIFTXQLEN = 0x8943
const AF_INET = 2
const SOCK_DGRAM = 2
/** The interface is gone (`ip link delete`): read(2) on a detached tun file says so. */
const EBADFD = 77

/** Where a frame is read to: the IP header comes to lie at HEADROOM. */
const READ_AT = HEADROOM - 14
/** Ethernet header and a VLAN tag or two. */
const LINK_HEADER_ROOM = 22
/** Bytes of a struct iovec: address, length. */
const IOVEC = 16

/** An attached TAP device. It holds the process open while a receiver is attached. */
export class Tap implements Link {
  readonly medium: Medium = 'ethernet'
  readonly features: number = F_WIRE | F_GRO
  readonly name: string
  readonly mtu: number
  /** The address of the kernel's end; ours is what our interface says. */
  readonly kernelMac: Uint8Array
  readonly counters: TapCounters = new TapCounters()
  readonly #libc: Libc
  readonly #clock: Clock | undefined
  readonly #pool: PacketPool
  readonly #poll: PollHandle
  readonly #packetSize: number
  #fd: number
  #receive: ((packet: Packet) => void) | undefined
  /** The packet the next frame is read into. */
  #spare: Packet | null = null
  readonly #iovec: DataView
  readonly #iovecAddress: number
  /** Frames that the kernel would not take yet, oldest first from #queueHead. */
  readonly #queue: (Packet | null)[] = []
  #queueHead = 0
  readonly #onPoll: () => void
  /** `#ready` is on its way. */
  #scheduled = false

  /** For `openTap` only. */
  constructor(libc: Libc, fd: number, device: Device, options: TapOptions) {
    this.#libc = libc
    this.#fd = fd
    this.name = device.name
    this.mtu = device.mtu
    this.kernelMac = device.mac
    this.#clock = options.clock
    this.#pool = options.pool ?? new PacketPool()
    this.#packetSize = Math.max(FRAME, READ_AT + LINK_HEADER_ROOM + device.mtu)
    const iovec = new Uint8Array((MAX_FRAGS + 1) * IOVEC)
    this.#iovec = new DataView(iovec.buffer)
    this.#iovecAddress = libc.address(iovec)
    this.#poll = libc.poll(fd)
    const ready = (): void => this.#ready()
    // koffi calls back outside of Node's callback scope, after which no promise's job would run; an immediate of the
    // same turn of the loop has a scope of its own.
    this.#onPoll = () => {
      if (this.#scheduled) return
      this.#scheduled = true
      setImmediate(ready)
    }
  }

  /** Frames waiting for the kernel to take them. */
  get queued(): number {
    return this.#queue.length - this.#queueHead
  }

  attach(receive: ((packet: Packet) => void) | undefined): void {
    this.#receive = receive
    this.#arm()
  }

  send(packet: Packet): boolean {
    if (this.#fd < 0 || this.queued > 0) return this.#enqueue(packet)
    const n = this.#write(packet)
    if (n === -EAGAIN) return this.#enqueue(packet)
    packet.release()
    if (n >= 0) return true
    this.counters.txErrors++
    return false
  }

  close(): void {
    if (this.#fd < 0) return
    this.#poll.close()
    closeSync(this.#fd)
    this.#fd = -1
    this.#receive = undefined
    this.#spare?.release()
    this.#spare = null
    for (let i = this.#queueHead; i < this.#queue.length; i++) (this.#queue[i] as Packet).release()
    this.#queue.length = this.#queueHead = 0
  }

  /** Waits for what there is to wait for; a poll handle that is stopped does not hold the process open. */
  #arm(): void {
    if (this.#fd < 0) return
    const readable = this.#receive !== undefined
    const writable = this.queued > 0
    if (readable || writable) this.#poll.start({ readable, writable }, this.#onPoll)
    else this.#poll.stop()
  }

  #ready(): void {
    this.#scheduled = false
    if (this.queued > 0) this.#drainQueue()
    this.#drainKernel()
  }

  /** Reads up to a budget of frames; the poll is level-triggered, so what is left comes with the next turn. */
  #drainKernel(): void {
    const time = this.#clock?.now() ?? 0
    for (let budget = TAP_READ_BUDGET; budget > 0 && this.#fd >= 0; budget--) {
      this.#spare ??= this.#pool.alloc(this.#packetSize)
      const packet = this.#spare
      const n = this.#libc.read(
        this.#fd,
        chunkAddress(this.#libc, packet.chunk) + READ_AT,
        packet.bytes.length - READ_AT,
      )
      if (n < 0) {
        if (n !== -EAGAIN) this.#readFailed(n)
        return
      }
      const receive = this.#receive
      if (receive === undefined) {
        this.counters.rxDropped++
        continue
      }
      this.#spare = null
      packet.start = READ_AT
      packet.end = READ_AT + n
      packet.time = time
      receive(packet)
    }
  }

  #readFailed(errno: number): void {
    this.counters.rxErrors++
    // The device was deleted: nothing will ever come again, and the poll would report the error for ever.
    if (errno === -EBADFD || errno === -EBADF || errno === -EIO) this.#poll.stop()
  }

  /** write(2) of a linear packet, writev(2) of one in slices: bytes, or -errno. */
  #write(packet: Packet): number {
    const libc = this.#libc
    const at = chunkAddress(libc, packet.chunk) + packet.start
    if (packet.fragCount === 0) return libc.write(this.#fd, at, packet.end - packet.start)
    this.#setIovec(0, at, packet.end - packet.start)
    for (let i = 0; i < packet.fragCount; i++) {
      const address = chunkAddress(libc, packet.fragChunk[i] as Chunk) + (packet.fragOffset[i] as number)
      this.#setIovec(i + 1, address, packet.fragLength[i] as number)
    }
    return libc.writev(this.#fd, this.#iovecAddress, packet.fragCount + 1)
  }

  #setIovec(i: number, address: number, length: number): void {
    this.#iovec.setUint32(i * IOVEC, address >>> 0, true)
    this.#iovec.setUint32(i * IOVEC + 4, address / 4294967296, true)
    this.#iovec.setUint32(i * IOVEC + 8, length, true)
  }

  #enqueue(packet: Packet): boolean {
    if (this.#fd < 0 || this.queued >= TAP_WRITE_QUEUE) {
      this.counters.txDropped++
      packet.release()
      return false
    }
    this.#queue.push(packet)
    if (this.queued === 1) this.#arm()
    return true
  }

  #drainQueue(): void {
    while (this.#queueHead < this.#queue.length) {
      const packet = this.#queue[this.#queueHead] as Packet
      const n = this.#write(packet)
      if (n === -EAGAIN) return
      this.#queue[this.#queueHead++] = null
      packet.release()
      if (n < 0) this.counters.txErrors++
    }
    this.#queue.length = this.#queueHead = 0
    this.#arm()
  }
}

/**
 * Opens TAP device `name`, which comes into being if it is not there (and then lasts until closed). Needs root or
 * CAP_NET_ADMIN, /dev/net/tun and the package koffi; says which of them is missing.
 */
export async function openTap(name: string, options: TapOptions = {}): Promise<Tap> {
  checkName(name)
  if (process.platform !== 'linux')
    throw new Error(`cannot open TAP device ${name}: TAP devices are Linux's, this is ${process.platform}`)
  let libc: Libc
  try {
    libc = await loadLibc()
  } catch (error) {
    throw new Error(`cannot open TAP device ${name}: ${(error as Error).message}`, { cause: error })
  }
  const fd = openClone(name)
  try {
    const request = ifreq(name)
    request[IFREQ_UNION] = IFF_TAP & 0xff
    request[IFREQ_UNION + 1] = IFF_NO_PI >> 8
    const errno = libc.ioctl(fd, TUNSETIFF, request)
    if (errno < 0) throw new Error(`cannot open TAP device ${name}: ${setiffReason(errno)}`)
    if (options.clock instanceof RealClock) options.clock.useFineTimer((fire) => TimerFd.open(libc, fire))
    return new Tap(libc, fd, configure(libc, nameOf(request), options), options)
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** Linux's rule for interface names (dev_valid_name), before the kernel says a bare EINVAL. */
function checkName(name: string): void {
  if (name === '' || name.length > 15 || name === '.' || name === '..' || /[/:\s]/.test(name)) {
    throw new RangeError(`name: not an interface name of 1 to 15 characters: '${name}'`)
  }
}

function openClone(name: string): number {
  try {
    return openSync('/dev/net/tun', constants.O_RDWR | constants.O_NONBLOCK)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    let reason = `/dev/net/tun: ${code}`
    if (code === 'ENOENT') reason = '/dev/net/tun is missing (modprobe tun; in a container: --device /dev/net/tun)'
    if (code === 'EACCES' || code === 'EPERM')
      reason = '/dev/net/tun may not be opened: root or CAP_NET_ADMIN is missing'
    if (code === 'ENODEV' || code === 'ENXIO') reason = 'the kernel has no TUN/TAP driver (CONFIG_TUN)'
    throw new Error(`cannot open TAP device ${name}: ${reason}`, { cause })
  }
}

function setiffReason(errno: number): string {
  if (errno === -EPERM) return 'root or CAP_NET_ADMIN is missing'
  if (errno === -EBUSY) return 'another process has it open'
  if (errno === -EINVAL) return 'an interface of that name exists and is no TAP device'
  return `TUNSETIFF: ${errnoName(errno)}`
}

interface Device {
  readonly name: string
  readonly mtu: number
  readonly mac: Uint8Array
}

function ifreq(name: string): Uint8Array {
  const request = new Uint8Array(IFREQ_SIZE)
  for (let i = 0; i < name.length; i++) request[i] = name.charCodeAt(i)
  return request
}

function nameOf(request: Uint8Array): string {
  return String.fromCharCode(...request.subarray(0, request.indexOf(0)))
}

/** Sets what the caller wants set and reads what the device has, by ioctls on a throw-away socket (netdevice(7)). */
function configure(libc: Libc, name: string, options: TapOptions): Device {
  const socket = libc.socket(AF_INET, SOCK_DGRAM, 0)
  if (socket < 0) throw new Error(`cannot open TAP device ${name}: socket: ${errnoName(socket)}`)
  const control = (what: string, code: number, value?: number): DataView => {
    const request = ifreq(name)
    const view = new DataView(request.buffer)
    if (value !== undefined) view.setInt32(IFREQ_UNION, value, true)
    const errno = libc.ioctl(socket, code, request)
    if (errno < 0) throw new Error(`cannot open TAP device ${name}: ${what}: ${errnoName(errno)}`)
    return view
  }
  try {
    if (options.mtu !== undefined) control(`MTU ${options.mtu}`, SIOCSIFMTU, options.mtu)
    const queueLength = options.queueLength ?? TAP_KERNEL_QUEUE
    if (queueLength > 0) control(`queue length ${queueLength}`, SIOCSIFTXQLEN, queueLength)
    const mtu = control('MTU', SIOCGIFMTU).getInt32(IFREQ_UNION, true)
    const address = control('address', SIOCGIFHWADDR)
    return { name, mtu, mac: new Uint8Array(address.buffer.slice(IFREQ_UNION + 2, IFREQ_UNION + 8)) }
  } finally {
    closeSync(socket)
  }
}
