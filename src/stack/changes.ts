/** Who hears of changes of a host's interfaces, addresses, routes and neighbours (Linux's netdevice and inetaddr notifiers). */
import type { Interface, InterfaceAddress } from './interface.ts'
import type { Neighbor } from './neighbor.ts'
import type { Route } from './route.ts'

/** Events of an interface (linux/netdevice.h, NETDEV_). */
export const NETDEV_REGISTER = 5
export const NETDEV_UNREGISTER = 6
export const NETDEV_UP = 1
export const NETDEV_DOWN = 2
/** MTU, name, flags or hardware address changed. */
export const NETDEV_CHANGE = 4

/** Called when the change is made. Must not change anything itself. */
export interface ChangeListener {
  /** One of the NETDEV_ events; `change` has the IFF_ bits that a program or the administrator changed. */
  link?(at: Interface, event: number, change: number): void
  address?(at: Interface, entry: InterfaceAddress, isGone: boolean): void
  route?(route: Route, isGone: boolean): void
  neighbor?(entry: Neighbor, isGone: boolean): void
}

/** The listeners of one stack: with none, a change costs one look at a length. */
export class Changes {
  readonly listeners: ChangeListener[] = []

  link(at: Interface, event: number, change: number = 0): void {
    for (const listener of this.listeners) listener.link?.(at, event, change)
  }

  address(at: Interface, entry: InterfaceAddress, isGone: boolean): void {
    for (const listener of this.listeners) listener.address?.(at, entry, isGone)
  }

  route(route: Route, isGone: boolean): void {
    for (const listener of this.listeners) listener.route?.(route, isGone)
  }

  neighbor(entry: Neighbor, isGone: boolean): void {
    for (const listener of this.listeners) listener.neighbor?.(entry, isGone)
  }
}
