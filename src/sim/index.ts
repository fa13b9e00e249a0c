/** The './sim' entry: whole networks in virtual time. */
export { type Faults, Network, type NetworkOptions } from './network.ts'
