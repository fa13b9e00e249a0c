/** Raw, packet and ping sockets (SO9): an echo request made by hand, and who sees it: `node --import tsx examples/raw/run.ts`. */
import type { Process } from '../../src/host/process.ts'
import { ETH_P_ALL } from '../../src/packet/constants.ts'
import { AF_INET, AF_PACKET, IPPROTO_ICMP, MSG_DONTWAIT, SOCK_DGRAM, SOCK_RAW } from '../../src/socket/constants.ts'
import { checksum, dissect } from '../../src/wire/index.ts'
import { CLIENT, network, outcome, SERVER, say, speaker } from '../stage.ts'

/** Network order of an EtherType, as socket(2) wants it. */
const htons = (n: number): number => ((n & 0xff) << 8) | (n >> 8)

/** An ICMP echo request (RFC 792) of eight bytes and a little. */
function echoRequest(id: number, sequence: number): Uint8Array {
  const packet = Uint8Array.of(
    8,
    0,
    0,
    0,
    id >> 8,
    id & 0xff,
    0,
    sequence,
    ...'by hand'.split('').map((c) => c.charCodeAt(0)),
  )
  const sum = checksum.fold(checksum.sumBytes(packet, 0, packet.length, 0)) ^ 0xffff
  packet.set([sum >> 8, sum & 0xff], 2)
  return packet
}

async function pinger(process: Process): Promise<void> {
  const tap = process.socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL))
  const raw = process.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)
  await process.sendto(raw, echoRequest(77, 1), 0, { address: SERVER, port: 0 })
  const packet = new Uint8Array(128)
  const from = { address: '', port: 0 }
  const n = await process.recvfrom(raw, packet, 0, from)
  // A raw socket gets the IP header, too.
  await say(process, `raw socket: ${n} bytes from ${from.address}, ICMP type ${packet[20]}: the reply`)
  for (let length = 1; length > 0; ) {
    const frame = new Uint8Array(256)
    length = Number(await outcome(() => process.recv(tap, frame, MSG_DONTWAIT)).then((r) => (r === 'EAGAIN' ? 0 : r)))
    if (length > 0) await say(process, `packet socket: ${dissect(frame.subarray(0, length)).line}`)
  }
  process.seteuid(1000)
  await say(
    process,
    `raw socket as an ordinary user: ${await outcome(() => process.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP))}`,
  )
  await say(
    process,
    `ping socket, not allowed by ping_group_range: ${await outcome(() => process.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP))}`,
  )
  process.host.setSysctl('net.ipv4.ping_group_range', [0, 2147483647])
  const ping = process.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP)
  await process.sendto(ping, echoRequest(0, 2), 0, { address: CLIENT, port: 0 })
  await say(process, `ping socket: ${await process.recv(ping, packet)} bytes, ICMP type ${packet[0]}`)
}

const { net } = network()
net.host('client').spawn(pinger, { output: speaker('client') })
await net.run()
