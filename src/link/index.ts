/** The './link' entry: links in memory, and what can be put around any link. */
export * from './link.ts'
export { cable, CableEnd, type CableOptions } from './cable.ts'
export { Loopback, LOOPBACK_MTU, type LoopbackOptions } from './loopback.ts'
export { Fabric, type FabricOptions, MAX_PORTS, Port, type PortOptions } from './fabric.ts'
export { Hub } from './hub.ts'
export { AGEING_SECONDS, MAC_TABLE_SIZE, type MacEntry, Switch, type SwitchOptions } from './switch.ts'
export { Tun, TUN_QUEUE, type TunOptions } from './tun.ts'
export { Tap } from './tap.ts'
export { FRAME_OVERHEAD, LINK_BATCH, LINK_QUEUE, LinkStats, PacketQueue } from './queue.ts'
export { capture, sniff, type SniffListener } from './sniffer.ts'
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
export { type CapturedPacket, type CaptureInterface, CaptureReader, MAX_CAPTURED, MAX_INTERFACES } from './pcap-reader.ts'
export { impair, ImpairedLink, type ImpairOptions } from './impair.ts'
export { Channel, MAX_IN_FLIGHT } from './impair-channel.ts'
export {
  type BurstLoss,
  DEFAULT_QUEUE_PACKETS,
  type Distribution,
  type Impairment,
  type ImpairReason,
  ImpairStats,
} from './impairment.ts'
export { type ImpairSpec, parseImpairSpec } from './impair-spec.ts'
export { completeChecksum, conform, linearize, mustConform, segment } from './gso.ts'
export { Gro } from './gro.ts'
