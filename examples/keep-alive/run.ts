/** Keep-alive and its three outcomes: `node --import tsx examples/keep-alive/run.ts`. */
import type { Process } from '../../src/host/process.ts'
import { AF_INET, SOCK_DGRAM } from '../../src/socket/constants.ts'
import { bytes, CLIENT, network, SERVER, speaker } from '../stage.ts'
import { silentServer, watchfulClient } from './programs.ts'

/** When the fault comes, in microseconds: the client waits for its first probe to be due. */
const FAULT_AT = 5e6
/** Seconds that the client waits at most. */
const LIMIT = 60

/** Any packet of a host that has started tells its neighbours the hardware address. */
const chatter = (process: Process): void => {
  const fd = process.socket(AF_INET, SOCK_DGRAM)
  process.sendto(fd, bytes('back'), 0, { address: CLIENT, port: 9 })
}

type Stage = ReturnType<typeof network>
const faults: Readonly<Record<string, (stage: Stage) => void>> = {
  'the peer answers every probe': () => {},
  'the peer is gone': ({ net }) => net.impair('server', 'down,direction=both'),
  'the peer has been restarted': ({ net, lan }) => {
    net.impair('server', 'down,direction=both')
    net.plug(lan, `restarted ${SERVER}/24`)
    net.host('restarted').spawn(chatter)
  },
}
for (const [what, fault] of Object.entries(faults)) {
  process.stdout.write(`-- ${what}\n`)
  const stage = network()
  stage.net.host('server').spawn(silentServer(7777))
  stage.net.at(FAULT_AT, () => fault(stage))
  const client = stage.net.host('client').spawn(watchfulClient(SERVER, 7777, LIMIT), { output: speaker('client') })
  await stage.net.run(() => client.isOver)
}
