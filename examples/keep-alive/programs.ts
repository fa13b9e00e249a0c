/** Keep-alive tuned to 20 s and 1 s (tcp(7), RFC 1122 §4.2.3.6), and its three outcomes. */
import type { Process } from '../../src/host/process.ts'

import {
  AF_INET,
  SO_KEEPALIVE,
  SO_REUSEADDR,
  SOCK_STREAM,
  SOL_SOCKET,
  SOL_TCP,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
} from '../../src/socket/constants.ts'
import { outcome, say } from '../stage.ts'

/** Seconds of silence before the first probe, and between probes. */
export const IDLE = 20
export const INTERVAL = 1

/** Accepts one client and waits for what never comes. */
export const silentServer = (port: number) =>
  async function server(process: Process): Promise<void> {
    const listener = process.socket(AF_INET, SOCK_STREAM)
    process.setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, 1)
    process.bind(listener, { port })
    process.listen(listener, 5)
    const connection = await process.accept(listener)
    await process.read(connection, new Uint8Array(1))
    await process.close(connection)
    await process.close(listener)
  }

/** Tunes the probes and reads for `limit` seconds at most; prints the settings and how the read ended, and when. */
export const watchfulClient = (address: string, port: number, limit: number) =>
  async function client(process: Process): Promise<void> {
    const fd = process.socket(AF_INET, SOCK_STREAM)
    await process.connect(fd, { address, port })
    await say(process, `as Linux has it: ${settings(process, fd)}`)
    process.setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, 1)
    process.setsockopt(fd, SOL_TCP, TCP_KEEPIDLE, IDLE)
    process.setsockopt(fd, SOL_TCP, TCP_KEEPINTVL, INTERVAL)
    await say(process, `tuned: ${settings(process, fd)}`)
    if (limit > 0) {
      const begin = process.clock_gettime(1)
      const read = outcome(() => process.read(fd, new Uint8Array(1)))
      const end = await Promise.race([read, process.sleep(limit).then(() => 'still waiting')])
      await say(process, `read after ${Math.round(process.clock_gettime(1).sec - begin.sec)} s: ${end}`)
    }
    process.exit(0)
  }

function settings(process: Process, fd: number): string {
  const on = process.getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE)
  const [idle, interval, count] = [TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT].map((name) =>
    process.getsockopt(fd, SOL_TCP, name),
  )
  return `SO_KEEPALIVE ${on}, first probe after ${idle} s, then every ${interval} s, ${count} probes`
}
