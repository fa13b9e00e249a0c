/** PR3 on a virtual host: `node --import tsx examples/addresses/run.ts`. */
import { network, text } from '../stage.ts'
import { addresses } from './program.ts'

const { net } = network()
net.host('server').spawn(addresses, { output: (bytes) => process.stdout.write(text(bytes)) })
await net.run()
