/** PR2 on a virtual host: `node --import tsx examples/byte-order/run.ts`. */
import { network, text } from '../stage.ts'
import { byteOrder } from './program.ts'

const { net } = network()
net.host('server').spawn(byteOrder, { output: (bytes) => process.stdout.write(text(bytes)) })
await net.run()
