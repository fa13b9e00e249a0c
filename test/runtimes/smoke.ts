/**
 * The smoke suite of every runtime: `node smoke.ts` (22.18 and later; 20 with tsx), `bun smoke.ts`, `deno run -A smoke.ts`. No test
 * runner and no module of Node: plain checks, a line `ok NAME` each, then the capture's SHA-256, which must be the same everywhere.
 */
import {
  AF_INET,
  CallGate,
  cable,
  F_WIRE,
  Host,
  MSG_DONTWAIT,
  Random,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SystemError,
  VirtualClock,
} from '../../src/index.ts'
import { platformRandom, RealClock, turn, Workers } from '../../src/platform/index.ts'
import { Network } from '../../src/sim/index.ts'
import { line } from '../../src/wire/dissect.ts'
import { scenario, sha256 } from '../determinism/capture.ts'

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(what)
}

async function ok(name: string, run: () => void | Promise<void>): Promise<void> {
  await run()
  console.log(`ok ${name}`)
}

/** Two hosts on a cable; on `clock` or on one of their own in virtual time. */
function pair(clock: VirtualClock | RealClock): [Host, Host] {
  const [a, b] = cable(clock, { features: F_WIRE })
  const client = new Host({ name: 'client', clock, random: new Random(1) })
  const server = new Host({ name: 'server', clock, random: new Random(2) })
  client.addInterface('eth0', a, { addresses: ['192.0.2.1/24'] })
  server.addInterface('eth0', b, { addresses: ['192.0.2.2/24'] })
  return [client, server]
}

/** One request and its echo over TCP; what came back. */
async function echo(client: Host, server: Host): Promise<string> {
  const serving = server.spawn(async (p) => {
    const listener = p.socket(AF_INET, SOCK_STREAM)
    p.bind(listener, { family: AF_INET, address: '0.0.0.0', port: 7 })
    p.listen(listener, 1)
    const fd = await p.accept(listener)
    const b = new Uint8Array(100)
    const n = await p.read(fd, b)
    await p.write(fd, b, 0, n)
    return 0
  })
  let text = ''
  const asking = client.spawn(async (p) => {
    const fd = p.socket(AF_INET, SOCK_STREAM)
    await p.connect(fd, { family: AF_INET, address: '192.0.2.2', port: 7 })
    await p.write(fd, new TextEncoder().encode('hello'))
    const b = new Uint8Array(100)
    const n = await p.read(fd, b)
    text = new TextDecoder().decode(b.subarray(0, n))
    return 0
  })
  const wait = Promise.all([serving.exited, asking.exited])
  if (client.clock instanceof VirtualClock) await client.clock.runUntil(wait)
  else await wait
  return text
}

await ok('TCP echo in virtual time', async () => {
  const [client, server] = pair(new VirtualClock(turn))
  check((await echo(client, server)) === 'hello', 'the echo is not what was sent')
})

await ok('TCP echo on the real clock', async () => {
  const clock = new RealClock()
  clock.ref()
  const [client, server] = pair(clock)
  check((await echo(client, server)) === 'hello', 'the echo is not what was sent')
  clock.unref()
})

await ok('UDP between two processes, and EAGAIN without a datagram', () => {
  const clock = new VirtualClock()
  const [client, server] = pair(clock)
  const p = server.createProcess()
  const fd = p.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK)
  p.bind(fd, { family: AF_INET, address: '0.0.0.0', port: 53 })
  const b = new Uint8Array(10)
  let code = ''
  try {
    p.recv(fd, b, MSG_DONTWAIT)
  } catch (error) {
    code = (error as SystemError).code
  }
  check(code === 'EAGAIN', `recv: ${code}`)
  const q = client.createProcess()
  q.sendto(q.socket(AF_INET, SOCK_DGRAM), new Uint8Array([1, 2, 3]), 0, {
    family: AF_INET,
    address: '192.0.2.2',
    port: 53,
  })
  clock.runUntilSync(1e6)
  check(p.recv(fd, b) === 3 && b[2] === 3, 'the datagram did not come')
})

await ok('a refused connection is ECONNREFUSED', async () => {
  const clock = new VirtualClock(turn)
  const [client] = pair(clock)
  const p = client.spawn(async (q) => {
    await q.connect(q.socket(AF_INET, SOCK_STREAM), { family: AF_INET, address: '192.0.2.2', port: 9 })
    return 0
  })
  await clock.runUntil(p.exited)
  check(p.failure instanceof SystemError && p.failure.code === 'ECONNREFUSED', String(p.failure))
})

await ok('an hour of keep-alive takes no time', async () => {
  const net = new Network({ seed: 3, turn })
  net.cable('a 192.0.2.1/24', 'b 192.0.2.2/24')
  await net.run(() => false, 3600e6)
  check(net.clock.now() === 3600e6, 'the clock did not get there')
})

await ok('a dissected frame reads as with tcpdump', () => {
  const hex = 'ffffffffffff020000000001080600010800060400010200000000010a0000010000000000000a000002'
  const frame = Uint8Array.from(hex.match(/../g) ?? [], (h) => Number.parseInt(h, 16))
  check(line(frame) === 'ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28', line(frame))
})

await ok('random numbers of the platform', () => {
  const first = platformRandom().int32()
  check(first !== platformRandom().int32(), 'twice the same')
})

await ok('2,000 blocking round trips between two threads in workers', async () => {
  const workers = new Workers()
  const host = new Host({ clock: new RealClock(), random: new Random(1) })
  const module = new URL('./thread-programs.ts', import.meta.url).href
  const p = new CallGate(host.clock, workers).spawn(host, { module, name: 'client', argument: module })
  const code = await p.exited
  workers.close()
  check(code === 0, `exit code ${code}: ${String(p.failure)}`)
})

const { bytes, exits } = await scenario(1)
await ok('the rich scenario ends well', () =>
  check(
    exits.every((e) => e === 0),
    `exit codes ${exits.join()}`,
  ),
)
console.log(`sha256 ${await sha256(bytes)} ${bytes.length}`)
