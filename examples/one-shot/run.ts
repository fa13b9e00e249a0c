/** Two hosts on a cable, the one-shot server on one, the client on the other: `node --import tsx examples/one-shot/run.ts`. */

import { Host } from '../../src/host/host.ts'
import { cable } from '../../src/link/cable.ts'
import { turn } from '../../src/platform/turn.ts'
import { Random } from '../../src/sys/random.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import { oneShotClient } from './client.ts'
import { oneShotServer } from './server.ts'

const clock = new VirtualClock(turn)
const random = new Random(1)
const [a, b] = cable(clock)
const alice = new Host({ name: 'alice', clock, random: random.fork() })
alice.addInterface('eth0', a, { addresses: ['192.0.2.1/24'] })
const bob = new Host({ name: 'bob', clock, random: random.fork() })
bob.addInterface('eth0', b, { addresses: ['192.0.2.2/24'] })

const print = (who: string) => (bytes: Uint8Array) => process.stdout.write(`${who}: ${new TextDecoder().decode(bytes)}`)
const answer = new TextEncoder().encode('one answer\n')
bob.spawn(oneShotServer(7777, answer), { name: 'server', output: print('server') })
const client = alice.spawn(oneShotClient('192.0.2.2', 7777, 'one answer, please'), {
  name: 'client',
  output: print('client'),
})
process.exitCode = await clock.runUntil(client.exited)
