/** A server that ends and starts again at once: bind(2), SO_REUSEADDR and TIME_WAIT (socket(7), RFC 9293 §3.6.1). */
import type { Process } from '../../src/host/process.ts'

import { AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET } from '../../src/socket/constants.ts'
import { bytes, outcome, say } from '../stage.ts'

/** Seconds of TIME_WAIT on Linux: twice an MSL of 30 s. */
const TIME_WAIT = 60

/**
 * Serves one client, closes first, and tries to get its port back in all ways. `patience`: whether it also waits until
 * TIME_WAIT is over.
 */
export const restartingServer = (port: number, patience: boolean) =>
  async function server(process: Process): Promise<void> {
    const first = listener(process, port, true)
    const connection = await process.accept(first)
    await process.write(connection, bytes('bye'))
    // Who closes first keeps the connection in TIME_WAIT.
    await process.close(connection)
    await say(process, `bind with SO_REUSEADDR while the old listener is open: ${await tryListen(process, port, true)}`)
    await process.close(first)
    await process.sleep(0.2)
    await say(process, `bind without SO_REUSEADDR after the restart: ${await tryListen(process, port, false)}`)
    await say(process, `bind with SO_REUSEADDR after the restart: ${await tryListen(process, port, true)}`)
    if (!patience) return
    await process.sleep(TIME_WAIT)
    await say(process, `bind without SO_REUSEADDR ${TIME_WAIT} s later: ${await tryListen(process, port, false)}`)
  }

/** Reads to the end and closes. */
export const restartingClient = (address: string, port: number) =>
  async function client(process: Process): Promise<void> {
    const fd = process.socket(AF_INET, SOCK_STREAM)
    await process.connect(fd, { address, port })
    const buffer = new Uint8Array(16)
    while ((await process.read(fd, buffer)) > 0);
    await process.close(fd)
  }

function listener(process: Process, port: number, reuse: boolean): number {
  const fd = process.socket(AF_INET, SOCK_STREAM)
  try {
    if (reuse) process.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    process.bind(fd, { port })
    process.listen(fd, 5)
    return fd
  } catch (error) {
    process.close(fd)
    throw error
  }
}

const tryListen = (process: Process, port: number, reuse: boolean): Promise<string> =>
  outcome(async () => {
    await process.close(listener(process, port, reuse))
    return 'done'
  })
