/** PR1 on a virtual host: `node --import tsx examples/endianness/run.ts`. */
import { network, text } from '../stage.ts'
import { endianness } from './program.ts'

const { net } = network()
net.host('server').spawn(endianness, { output: (bytes) => process.stdout.write(text(bytes)) })
await net.run()
