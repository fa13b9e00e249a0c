/** Workers forked in advance that all sleep in accept(2) on one listener: the kernel wakes one for each connection. */
import type { Process } from '../../src/host/process.ts'
import { AF_INET, SIGTERM, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET } from '../../src/socket/constants.ts'
import { say } from '../stage.ts'

export interface PreForkOptions {
  readonly port: number
  readonly workers: number
  /** Seconds until it ends its workers. */
  readonly seconds: number
}

/** Makes the listener, forks the workers, and after a while ends them with SIGTERM and waits for them. */
export const preForkServer = ({ port, workers, seconds }: PreForkOptions) =>
  async function server(process: Process): Promise<void> {
    const listener = process.socket(AF_INET, SOCK_STREAM)
    process.setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, 1)
    process.bind(listener, { port })
    process.listen(listener, 16)
    for (let i = 0; i < workers; i++) process.fork((child) => worker(child, listener))
    await say(process, `the listener has ${process.files.get(listener)?.refs} references`)
    await process.close(listener)

    await process.sleep(seconds)
    // The signal goes to the whole group, itself included.
    process.sigaction(SIGTERM, { handler: () => {} })
    process.kill(0, SIGTERM)
    for (let i = 0; i < workers; i++) await process.wait()
    await say(process, `${workers} workers were waited for`)
  }

/** Serves one connection after the other, echoing; on SIGTERM it says how many. */
async function worker(child: Process, listener: number): Promise<void> {
  let served = 0
  child.sigaction(SIGTERM, {
    handler: async () => {
      await say(child, `worker ${child.pid} served ${served} connections`)
      child.exit(0)
    },
  })
  const buffer = new Uint8Array(1024)
  for (;;) {
    const connection = await child.accept(listener)
    served++
    for (let n = await child.read(connection, buffer); n > 0; n = await child.read(connection, buffer)) {
      await child.write(connection, buffer, 0, n)
    }
    await child.close(connection)
  }
}
