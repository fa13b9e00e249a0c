/** A client of an echo server that takes its time. */
import type { Process } from '../../src/host/process.ts'
import { AF_INET, CLOCK_MONOTONIC, SOCK_STREAM } from '../../src/socket/constants.ts'
import { bytes, say, text } from '../stage.ts'

/** Sends a line a second, `lines` in all, and compares what comes back. Prints how long it took. */
export const echoClient = (name: string, address: string, port: number, lines: number) =>
  async function client(process: Process): Promise<number> {
    const began = process.clock_gettime(CLOCK_MONOTONIC)
    const fd = process.socket(AF_INET, SOCK_STREAM)
    await process.connect(fd, { address, port })
    let right = 0
    const buffer = new Uint8Array(256)
    for (let i = 1; i <= lines; i++) {
      const line = `${name} ${i}\n`
      await process.write(fd, bytes(line))
      let got = 0
      while (got < line.length) {
        const n = await process.read(fd, buffer, got)
        if (n === 0) throw new Error(`${name}: the echo ended early`)
        got += n
      }
      if (text(buffer.subarray(0, got)) === line) right++
      await process.sleep(1)
    }
    await process.close(fd)
    const now = process.clock_gettime(CLOCK_MONOTONIC)
    const took = now.sec - began.sec + (now.nsec - began.nsec) / 1e9
    await say(process, `${name}: ${right} of ${lines} lines came back, in ${took.toFixed(1)} s`)
    return right === lines ? 0 : 1
  }
