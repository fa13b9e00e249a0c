/** The segment in hand: one record a host, filled for each arrival; whoever keeps anything of it copies it. */
import type { Packet } from '../buf/packet.ts'

export class Segment {
  packet: Packet = null as unknown as Packet
  bytes: Uint8Array = new Uint8Array(0)
  local = 0
  remote = 0
  localPort = 0
  remotePort = 0
  flags = 0
  seq = 0
  /** One past its last sequence number, SYN and FIN counted. */
  endSeq = 0
  ack = 0
  /** The header's field, not scaled. */
  window = 0
  urgent = 0
  /** Bytes of the header and of the payload. */
  headerLength = 0
  length = 0
  isFin = false
  /** Wire segments it stands for (GRO), at least 1. */
  gsoSegments = 1
  /** Payload of each of those, the last perhaps less; 0: it is one. */
  gsoSize = 0
  hasTs = false
  sackCount = 0
  tos = 0
}
