/** The './link' entry: links in memory, and what can be put around any link. */

export { CableEnd, type CableOptions, cable } from './cable.ts'
export { Fabric, type FabricOptions, MAX_PORTS, Port, type PortOptions } from './fabric.ts'
export { Gro } from './gro.ts'
export { completeChecksum, conform, linearize, mustConform, segment } from './gso.ts'
export { Hub } from './hub.ts'
export { ImpairedLink, type ImpairOptions, impair } from './impair.ts'
export { Channel } from './impair-channel.ts'
export { type ImpairSpec, parseImpairSpec } from './impair-spec.ts'
export {
  type BurstLoss,
  DEFAULT_QUEUE_PACKETS,
  type Distribution,
  type Impairment,
  type ImpairReason,
  ImpairStats,
  MAX_IN_FLIGHT,
} from './impairment.ts'
export * from './link.ts'
export { LOOPBACK_MTU, Loopback, type LoopbackOptions } from './loopback.ts'
export {
  type ByteSink,
  DIRECTION_IN,
  DIRECTION_OUT,
  DIRECTION_UNKNOWN,
  LINKTYPE_ETHERNET,
  LINKTYPE_RAW,
  MemorySink,
  type PacketWriter,
  PcapngWriter,
  type PcapOptions,
  PcapWriter,
  SNAPLEN,
  wireBytes,
} from './pcap.ts'
export {
  type CapturedPacket,
  type CaptureInterface,
  CaptureReader,
  MAX_CAPTURED,
  MAX_INTERFACES,
} from './pcap-reader.ts'
export { FRAME_OVERHEAD, LINK_BATCH, LINK_QUEUE, LinkStats, PacketQueue } from './queue.ts'
export { capture, type SniffListener, sniff } from './sniffer.ts'
export { AGEING_SECONDS, MAC_TABLE_SIZE, type MacEntry, Switch, type SwitchOptions } from './switch.ts'
export { Tap } from './tap.ts'
export { TUN_QUEUE, Tun, type TunOptions } from './tun.ts'
