/** SO_REUSEADDR and a server that starts again: `node --import tsx examples/restart/run.ts`. */
import { network, SERVER, speaker } from '../stage.ts'
import { restartingClient, restartingServer } from './programs.ts'

const { net } = network()
net.host('server').spawn(restartingServer(7777, true), { output: speaker('server') })
net.host('client').spawn(restartingClient(SERVER, 7777))
await net.run()
