/** What assertions see: TCP_INFO and SO_MEMINFO of the socket under test at the moment of the event. */
import { fillTcpInfo, TcpInfo } from '../tcp/info.ts'
import { Tcb } from '../tcp/tcb.ts'
import { ScriptError } from './lexer.ts'
import type { World } from './world.ts'

export type Snapshot = ReadonlyMap<string, number>

/** Takes it; a ScriptError if the program has no descriptor of the socket. */
export function snapshot(world: World, line: number): Snapshot {
  const handle = world.flow?.handle
  if (handle?.kind !== 'socket' || handle.isClosed)
    throw new ScriptError(line, 'the socket under test has no live descriptor')
  const { sock } = handle.file
  const values = new Map<string, number>()
  if (sock instanceof Tcb) {
    const info = new TcpInfo()
    fillTcpInfo(sock, info)
    for (const [name, value] of Object.entries(info)) values.set(name, value as number)
  }
  values.set('SK_MEMINFO_RMEM_ALLOC', sock.rmemAlloc)
  values.set('SK_MEMINFO_RCVBUF', sock.rcvbuf)
  values.set('SK_MEMINFO_WMEM_ALLOC', 0)
  values.set('SK_MEMINFO_SNDBUF', sock.sndbuf)
  values.set('SK_MEMINFO_WMEM_QUEUED', sock.wmemQueued)
  return values
}
