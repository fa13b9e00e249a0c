/** The one-shot client: connects, writes one request, reads to the end of the answer, closes. */
import type { Process } from '../../src/host/process.ts'
import { AF_INET } from '../../src/sock/address.ts'
import { SOCK_STREAM } from '../../src/sock/constants.ts'

const STDOUT = 1
/** Seconds the client takes over the whole answer before it closes: its FIN then goes apart from its last ACK. */
const THINKING = 0.25

/** A client of the server at `address` and `port`, for `host.spawn`. */
export const oneShotClient = (address: string, port: number, request: string) =>
  async function client(process: Process): Promise<number> {
    const fd = process.socket(AF_INET, SOCK_STREAM)
    await process.connect(fd, { address, port })
    await process.write(STDOUT, text(`connected to ${address}:${port}`))
    await process.write(fd, text(request))

    const buffer = new Uint8Array(4096)
    let total = 0
    for (;;) {
      const n = await process.read(fd, buffer)
      if (n === 0) break
      total += n
    }
    await process.write(STDOUT, text(`read ${total} bytes and the end of the stream`))
    await process.sleep(THINKING)
    await process.close(fd)
    return 0
  }

const text = (line: string): Uint8Array => new TextEncoder().encode(`${line}\n`)
