/** A repeater: every frame goes out of every other port (IEEE 802.3 clause 27, full duplex: no collisions). */
import type { Packet } from '../buf/packet.ts'
import type { Clock } from '../sys/clock.ts'
import { Fabric, type FabricOptions, type Port } from './fabric.ts'

export class Hub extends Fabric {
  constructor(clock: Clock, options: FabricOptions = {}) {
    super(clock, options)
  }

  protected override forward(packet: Packet, from: Port): void {
    this.flood(packet, from)
  }
}
