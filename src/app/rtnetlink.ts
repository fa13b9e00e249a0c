/** What `ip` says to the kernel: requests of rtnetlink(7) on a netlink socket, and their answers. */
import type { Process } from '../host/process.ts'
import {
  NETLINK_ROUTE,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  RTM_GETLINK,
} from '../netlink/constants.ts'
import { MessageWriter, messages, type NetlinkMessage } from '../netlink/message.ts'
import { AF_NETLINK } from '../sock/address.ts'
import { SOCK_CLOEXEC, SOCK_RAW } from '../sock/constants.ts'
import { SystemError } from '../sys/errno.ts'
import { viewOf } from '../wire/bytes.ts'
import { type Link, readLink } from './ip-link.ts'
import { strerror } from './strerror.ts'
import { ToolError } from './tool.ts'

const BUFFER = 65536

/** Writes the struct and the attributes of a request. */
export type Body = (writer: MessageWriter) => void

export class Rtnetlink {
  readonly #process: Process
  readonly #fd: number
  readonly #buffer: Uint8Array = new Uint8Array(BUFFER)
  readonly #writer: MessageWriter = new MessageWriter()
  #seq = 0

  /** `groups`: a mask of what is to be told unasked. */
  constructor(process: Process, groups = 0) {
    this.#process = process
    this.#fd = process.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)
    process.bind(this.#fd, { family: AF_NETLINK, netlink: { pid: 0, groups } })
  }

  async close(): Promise<void> {
    await this.#process.close(this.#fd)
  }

  /** All things of a kind. */
  async dump(type: number, body: Body): Promise<NetlinkMessage[]> {
    await this.#send(type, NLM_F_DUMP, body)
    const found: NetlinkMessage[] = []
    for (;;) {
      for (const message of await this.next()) {
        if (message.type === NLMSG_DONE) return found
        this.#check(message)
        found.push(message)
      }
    }
  }

  /** A change, which is acknowledged. */
  async change(type: number, flags: number, body: Body): Promise<void> {
    await this.#send(type, flags | NLM_F_ACK, body)
    for (;;) {
      for (const message of await this.next()) {
        this.#check(message)
        if (message.type === NLMSG_ERROR) return
      }
    }
  }

  /** One thing. */
  async get(type: number, body: Body): Promise<NetlinkMessage> {
    await this.#send(type, 0, body)
    for (;;) {
      for (const message of await this.next()) {
        this.#check(message)
        return message
      }
    }
  }

  /** The messages of the next datagram; each is the caller's to keep. */
  async next(): Promise<NetlinkMessage[]> {
    const n = await this.#process.recv(this.#fd, this.#buffer)
    return [...messages(this.#buffer.slice(0, n))]
  }

  /** All links by index. */
  async links(): Promise<Map<number, Link>> {
    const found = await this.dump(RTM_GETLINK, (w) => w.u8(0, 0).u16(0).u32(0, 0, 0))
    return new Map(found.map(readLink).map((link) => [link.index, link]))
  }

  async #send(type: number, flags: number, body: Body): Promise<void> {
    this.#writer.begin({ type, flags: flags | NLM_F_REQUEST, seq: ++this.#seq, pid: 0 })
    body(this.#writer)
    await this.#process.send(this.#fd, this.#writer.end())
  }

  #check(message: NetlinkMessage): void {
    if (message.type !== NLMSG_ERROR) return
    const errno = viewOf(message.payload).getInt32(0, true)
    if (errno !== 0) throw new ToolError(`RTNETLINK answers: ${strerror(new SystemError('sendmsg', errno))}`, 2)
  }
}
