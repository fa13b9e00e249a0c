/** A TAP device in memory: Ethernet frames between a stack and a program; see tun.ts. */
import type { PacketPool } from '../buf/pool.ts'
import type { Clock } from '../sys/clock.ts'
import { Tun, type TunOptions } from './tun.ts'

export class Tap extends Tun {
  constructor(clock: Clock, pool: PacketPool, options: TunOptions = {}) {
    super(clock, pool, options, 'ethernet')
  }
}
