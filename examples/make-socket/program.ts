/** PR7: `make_socket(port)`: a stream socket with a name, and what the kernel says when it cannot have that name. */
import { htonl, htons } from '../../src/addr/byte-order.ts'
import type { Process } from '../../src/host/process.ts'
import { AF_INET, INADDR_ANY, PF_INET, SOCK_STREAM } from '../../src/socket/constants.ts'
import { encodeSockaddr } from '../../src/socket/sockaddr.ts'
import { outcome, say } from '../stage.ts'

/** A stream socket bound to `port` on all addresses of the host: its descriptor. Throws what socket(2) or bind(2) say. */
export function makeSocket(process: Process, port: number): number {
  const fd = process.socket(PF_INET, SOCK_STREAM, 0)
  const name = encodeSockaddr({ sin_family: AF_INET, sin_port: htons(port), sin_addr: htonl(INADDR_ANY) })
  process.bind(fd, name)
  return fd
}

/** Makes sockets on a port, on it again, on a privileged one, and on any. */
export async function makeSockets(process: Process): Promise<void> {
  const fd = makeSocket(process, 7777)
  await say(process, `make_socket(7777) = ${fd}`)
  await show(process, fd)
  await say(process, `make_socket(7777) once more: ${await outcome(() => makeSocket(process, 7777))}`)
  const any = makeSocket(process, 0)
  const { address, port } = process.getsockname(any)
  await say(
    process,
    `make_socket(0) = ${any}, named ${address}:${port >= 32768 && port <= 60999 ? 'an ephemeral port' : port}`,
  )
  const root = makeSocket(process, 80)
  await say(process, `make_socket(80) as root = ${root}`)
  process.seteuid(1000)
  await say(process, `make_socket(81) as user 1000: ${await outcome(() => makeSocket(process, 81))}`)
}

async function show(process: Process, fd: number): Promise<void> {
  const { address, port } = process.getsockname(fd)
  await say(process, `descriptor ${fd} is named ${address}:${port}`)
}
