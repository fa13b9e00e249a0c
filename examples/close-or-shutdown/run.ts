/** close against shutdown, four endings: `node --import tsx examples/close-or-shutdown/run.ts`. */
import { network, SERVER, speaker } from '../stage.ts'
import { chattyServer, type Ending, endingClient } from './programs.ts'

const endings: readonly Ending[] = ['close', 0, 1, 2]
for (const ending of endings) {
  process.stdout.write(`-- the client calls ${ending === 'close' ? 'close' : `shutdown ${ending}`}\n`)
  const { net } = network()
  net.host('server').spawn(chattyServer(7777), { name: 'server', output: speaker('server') })
  net.host('client').spawn(endingClient(SERVER, 7777, ending), { name: 'client', output: speaker('client') })
  await net.run()
}
