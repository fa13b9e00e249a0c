/**
 * close(2) against shutdown(2), how 0, 1 and 2: on each side of a connection one loop reads and one writes; the client ends
 * its side in the middle, and everybody tells what its calls gave.
 */
import type { Process } from '../../src/host/process.ts'
import { AF_INET, MSG_NOSIGNAL, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET } from '../../src/socket/constants.ts'
import { bytes, outcome, say, text } from '../stage.ts'

/** The client's ways to end: `close`, or shutdown's `how`. */
export type Ending = 'close' | 0 | 1 | 2

/** Seconds: each side writes on even tenths of its own; the client ends its side between two of them. */
const CLIENT_WRITES = [0.1, 0.5, 0.7]
const SERVER_WRITES = [0.15, 0.45, 0.75, 0.95]
const ENDING_AT = 0.3
const OVER_AT = 1.2

export const chattyServer = (port: number) =>
  async function server(process: Process): Promise<void> {
    const listener = process.socket(AF_INET, SOCK_STREAM)
    process.setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, 1)
    process.bind(listener, { port })
    process.listen(listener, 5)
    const fd = await process.accept(listener)
    await Promise.all([reader(process, fd), writer(process, fd, SERVER_WRITES)])
    await process.close(fd)
    await process.close(listener)
  }

export const endingClient = (address: string, port: number, ending: Ending) =>
  async function client(process: Process): Promise<void> {
    const fd = process.socket(AF_INET, SOCK_STREAM)
    await process.connect(fd, { address, port })
    const end = async (): Promise<void> => {
      await process.sleep(ENDING_AT)
      if (ending === 'close') {
        await process.close(fd)
        await say(process, 'close')
      } else {
        process.shutdown(fd, ending)
        await say(process, `shutdown ${ending}`)
      }
    }
    // A close does not wake who reads: the connection ends when the last call that uses it has returned.
    await Promise.all([reader(process, fd), writer(process, fd, CLIENT_WRITES), end()])
    await process.sleep(OVER_AT - (CLIENT_WRITES.at(-1) as number))
    if (ending !== 'close') await process.close(fd)
  }

/** Reads until the end or an error. */
async function reader(process: Process, fd: number): Promise<void> {
  const buffer = new Uint8Array(64)
  for (;;) {
    const result = await outcome(() => process.read(fd, buffer))
    const got = Number(result) > 0 ? ` "${text(buffer.subarray(0, Number(result)))}"` : ''
    await say(process, `read -> ${result}${got}`)
    if (got === '') return
  }
}

/** Writes at its times. */
async function writer(process: Process, fd: number, times: readonly number[]): Promise<void> {
  let now = 0
  for (const [i, time] of times.entries()) {
    await process.sleep(time - now)
    now = time
    const word = `${process.name[0]}${i + 1}`
    // MSG_NOSIGNAL: else SIGPIPE would end the program before it could tell.
    await say(process, `write "${word}" -> ${await outcome(() => process.send(fd, bytes(word), MSG_NOSIGNAL))}`)
  }
}
