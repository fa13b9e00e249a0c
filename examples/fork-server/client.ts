/** The endless client: connects and sends "data : i" every second. */
import type { Process } from '../../src/host/process.ts'
import { AF_INET, SOCK_STREAM } from '../../src/socket/constants.ts'
import { bytes } from '../stage.ts'

/** A client of the server at `address` and `port` that never ends by itself, or after `count` lines. */
export const endlessClient = (address: string, port: number, count: number = Infinity) =>
  async function client(process: Process): Promise<void> {
    const fd = process.socket(AF_INET, SOCK_STREAM)
    await process.connect(fd, { address, port })
    for (let i = 0; i < count; i++) {
      await process.write(fd, bytes(`data : ${i}\n`))
      await process.sleep(1)
    }
    await process.close(fd)
  }
