/** IPv4 address conflict detection, RFC 5227. (Linux leaves it to DHCP clients and systemd-networkd.) */
import type { Packet } from '../buf/packet.ts'
import type { Arp } from './arp.ts'
import type { Interface } from './interface.ts'
import type { Stack } from './stack.ts'

export class Conflicts {
  readonly #stack: Stack
  readonly #arp: Arp
  constructor(stack: Stack, arp: Arp) {
    this.#stack = stack
    this.#arp = arp
  }
  look(_at: Interface, _packet: Packet): void {}
  forget(_at: Interface, _address: number): void {
    void this.#stack
    void this.#arp
  }
}
