/** fork called once, returning twice: `node --import tsx examples/fork-demo/run.ts`. */
import { network, speaker } from '../stage.ts'
import { forkDemo } from './program.ts'

const { net } = network()
net.host('server').spawn(forkDemo, { output: speaker('demo') })
await net.run()
