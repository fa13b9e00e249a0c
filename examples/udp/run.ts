/** UDP to one, to all, to a group, and connected (UD2, UD3): `node --import tsx examples/udp/run.ts`. */
import type { Process } from '../../src/host/process.ts'
import {
  AF_INET,
  AF_UNSPEC,
  IP_ADD_MEMBERSHIP,
  IP_MULTICAST_IF,
  SO_BROADCAST,
  SOCK_DGRAM,
  SOL_IP,
  SOL_SOCKET,
} from '../../src/socket/constants.ts'
import { membershipBytes } from '../../src/socket/multicast-options.ts'
import { bytes, CLIENT, network, outcome, SERVER, say, speaker, text } from '../stage.ts'

const PORT = 7000
const GROUP = '239.1.2.3'
const BROADCAST = '192.0.2.255'

/** A receiver; with the address of an interface it joins the group there. */
const listener = (memberAt?: string) =>
  async function listens(process: Process): Promise<void> {
    const fd = process.socket(AF_INET, SOCK_DGRAM)
    process.bind(fd, { port: PORT })
    if (memberAt !== undefined) {
      const request = membershipBytes(IP_ADD_MEMBERSHIP, { multiaddr: GROUP, address: memberAt })
      process.setsockopt(fd, SOL_IP, IP_ADD_MEMBERSHIP, request)
    }
    const buffer = new Uint8Array(64)
    for (;;) {
      const from = { address: '', port: 0 }
      const n = await process.recvfrom(fd, buffer, 0, from)
      await say(process, `"${text(buffer.subarray(0, n))}" from ${from.address}`)
    }
  }

async function sender(process: Process): Promise<void> {
  const fd = process.socket(AF_INET, SOCK_DGRAM)
  const send = (what: string, address: string): Promise<string> =>
    outcome(() => process.sendto(fd, bytes(what), 0, { address, port: PORT }))
  await say(process, `to one: ${await send('to one', SERVER)}`)
  await say(process, `to all without SO_BROADCAST: ${await send('to all', BROADCAST)}`)
  process.setsockopt(fd, SOL_SOCKET, SO_BROADCAST, 1)
  await say(process, `to all with it: ${await send('to all', BROADCAST)}`)
  const by = membershipBytes(IP_MULTICAST_IF, { multiaddr: GROUP, address: CLIENT })
  process.setsockopt(fd, SOL_IP, IP_MULTICAST_IF, by)
  await say(process, `to a group: ${await send('to a group', GROUP)}`)
  await process.sleep(0.1)

  process.connect(fd, { address: SERVER, port: 9 })
  await process.send(fd, bytes('anybody there?'))
  const buffer = new Uint8Array(16)
  await say(process, `connected to a port without a socket: ${await outcome(() => process.recv(fd, buffer))}`)
  process.connect(fd, { family: AF_UNSPEC })
  await say(process, `AF_UNSPEC takes the peer away: ${await outcome(() => process.send(fd, bytes('x')))}`)
}

const { net, lan } = network()
net.plug(lan, 'other 192.0.2.3/24', 'delay=5ms')
net.host('server').spawn(listener(SERVER), { output: speaker('server') })
net.host('other').spawn(listener(), { output: speaker('other') })
net.host('client').spawn(sender, { output: speaker('client') })
await net.run(undefined, 2e6)
