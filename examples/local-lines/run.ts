/** A server of lines on a local socket: `node --import tsx examples/local-lines/run.ts`. */
import { network, speaker } from '../stage.ts'
import { carelessServer, lineClient, lineServer } from './programs.ts'

const PATH = '/tmp/lines'
const { net } = network()
const host = net.host('server')
// Who may write to the socket's file may connect: all are of one user here.
const euid = 1000
host.spawn(carelessServer(PATH), { euid })
await net.run()
host.spawn(lineServer(PATH, 2), { euid, output: speaker('server') })
net.at(net.clock.now() + 1e5, () => {
  host.spawn(lineClient(PATH, ['first', 'second']), { euid, output: speaker('ann') })
  host.spawn(lineClient(PATH, ['hello']), { euid, output: speaker('ben') })
})
await net.run()
