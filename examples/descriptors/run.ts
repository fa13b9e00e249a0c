/** Descriptors (SO1, SO8): the lowest free number, flags, one set of calls for all kinds: `node --import tsx examples/descriptors/run.ts`. */
import type { Process } from '../../src/host/process.ts'
import {
  AF_INET,
  AF_UNIX,
  F_GETFD,
  FD_CLOEXEC,
  FIONREAD,
  O_CREAT,
  O_RDWR,
  POLLIN,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_STREAM,
} from '../../src/socket/constants.ts'
import { bytes, network, outcome, say, speaker, text } from '../stage.ts'

async function descriptors(process: Process): Promise<void> {
  const first = process.socket(AF_INET, SOCK_STREAM)
  const second = process.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC)
  await say(process, `0, 1 and 2 are the terminal: socket() gives ${first}, then ${second}`)
  const isClosing = (process.fcntl(second, F_GETFD) & FD_CLOEXEC) !== 0
  await say(process, `SOCK_CLOEXEC sets FD_CLOEXEC of ${second}: ${isClosing}`)
  await process.close(first)
  await say(process, `${first} is closed: dup(${second}) gives ${process.dup(second)}`)
  await say(process, `a family without sockets: ${await outcome(() => process.socket(0, SOCK_STREAM))}`)

  const pairs: Record<string, readonly [number, number]> = {
    'socket pair': process.socketpair(AF_UNIX, SOCK_STREAM),
    pipe: [...process.pipe()].reverse() as [number, number],
    file: [process.open('/tmp/file', O_RDWR | O_CREAT, 0o644), process.open('/tmp/file', O_RDWR)],
  }
  for (const [kind, [to, from]] of Object.entries(pairs)) {
    await process.write(to, bytes('same calls'))
    const ready = await process.poll([{ fd: from, events: POLLIN, revents: 0 }], 0)
    const queued = process.ioctl(from, FIONREAD)
    const buffer = new Uint8Array(64)
    const n = await process.read(from, buffer)
    await say(process, `${kind}: poll ${ready}, FIONREAD ${queued}, read "${text(buffer.subarray(0, n))}"`)
  }
}

const { net } = network()
net.host('server').spawn(descriptors, { output: speaker('process') })
await net.run()
