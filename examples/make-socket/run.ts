/** PR7 on a virtual host: `node --import tsx examples/make-socket/run.ts`. */
import { network, text } from '../stage.ts'
import { makeSockets } from './program.ts'

const { net } = network()
net.host('server').spawn(makeSockets, { output: (bytes) => process.stdout.write(text(bytes)) })
await net.run()
