/** RST, urgent data, full queues (TC14, TC16, TC5): `node --import tsx examples/reset/run.ts`. */
import type { Process } from '../../src/host/process.ts'
import {
  AF_INET,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_OOB,
  SIOCATMARK,
  SO_LINGER,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../../src/socket/constants.ts'
import { bytes, network, outcome, SERVER, say, speaker, text } from '../stage.ts'

/** Four listeners, each treating its one connection in another way. */
const RUDE = 7001
const UNREAD = 7002
const URGENT = 7003
const FULL = 7004

const listener = (process: Process, port: number, backlog: number): number => {
  const fd = process.socket(AF_INET, SOCK_STREAM)
  process.bind(fd, { port })
  process.listen(fd, backlog)
  return fd
}

async function server(process: Process): Promise<void> {
  const [rude, unread, urgent] = [RUDE, UNREAD, URGENT].map((port) => listener(process, port, 5)) as [
    number,
    number,
    number,
  ]
  listener(process, FULL, 1)
  const first = await process.accept(rude)
  process.setsockopt(first, SOL_SOCKET, SO_LINGER, { onoff: 1, linger: 0 })
  await process.close(first)
  const second = await process.accept(unread)
  await process.sleep(0.1)
  await process.close(second)
  const third = await process.accept(urgent)
  await process.sleep(0.1)
  const buffer = new Uint8Array(16)
  const n = await process.read(third, buffer)
  await say(
    process,
    `read stops before the mark: "${text(buffer.subarray(0, n))}", SIOCATMARK ${process.ioctl(third, SIOCATMARK)}`,
  )
  await process.recv(third, buffer, MSG_OOB)
  await say(process, `MSG_OOB: "${text(buffer.subarray(0, 1))}"`)
  const rest = await process.read(third, buffer)
  await say(process, `then "${text(buffer.subarray(0, rest))}"`)
  await process.sleep(2)
}

async function client(process: Process): Promise<void> {
  const connected = async (port: number): Promise<number> => {
    const fd = process.socket(AF_INET, SOCK_STREAM)
    await process.connect(fd, { address: SERVER, port })
    return fd
  }
  await say(process, `connect to a closed port: ${await outcome(() => connected(9))}`)
  const buffer = new Uint8Array(16)
  const rude = await connected(RUDE)
  await say(process, `the peer closes with SO_LINGER 0: read ${await outcome(() => process.read(rude, buffer))}`)
  const unread = await connected(UNREAD)
  await process.write(unread, bytes('never read'))
  await say(process, `the peer closes with data unread: read ${await outcome(() => process.read(unread, buffer))}`)
  await say(process, `and write: ${await outcome(() => process.send(unread, bytes('x'), MSG_NOSIGNAL))}`)
  const urgent = await connected(URGENT)
  await process.send(urgent, bytes('calm'))
  await process.send(urgent, bytes('!'), MSG_OOB)
  await process.send(urgent, bytes('calm again'))
  await process.sleep(0.5)
  // A backlog of 1 holds two; the third connection's last ACK is not heard.
  const fds = Array.from({ length: 3 }, () => process.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK))
  for (const fd of fds) await outcome(() => process.connect(fd, { address: SERVER, port: FULL }))
  await process.sleep(0.1)
  const states = await Promise.all(fds.map((fd) => outcome(() => process.getpeername(fd).port)))
  await say(process, `three connections at a backlog of 1: ${states.join(', ')}`)
  await say(process, `waiting in recv: ${await outcome(() => process.recv(fds[0] as number, buffer, MSG_DONTWAIT))}`)
}

const { net } = network()
net.host('server').spawn(server, { output: speaker('server') })
net.host('client').spawn(client, { output: speaker('client') })
await net.run(undefined, 5e6)
