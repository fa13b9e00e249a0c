/**
 * One echo server in seven I/O models, three slow clients at a time: `node --import tsx examples/io-models/run.ts [model]`.
 * Blocking serves them one after the other, the others all at once.
 */
import { network, SERVER, speaker } from '../stage.ts'
import { echoClient } from './client.ts'
import { SERVERS } from './servers.ts'

const PORT = 7777
const NAMES = ['ann', 'ben', 'cleo']
const LINES = 3

const wanted = process.argv.slice(2)
for (const [model, server] of Object.entries(SERVERS)) {
  if (wanted.length > 0 && !wanted.includes(model)) continue
  console.log(`${model}:`)
  const { net } = network()
  net.host('server').spawn(server(PORT, NAMES.length), { name: model })
  for (const name of NAMES) {
    net.at(100_000, () => {
      net.host('client').spawn(echoClient(name, SERVER, PORT, LINES), { output: speaker('client') })
    })
  }
  await net.run()
}
