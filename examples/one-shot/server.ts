/** The one-shot server: one connection, one request read, one answer written, the end. Every line is a system call. */
import type { Process } from '../../src/host/process.ts'
import { AF_INET } from '../../src/sock/address.ts'
import { SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET } from '../../src/sock/constants.ts'

const STDOUT = 1

/** A server of `answer` on `port`, for `host.spawn`. */
export const oneShotServer = (port: number, answer: Uint8Array) =>
  async function server(process: Process): Promise<number> {
    const listener = process.socket(AF_INET, SOCK_STREAM)
    process.setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, 1)
    process.bind(listener, { port })
    process.listen(listener, 5)

    const peer = { address: '', port: 0 }
    const connection = await process.accept(listener, peer)
    await process.write(STDOUT, text(`accepted ${peer.address}:${peer.port}`))

    const request = new Uint8Array(512)
    const n = await process.read(connection, request)
    await process.write(STDOUT, text(`read ${n} bytes: ${new TextDecoder().decode(request.subarray(0, n)).trim()}`))

    const sent = await process.write(connection, answer)
    await process.write(STDOUT, text(`wrote ${sent} bytes, closing`))
    await process.close(connection)
    await process.close(listener)
    return 0
  }

const text = (line: string): Uint8Array => new TextEncoder().encode(`${line}\n`)
