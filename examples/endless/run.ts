/**
 * Endless clients of the multi-process server: three send "data : i" every second until they are killed, one after the
 * other: `node --import tsx examples/endless/run.ts [seconds]`.
 */
import { SIGTERM } from '../../src/socket/constants.ts'
import { endlessClient } from '../fork-server/client.ts'
import { forkServer } from '../fork-server/server.ts'
import { network, SERVER, speaker } from '../stage.ts'

const PORT = 7777
const CLIENTS = 3
const seconds = Number(process.argv[2] ?? 3)

const { net } = network()
net.host('server').spawn(forkServer({ port: PORT, connections: CLIENTS }), { output: speaker('server') })
const client = net.host('client')
const killer = client.createProcess({ name: 'kill' })
for (let i = 0; i < CLIENTS; i++) {
  net.at((i + 0.1) * 100_000, () => {
    const { pid } = client.spawn(endlessClient(SERVER, PORT), { name: `client-${i}` })
    net.at((i + 0.1) * 100_000 + seconds * 1e6, () => killer.kill(pid, SIGTERM))
  })
}
await net.run()
