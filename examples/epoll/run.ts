/** epoll (CO4): level and edge, ONESHOT, a lost wake-up, starvation, EXCLUSIVE: `node --import tsx examples/epoll/run.ts`. */
import type { Process } from '../../src/host/process.ts'
import {
  AF_UNIX,
  EPOLL_CTL_ADD,
  EPOLL_CTL_MOD,
  EPOLLET,
  EPOLLEXCLUSIVE,
  EPOLLIN,
  EPOLLONESHOT,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from '../../src/socket/constants.ts'
import type { EpollEvent } from '../../src/socket/epoll.ts'
import { bytes, network, say, speaker } from '../stage.ts'

/** A set with one end of a socket pair in it; how many events a wait gives at once. */
function setOf(process: Process, events: number): { writer: number; reader: number; ep: number; ready: () => number } {
  const [writer, reader] = process.socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK)
  const ep = process.epoll_create1()
  process.epoll_ctl(ep, EPOLL_CTL_ADD, reader, { events })
  return { writer, reader, ep, ready: () => process.epoll_wait(ep, [], 8, 0) as number }
}

async function modes(process: Process): Promise<void> {
  const one = new Uint8Array(1)
  const level = setOf(process, EPOLLIN)
  await process.write(level.writer, bytes('abc'))
  await process.read(level.reader, one)
  await say(process, `level: ${level.ready()}, ${level.ready()} as long as something is left to read`)

  const edge = setOf(process, EPOLLIN | EPOLLET)
  await process.write(edge.writer, bytes('abc'))
  await say(process, `edge: ${edge.ready()} when it arrives, ${edge.ready()} later`)
  await process.read(edge.reader, one)
  await say(process, `edge, two bytes unread: ${edge.ready()}: who does not read to EAGAIN has lost the wake-up`)
  await process.write(edge.writer, bytes('d'))
  await say(process, `edge, one more arrives: ${edge.ready()}`)

  const once = setOf(process, EPOLLIN | EPOLLONESHOT)
  await process.write(once.writer, bytes('a'))
  await say(process, `ONESHOT: ${once.ready()}, then ${once.ready()} until armed again`)
  process.epoll_ctl(once.ep, EPOLL_CTL_MOD, once.reader, { events: EPOLLIN | EPOLLONESHOT })
  await say(process, `ONESHOT, armed again: ${once.ready()}`)

  const outer = process.epoll_create1()
  process.epoll_ctl(outer, EPOLL_CTL_ADD, level.ep, { events: EPOLLIN })
  await say(process, `a set in a set: ${process.epoll_wait(outer, [], 8, 0)}`)
}

/** A busy descriptor must not keep the others waiting: the ready list turns round. */
async function starvation(process: Process): Promise<void> {
  const ep = process.epoll_create1()
  const names = ['busy', 'quiet', 'patient']
  for (const data of names) {
    const [writer, reader] = process.socketpair(AF_UNIX, SOCK_STREAM)
    process.epoll_ctl(ep, EPOLL_CTL_ADD, reader, { events: EPOLLIN, data })
    await process.write(writer, bytes('x'))
  }
  const served: unknown[] = []
  for (let i = 0; i < 3; i++) {
    const events: EpollEvent[] = []
    await process.epoll_wait(ep, events, 1, 0)
    served.push(events[0]?.data)
  }
  await say(process, `one event at a time, nothing read: ${served.join(', ')}`)
}

/** Of several that wait for one descriptor, EXCLUSIVE wakes one. */
async function herd(process: Process, exclusive: number): Promise<void> {
  const [writer, reader] = process.socketpair(AF_UNIX, SOCK_STREAM)
  let woken = 0
  const waiters = Array.from({ length: 4 }, async () => {
    const ep = process.epoll_create1()
    process.epoll_ctl(ep, EPOLL_CTL_ADD, reader, { events: EPOLLIN | exclusive })
    const ready = await process.epoll_wait(ep, [], 1, 100)
    woken += ready
  })
  await process.sleep(0.01)
  await process.write(writer, bytes('x'))
  await Promise.all(waiters)
  await say(process, `four sets wait for one socket${exclusive === 0 ? '' : ', EPOLLEXCLUSIVE'}: ${woken} woken`)
}

const { net } = network()
net.host('server').spawn(
  async (process) => {
    await modes(process)
    await starvation(process)
    await herd(process, 0)
    await herd(process, EPOLLEXCLUSIVE)
  },
  { output: speaker('server') },
)
await net.run()
