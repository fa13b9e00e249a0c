/** accept4(2) with SOCK_NONBLOCK and SOCK_CLOEXEC beside plain accept(2), each flag looked at afterwards. */
import type { Process } from '../../src/host/process.ts'

import {
  AF_INET,
  F_GETFD,
  F_GETFL,
  FD_CLOEXEC,
  O_NONBLOCK,
  POLLIN,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../../src/socket/constants.ts'
import { bytes, outcome, say, text } from '../stage.ts'

/** Accepts two connections of a non-blocking listener, one with accept4, one with accept. */
export const acceptingServer = (port: number) =>
  async function server(process: Process): Promise<void> {
    const listener = process.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK)
    process.setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, 1)
    process.bind(listener, { port })
    process.listen(listener, 5)
    const flags = SOCK_NONBLOCK | SOCK_CLOEXEC
    await say(process, `accept4 with nobody there: ${await outcome(() => process.accept4(listener, null, flags))}`)

    await readable(process, listener)
    const quick = await process.accept4(listener, null, flags)
    await describe(process, 'accept4', quick)
    await say(process, `read before there is data: ${await outcome(() => process.read(quick, new Uint8Array(16)))}`)
    await readable(process, quick)
    const buffer = new Uint8Array(16)
    const n = await process.read(quick, buffer)
    await say(process, `read once poll says POLLIN: ${n} bytes, ${text(buffer.subarray(0, n))}`)

    await readable(process, listener)
    const plain = await process.accept(listener)
    // Linux, unlike BSD, hands down no flag of the listener.
    await describe(process, 'accept', plain)
    for (const fd of [quick, plain, listener]) await process.close(fd)
  }

/** Connects twice, talks late. */
export const acceptedClient = (address: string, port: number) =>
  async function client(process: Process): Promise<void> {
    const quick = process.socket(AF_INET, SOCK_STREAM)
    await process.connect(quick, { address, port })
    await process.sleep(0.2)
    await process.write(quick, bytes('at last'))
    const plain = process.socket(AF_INET, SOCK_STREAM)
    await process.connect(plain, { address, port })
    const buffer = new Uint8Array(1)
    await process.read(plain, buffer)
    for (const fd of [quick, plain]) await process.close(fd)
  }

async function readable(process: Process, fd: number): Promise<void> {
  await process.poll([{ fd, events: POLLIN, revents: 0 }], -1)
}

async function describe(process: Process, call: string, fd: number): Promise<void> {
  const nonBlocking = (process.fcntl(fd, F_GETFL) & O_NONBLOCK) !== 0
  const closeOnExec = (process.fcntl(fd, F_GETFD) & FD_CLOEXEC) !== 0
  await say(process, `${call}: O_NONBLOCK ${nonBlocking ? 'on' : 'off'}, FD_CLOEXEC ${closeOnExec ? 'on' : 'off'}`)
}
