/** Sockets with promises and async iterators, over the system calls of a `Process`. */

export {
  CHUNK_SIZE,
  type ChunkOptions,
  Connection,
  type ConnectOptions,
  connect,
  type ReadOptions,
  UnexpectedEnd,
} from './connection.ts'
export { bind, type Datagram, type DatagramOptions, DatagramSocket, type ReceiveOptions } from './datagram.ts'
export { Descriptor, type SocketOption, type SocketOptions } from './descriptor.ts'
export { asyncDispose } from './dispose.ts'
export type { WaitOptions } from './lane.ts'
export { Listener, type ListenOptions, listen } from './listener.ts'
