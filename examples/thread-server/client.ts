/** The endless client: `data : 0`, `data : 1`, … and what comes back must be the same. It ends when it is told to. */
import type { Process } from '../../src/host/process.ts'
import { AF_INET, SOCK_STREAM } from '../../src/socket/constants.ts'

export interface ClientOptions {
  readonly address: string
  readonly port: number
  /** Between two lines. */
  readonly seconds: number
  /** Asked after each line; `lines` have come back so far. */
  readonly isEnough: (lines: number) => boolean
}

/** A client for `host.spawn`: exit code 0 if every byte that came back was right. */
export const endlessClient = ({ address, port, seconds, isEnough }: ClientOptions) =>
  async function client(p: Process): Promise<number> {
    const fd = p.socket(AF_INET, SOCK_STREAM)
    await p.connect(fd, { address, port })
    const buffer = new Uint8Array(512)
    for (let i = 0; ; i++) {
      const line = `data : ${i}\n`
      await p.write(fd, new TextEncoder().encode(line))
      let echo = ''
      while (echo.length < line.length) {
        const n = await p.read(fd, buffer)
        if (n === 0) return 1
        echo += new TextDecoder().decode(buffer.subarray(0, n))
      }
      if (echo !== line) return 1
      if (isEnough(i + 1)) break
      await p.sleep(seconds)
    }
    await p.close(fd)
    return 0
  }
