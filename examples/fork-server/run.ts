/** A process for each connection, with the references to its description: `node --import tsx examples/fork-server/run.ts`. */
import { network, SERVER, speaker } from '../stage.ts'
import { endlessClient } from './client.ts'
import { forkServer } from './server.ts'

const PORT = 7777

const { net } = network()
const options = { port: PORT, connections: 2, countsReferences: true }
net.host('server').spawn(forkServer(options), { output: speaker('server') })
net.host('client').spawn(endlessClient(SERVER, PORT, 1))
net.at(2_000_000, () => net.host('client').spawn(endlessClient(SERVER, PORT, 2)))
await net.run()
