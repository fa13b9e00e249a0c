/** A socket under test: its four-tuple, and how the script's sequence numbers and timestamps map to the live ones. */

import type { Handle } from './handles.ts'
import type { View } from './wire-packet.ts'

export class Flow implements View {
  readonly isPassive: boolean
  /** The socket is one of datagrams. */
  isDatagram = false
  /** -1 until the first SYN of an active open shows it. */
  localPort: number
  remotePort: number
  /** Initial sequence numbers: ours as the script has it and as it is, the peer's (both the same). */
  scriptIsn = 0
  liveIsn = 0
  hasIsn = false
  remoteIsn = 0
  /** First outbound TS val: script's and live. */
  scriptTs = 0
  liveTs = 0
  hasTs = false
  /** Script val to live val of every outbound line. */
  readonly values: Map<number, number> = new Map()
  /** What the program holds of it; null before accept(). */
  handle: Handle | null = null

  constructor(isPassive: boolean, localPort: number, remotePort: number) {
    this.isPassive = isPassive
    this.localPort = localPort
    this.remotePort = remotePort
  }

  /** What to add to our sequence numbers of the script to have the live ones. */
  localOffset(isSyn: boolean): number {
    return isSyn ? (this.liveIsn - this.scriptIsn) | 0 : this.liveIsn
  }

  /** The same for the peer's. */
  remoteOffset(isSyn: boolean): number {
    return isSyn ? 0 : this.remoteIsn
  }

  seq(value: number, isSyn: boolean): number {
    return (value - this.localOffset(isSyn)) | 0
  }

  ack(value: number, isSyn: boolean): number {
    return (value - this.remoteOffset(isSyn)) | 0
  }

  val(value: number): number {
    return (value - this.liveTs + this.scriptTs) | 0
  }
}
