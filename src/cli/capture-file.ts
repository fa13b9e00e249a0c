/** A capture written to a file while packets pass, with what an impaired link dropped marked by a comment. */
import { closeSync, openSync, writeSync } from 'node:fs'
import type { Packet } from '../buf/packet.ts'
import type { ImpairedLink } from '../link/impair.ts'
import type { Link } from '../link/link.ts'
import { type ByteSink, DIRECTION_IN, DIRECTION_OUT, PcapngWriter, wireBytes } from '../link/pcap.ts'
import type { Clock } from '../sys/clock.ts'
import { fileReason, UsageError } from './arguments.ts'
import { Probe } from './probe.ts'

/** Bytes collected before they are written. */
const BUFFER = 1 << 20

/** A file that is written in large pieces. */
export class FileSink implements ByteSink {
  readonly #fd: number
  readonly #buffer = new Uint8Array(BUFFER)
  #used = 0

  /** Creates `path`, or says in one line why not. */
  constructor(flag: string, path: string) {
    try {
      this.#fd = openSync(path, 'w')
    } catch (error) {
      throw new UsageError(`${flag}: ${path}: ${fileReason(error)}`)
    }
  }

  write(bytes: Uint8Array): void {
    if (bytes.length > BUFFER - this.#used) this.flush()
    if (bytes.length > BUFFER) {
      writeSync(this.#fd, bytes)
      return
    }
    this.#buffer.set(bytes, this.#used)
    this.#used += bytes.length
  }

  flush(): void {
    for (let at = 0; at < this.#used; ) at += writeSync(this.#fd, this.#buffer, at, this.#used - at)
    this.#used = 0
  }

  close(): void {
    this.flush()
    closeSync(this.#fd)
  }
}

/** Writes what passes on several links into one pcapng file. */
export class Recorder {
  readonly writer: PcapngWriter
  readonly sink: FileSink

  constructor(sink: FileSink, clock: Clock, snaplen: number | undefined) {
    this.sink = sink
    this.writer = new PcapngWriter(sink, clock, snaplen === undefined ? {} : { snaplen })
  }

  /**
   * `device` as a stack is to use it, faults put in by `impair` if given. Packets are recorded as whoever sent them sent
   * them: ours before the faults of the way out, the peer's before those of the way in. What a fault drops has a comment.
   */
  record(device: Link, name: string, impair?: (link: Link) => ImpairedLink): Link {
    const id = this.writer.addInterface(device.medium, name)
    let dropped: string | undefined
    const write = (bytes: Uint8Array, direction: number): void => {
      this.writer.writeBytes(id, bytes, direction, dropped === undefined ? undefined : `dropped: ${dropped}`)
    }
    const onArrival = (packet: Packet, pass: (packet: Packet) => void): void => {
      const bytes = wireBytes(packet)
      dropped = undefined
      pass(packet)
      write(bytes, DIRECTION_IN)
    }
    const inner = new Probe(device, undefined, onArrival)
    const impaired = impair?.(inner)
    if (impaired !== undefined) {
      impaired.onDrop = (_packet, reason) => {
        dropped = reason
      }
    }
    const onDeparture = (packet: Packet, pass: (packet: Packet) => boolean): boolean => {
      const bytes = wireBytes(packet)
      dropped = undefined
      const taken = pass(packet)
      if (!taken && dropped === undefined) dropped = 'refused by the device'
      write(bytes, DIRECTION_OUT)
      return taken
    }
    return new Probe(impaired ?? inner, onDeparture, undefined)
  }
}
