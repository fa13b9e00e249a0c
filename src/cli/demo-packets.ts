/** What the demo asks about a frame: is it TCP, how much data, which sequence numbers. Frames are our own, so whole. */

import { IPPROTO_TCP } from '../ip/transport.ts'
import { get16, get32 } from '../wire/bytes.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'

const L3 = ethernet.HDR_LEN

/** Offset of the TCP header. */
const l4 = (b: Uint8Array): number => L3 + ipv4.headerLength(b, L3)

export const isTcp = (b: Uint8Array): boolean =>
  get16(b, 12) === ethernet.TYPE_IPV4 && ipv4.protocol(b, L3) === IPPROTO_TCP

/** Bytes of data in a TCP segment. */
export const payloadLength = (b: Uint8Array): number =>
  L3 + ipv4.totalLength(b, L3) - l4(b) - tcp.headerLength(b, l4(b))

export const flags = (b: Uint8Array): number => tcp.flags(b, l4(b))

/** The sequence number after the segment's last, int32. */
export const endSeq = (b: Uint8Array): number => (get32(b, l4(b) + 4) + payloadLength(b)) | 0
