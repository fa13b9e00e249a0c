/** Messages and options (SO4, SO5, UD4): what recvmsg tells beside the bytes: `node --import tsx examples/messages/run.ts`. */
import type { Process } from '../../src/host/process.ts'
import type { ControlMessage } from '../../src/sock/message.ts'
import {
  AF_INET,
  AF_UNIX,
  IP_PKTINFO,
  IP_RECVTTL,
  IP_TTL,
  MSG_PEEK,
  MSG_TRUNC,
  O_CREAT,
  O_RDWR,
  SCM_RIGHTS,
  SO_RCVBUF,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_IP,
  SOL_SOCKET,
} from '../../src/socket/constants.ts'
import { bytes, network, SERVER, say, speaker, text } from '../stage.ts'

const PORT = 7000

async function messages(process: Process): Promise<void> {
  const receiver = process.socket(AF_INET, SOCK_DGRAM)
  process.bind(receiver, { port: PORT })
  process.setsockopt(receiver, SOL_IP, IP_PKTINFO, 1)
  process.setsockopt(receiver, SOL_IP, IP_RECVTTL, 1)
  process.setsockopt(receiver, SOL_SOCKET, SO_RCVBUF, 10000)
  await say(process, `SO_RCVBUF 10000 reads back ${process.getsockopt(receiver, SOL_SOCKET, SO_RCVBUF)}`)
  const sender = process.socket(AF_INET, SOCK_DGRAM)
  process.setsockopt(sender, SOL_IP, IP_TTL, 7)
  const to = { address: SERVER, port: PORT }
  // One datagram from two buffers.
  await process.sendmsg(sender, { name: to, iov: [bytes('head '), bytes('and tail')] })

  const peeked = new Uint8Array(4)
  const length = await process.recv(receiver, peeked, MSG_PEEK | MSG_TRUNC)
  await say(process, `MSG_PEEK|MSG_TRUNC into 4 bytes: "${text(peeked)}" of ${length}`)
  const name = { address: '', port: 0 }
  const control: ControlMessage[] = []
  const hdr = { name, iov: [new Uint8Array(5), new Uint8Array(4)], control, flags: 0 }
  const n = await process.recvmsg(receiver, hdr)
  await say(
    process,
    `recvmsg into 5 and 4 bytes: ${n}, "${hdr.iov.map(text).join('|')}", MSG_TRUNC ${(hdr.flags & MSG_TRUNC) !== 0}`,
  )
  for (const { level, type, data } of control) {
    const fields = typeof data === 'number' ? [data] : [...data]
    if (level === SOL_IP && type === IP_TTL) await say(process, `IP_TTL ${fields[0]}`)
    if (level === SOL_IP && type === IP_PKTINFO)
      await say(process, `IP_PKTINFO: interface ${fields[0]}, ${fields.length} fields`)
  }

  // A descriptor goes through a local socket, and refers to the same open file.
  const [left, right] = process.socketpair(AF_UNIX, SOCK_STREAM)
  const file = process.open('/tmp/passed', O_RDWR | O_CREAT, 0o600)
  await process.write(file, bytes('contents'))
  const rights: ControlMessage[] = [{ level: SOL_SOCKET, type: SCM_RIGHTS, data: [file] }]
  await process.sendmsg(left, { iov: [bytes('!')], control: rights })
  await process.close(file)
  const received: ControlMessage[] = []
  await process.recvmsg(right, { iov: [new Uint8Array(1)], control: received })
  const [passed = -1] = (received[0] as ControlMessage).data as number[]
  const buffer = new Uint8Array(16)
  const read = await process.pread(passed, buffer, 0)
  await say(process, `SCM_RIGHTS: descriptor ${passed} reads "${text(buffer.subarray(0, read))}"`)
  const [out, into] = process.socketpair(AF_UNIX, SOCK_STREAM)
  await say(process, `sendfile: ${await process.sendfile(out, passed, { offset: 0 }, 8)} bytes`)
  await say(process, `at the other end: ${await process.read(into, buffer)} bytes`)
}

const { net } = network()
net.host('server').spawn(messages, { output: speaker('server') })
await net.run()
