/** bind, listen and connect (SO2, SO3): who may have which name: `node --import tsx examples/ports/run.ts`. */
import type { Process } from '../../src/host/process.ts'
import {
  AF_INET,
  IP_BIND_ADDRESS_NO_PORT,
  POLLOUT,
  SO_ERROR,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_IP,
  SOL_SOCKET,
} from '../../src/socket/constants.ts'
import { network, outcome, SERVER, say, speaker } from '../stage.ts'

const stream = (process: Process, flags = 0): number => process.socket(AF_INET, SOCK_STREAM | flags)
const bound = (process: Process, address: string, port: number): Promise<string> =>
  outcome(() => process.bind(stream(process), { address, port }))

async function ports(process: Process): Promise<void> {
  await say(process, `bind to 127.0.0.1 port 7000: ${await bound(process, '127.0.0.1', 7000)}`)
  await say(process, `another address, same port: ${await bound(process, SERVER, 7000)}`)
  await say(process, `any address, same port: ${await bound(process, '0.0.0.0', 7000)}`)
  await say(process, `an address of somebody else: ${await bound(process, '192.0.2.99', 7001)}`)

  const any = stream(process)
  process.bind(any, { port: 0 })
  const { port } = process.getsockname(any)
  await say(process, `port 0: one of the ephemeral ports 32768 to 60999: ${port >= 32768 && port <= 60999}`)
  const late = stream(process)
  process.setsockopt(late, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1)
  process.bind(late, { address: SERVER, port: 0 })
  await say(process, `IP_BIND_ADDRESS_NO_PORT: port ${process.getsockname(late).port} until connect`)
  const listener = stream(process)
  process.listen(listener, 1)
  await say(process, `listen without bind takes a port by itself: ${process.getsockname(listener).port >= 32768}`)

  const fd = stream(process, SOCK_NONBLOCK)
  await say(
    process,
    `connect that may not wait: ${await outcome(() => process.connect(fd, process.getsockname(listener)))}`,
  )
  await process.poll([{ fd, events: POLLOUT, revents: 0 }], -1)
  await say(process, `POLLOUT, and SO_ERROR says ${process.getsockopt(fd, SOL_SOCKET, SO_ERROR)}: connected`)
  const refused = stream(process)
  await say(
    process,
    `connect where nobody listens: ${await outcome(() => process.connect(refused, { address: SERVER, port: 9 }))}`,
  )

  process.seteuid(1000)
  await say(process, `port 80 as an ordinary user: ${await bound(process, '0.0.0.0', 80)}`)
}

const { net } = network()
net.host('server').spawn(ports, { output: speaker('server') })
await net.run()
