/** One run of one cell: two ends on our impaired cable, one connection, the bytes that came within so many seconds. */
import type { Packet } from '../../src/buf/packet.ts'
import { Host } from '../../src/host/host.ts'
import type { Process, Program } from '../../src/host/process.ts'
import { cable } from '../../src/link/cable.ts'
import { type ImpairedLink, impair } from '../../src/link/impair.ts'
import { F_WIRE, type Link } from '../../src/link/link.ts'
import { AF_INET, SO_LINGER, SOCK_STREAM, SOL_SOCKET, SOL_TCP, TCP_CONGESTION } from '../../src/socket/constants.ts'
import { type Clock, FunctionTimer } from '../../src/sys/clock.ts'
import { Random } from '../../src/sys/random.ts'
import { CELLS, nameOf, queuePackets, type Run, rateOf } from './cell.ts'

const BUFFER = 65536
/** How much longer than the receiver the sender goes on. */
export const GRACE = 0.3

/** An end of the path for one run. */
export interface End {
  readonly link: Link
  readonly address: string
  /** Listens; what it resolves to at once resolves in turn to the bytes read within `seconds` of the connection's coming. */
  receive(port: number, seconds: number): Promise<{ readonly bytes: Promise<number> }>
  /** Sends for `seconds`, then resets. */
  send(address: string, port: number, congestion: string, seconds: number): Promise<unknown>
}

/** An end of ours: a host made for the run. */
export function ourEnd(clock: Clock, random: Random, address: string): End {
  const host = new Host({ name: 'end', clock, random })
  const [near, far] = cable(clock, { features: F_WIRE })
  host.addInterface('eth0', near, { addresses: [`${address}/16`] })
  /** Ends `process` in so many seconds, whatever it waits for; its connection is reset. */
  const endIn = (process: Process, fd: number, seconds: number): void => {
    process.setsockopt(fd, SOL_SOCKET, SO_LINGER, { onoff: 1, linger: 0 })
    clock.start(new FunctionTimer(() => process.end(0)), clock.now() + seconds * 1e6)
  }
  let received = 0
  const receive = (port: number, seconds: number): Program => {
    return async (process) => {
      const listener = process.socket(AF_INET, SOCK_STREAM)
      process.bind(listener, { port })
      process.listen(listener, 1)
      const fd = await process.accept(listener)
      endIn(process, fd, seconds)
      const buffer = new Uint8Array(BUFFER)
      for (let n = -1; n !== 0; received += n) n = await process.read(fd, buffer)
    }
  }
  const send = (peer: string, port: number, congestion: string, seconds: number): Program => {
    return async (process) => {
      const fd = process.socket(AF_INET, SOCK_STREAM)
      process.setsockopt(fd, SOL_TCP, TCP_CONGESTION, congestion)
      await process.connect(fd, { address: peer, port })
      endIn(process, fd, seconds)
      const buffer = new Uint8Array(BUFFER)
      for (;;) await process.write(fd, buffer)
    }
  }
  return {
    link: far,
    address,
    receive: async (port, seconds) => ({ bytes: host.spawn(receive(port, seconds)).exited.then(() => received) }),
    send: (peer, port, congestion, seconds) => host.spawn(send(peer, port, congestion, seconds)).exited,
  }
}

/** All else takes a way without faults: one end asks for its neighbour's address, another knows it; data must meet the same. */
const isIpv4 = (packet: Packet): boolean =>
  packet.bytes[packet.start + 12] === 8 && packet.bytes[packet.start + 13] === 0

/** What is wrong with both ways; the same seed gives the same faults to every pair of a cell as long as it sends the same. */
function join(run: Run, clock: Clock, random: Random, sender: Link, receiver: Link): ImpairedLink[] {
  const delayMs = run.rttMs / 2
  const { loss, reorder } = run
  const toReceiver = impair(
    receiver,
    { delayMs, rate: rateOf(run), queuePackets: queuePackets(run), loss, reorder },
    clock,
    random,
  )
  const toSender = impair(sender, { delayMs }, clock, random)
  toReceiver.attach((packet) => (isIpv4(packet) ? toSender : sender).send(packet))
  toSender.attach((packet) => (isIpv4(packet) ? toReceiver : receiver).send(packet))
  return [toReceiver, toSender]
}

/** Plays a run between two ends. */
export async function play(run: Run, clock: Clock, sender: End, receiver: End, port: number): Promise<number> {
  const cell = CELLS.findIndex((c) => nameOf(c) === nameOf(run))
  const links = join(run, clock, new Random(run.seed, cell), sender.link, receiver.link)
  const { bytes } = await receiver.receive(port, run.seconds)
  const sent = sender.send(receiver.address, port, run.congestion, run.seconds + run.rttMs / 1000 + GRACE)
  const total = await bytes
  for (const link of links) link.set({ down: true })
  // A kernel's end waits for its next order only then.
  await sent
  return total
}
