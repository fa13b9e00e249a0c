/** accept4 and what it hands down: `node --import tsx examples/accept4/run.ts`. */
import { network, SERVER, speaker } from '../stage.ts'
import { acceptedClient, acceptingServer } from './programs.ts'

const { net } = network()
net.host('server').spawn(acceptingServer(7777), { output: speaker('server') })
net.host('client').spawn(acceptedClient(SERVER, 7777))
await net.run()
