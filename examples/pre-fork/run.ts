/** Four workers on one listener, twelve clients of which four come at a time: `node --import tsx examples/pre-fork/run.ts`. */
import { echoClient } from '../io-models/client.ts'
import { network, SERVER, speaker } from '../stage.ts'
import { preForkServer } from './server.ts'

const PORT = 7777
const WORKERS = 4
const CLIENTS = 12

const { net } = network()
const options = { port: PORT, workers: WORKERS, seconds: 10 }
net.host('server').spawn(preForkServer(options), { output: speaker('server') })
for (let i = 0; i < CLIENTS; i++) {
  const client = echoClient(`client-${i}`, SERVER, PORT, 1)
  net.at(100_000 + Math.floor(i / WORKERS) * 2_000_000, () => {
    net.host('client').spawn(client, { output: speaker('client') })
  })
}
await net.run()
