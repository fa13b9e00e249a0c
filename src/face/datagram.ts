/** Datagram sockets of UDP or AF_UNIX whose messages are iterated. */

import type { Process } from '../host/process.ts'
import { AF_UNIX, AF_UNSPEC, SockAddr } from '../sock/address.ts'
import {
  MSG_NOSIGNAL,
  MSG_TRUNC,
  SO_BROADCAST,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_DGRAM,
  SOL_SOCKET,
} from '../sock/constants.ts'
import { Message } from '../sock/sock.ts'
import { type Address, type AddressIn, readAddress, toAddress } from '../socket/address-value.ts'
import { ECANCELED, SystemError } from '../sys/errno.ts'
import { Descriptor, guarded, open, type SocketOptions } from './descriptor.ts'
import type { WaitOptions } from './lane.ts'

/** Room for a message unless told otherwise: as large as UDP's can be. */
const MESSAGE_SIZE = 65536

/** What `bind` can be told. */
export interface DatagramOptions extends SocketOptions {
  /** The only peer: `send` needs no address, others' messages are not received, ICMP errors are told (connect(2)). */
  readonly peer?: AddressIn
  /** SO_BROADCAST, SO_REUSEADDR and SO_REUSEPORT; false unless told otherwise. */
  readonly broadcast?: boolean
  readonly reuseAddress?: boolean
  readonly reusePort?: boolean
}

/** What `receive` can be told. */
export interface ReceiveOptions extends WaitOptions {
  /** Room for the message in bytes; 65536 unless told otherwise. What does not fit is cut off. */
  readonly size?: number
}

/** One message, the program's to keep. */
export interface Datagram {
  readonly data: Uint8Array
  /** The sender; null if it has no name (AF_UNIX). */
  readonly from: Address | null
  /** Its length as it was sent: more than `data` holds if it was cut off. */
  readonly length: number
}

/** A UDP socket, or with `{ path }` a local one, bound to `at`: SystemError EADDRINUSE, EACCES, … tells why not. */
export function bind(process: Process, at: AddressIn = {}, options: DatagramOptions = {}): DatagramSocket {
  const address = readAddress('at', at, new SockAddr())
  const { broadcast = false, reuseAddress = false, reusePort = false, peer } = options
  const fd = open(process, address.family, SOCK_DGRAM, options)
  return guarded(process, fd, () => {
    if (broadcast) process.setsockopt(fd, SOL_SOCKET, SO_BROADCAST, 1)
    if (reuseAddress) process.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    if (reusePort) process.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, 1)
    process.bind(fd, address)
    // A datagram socket is connected at once.
    if (peer !== undefined) void process.connect(fd, peer)
    return new DatagramSocket(process, fd)
  })
}

/** A socket of messages; iterating over it receives them one by one until it is closed. */
export class DatagramSocket extends Descriptor implements AsyncIterable<Datagram> {
  readonly #message: Message = new Message()
  readonly #name: SockAddr = new SockAddr()
  #buffer: Uint8Array = new Uint8Array(0)

  /** Sends one message, to the peer if no address is given; waits while the send buffer is full. */
  async send(data: Uint8Array, to?: AddressIn, options: WaitOptions = {}): Promise<void> {
    const { sys } = this.process
    const address = to === undefined ? null : readAddress('to', to, new SockAddr())
    await this.outgoing.run('sendto', () => sys.send(this.fd, data, MSG_NOSIGNAL, address), options, address)
  }

  /** The next message. */
  async receive(options: ReceiveOptions = {}): Promise<Datagram> {
    const { size = MESSAGE_SIZE } = options
    if (!Number.isInteger(size) || size < 0) throw new RangeError(`size: not a number of bytes: ${size}`)
    let datagram!: Datagram
    const attempt = (): number => {
      if (this.#buffer.length < size) this.#buffer = new Uint8Array(size)
      const into = this.#buffer.subarray(0, size)
      const name = this.#name
      this.#message.name = name
      const length = this.process.sys.receive(this.fd, into, MSG_TRUNC, this.#message)
      if (length < 0) return length
      const isNamed = name.family !== AF_UNSPEC && (name.family !== AF_UNIX || name.path !== '')
      datagram = { data: into.slice(0, length), from: isNamed ? toAddress(name) : null, length }
      return length
    }
    await this.incoming.run('recvfrom', attempt, options)
    return datagram
  }

  /** The messages, until the socket is closed. Leaving the loop early leaves it as it is. */
  async *datagrams(options: ReceiveOptions = {}): AsyncGenerator<Datagram, void, undefined> {
    while (!this.isClosed) {
      let datagram: Datagram
      try {
        datagram = await this.receive(options)
      } catch (error) {
        if (this.isClosed && error instanceof SystemError && error.errno === -ECANCELED) return
        throw error
      }
      yield datagram
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<Datagram, void, undefined> {
    return this.datagrams()
  }
}
