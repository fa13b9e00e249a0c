/**
 * One smoke suite for every runtime, with nothing of any of them: hosts, TCP, UDP, the wire, both clocks. Prints `ok NAME` lines
 * and the SHA-256 of a capture that must be the same everywhere; throws at the first thing that is wrong.
 */
import { AF_INET, cable, F_WIRE, Host, Random, SOCK_STREAM, SystemError } from '../../src/index.ts'
import { platformRandom, RealClock } from '../../src/platform/index.ts'
import { checksum } from '../../src/wire/index.ts'
import { runScenario, sha256 } from '../determinism/scenario.ts'

const SEED = 7

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`not ok ${what}`)
}

async function step(name: string, body: () => void | Promise<void>): Promise<void> {
  await body()
  console.log(`ok ${name}`)
}

await step('the checksum of RFC 1071 §3 example', () => {
  const bytes = new Uint8Array([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])
  check(checksum.fold(checksum.sum(new DataView(bytes.buffer), 0, 8, 0)) === 0xddf2, 'checksum')
})

await step('the platform gives seeds that differ', () => {
  check(platformRandom().int32() !== platformRandom().int32(), 'seeds')
})

await step('a megabyte over a wire on the real clock, and a refused connection', async () => {
  const clock = new RealClock()
  clock.ref()
  const ends = cable(clock, { features: F_WIRE })
  const [a, b] = [1, 2].map((n) => new Host({ name: `h${n}`, clock, random: new Random(n) })) as [Host, Host]
  a.addInterface('eth0', ends[0], { addresses: ['192.0.2.1/24'] })
  b.addInterface('eth0', ends[1], { addresses: ['192.0.2.2/24'] })
  let got = 0
  const server = b.spawn(async (p) => {
    const fd = p.socket(AF_INET, SOCK_STREAM)
    p.bind(fd, { family: AF_INET, port: 80 })
    p.listen(fd, 1)
    const child = await p.accept(fd)
    const bytes = new Uint8Array(65536)
    for (let n = await p.read(child, bytes); n > 0; n = await p.read(child, bytes)) got += n
    return 0
  })
  const client = a.spawn(async (p) => {
    const fd = p.socket(AF_INET, SOCK_STREAM)
    await p.connect(fd, { family: AF_INET, address: '192.0.2.2', port: 80 })
    await p.write(fd, new Uint8Array(1 << 20))
    await p.close(fd)
    const other = p.socket(AF_INET, SOCK_STREAM)
    try {
      await p.connect(other, { family: AF_INET, address: '192.0.2.2', port: 81 })
    } catch (error) {
      return error instanceof SystemError && error.code === 'ECONNREFUSED' ? 0 : 2
    }
    return 3
  })
  check((await client.exited) === 0, `the client's exit code ${client.exitCode}`)
  check((await server.exited) === 0 && got === 1 << 20, `${got} bytes`)
  clock.unref()
})

await step('three hosts on an impaired switch in virtual time', async () => {
  const outcome = await runScenario(SEED)
  check(outcome.tcpBytes === 600_000, `${outcome.tcpBytes} bytes of TCP`)
  check(outcome.udpDatagrams > 20, `${outcome.udpDatagrams} datagrams`)
  console.log(`capture ${outcome.capture.length} bytes sha256 ${await sha256(outcome.capture)}`)
})
