/** A frame whose text another program wrote. */
export interface Vector {
  readonly name: string
  /** The Ethernet frame. */
  readonly hex: string
  /** What `tcpdump -n -t` printed, in order with the others of its file. */
  readonly line: string
}

/** The bytes of a vector. */
export const bytesOf = (v: Vector): Uint8Array => Uint8Array.from(Buffer.from(v.hex, 'hex'))
