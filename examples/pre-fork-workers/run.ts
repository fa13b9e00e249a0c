/** Clients, all at once, and the pre-fork server in workers: `node --import tsx examples/pre-fork-workers/run.ts [--children 4] [--clients 128]`. */
import { parseArgs } from 'node:util'
import { runClients, startServer, workerStage } from '../workers.ts'
import type { ServerOptions } from './server.ts'

const PORT = 7777

const { values } = parseArgs({
  options: { children: { type: 'string', default: '4' }, clients: { type: 'string', default: '128' } },
})
const clients = Number(values.clients)

const { client, server, gate, workers } = workerStage()
const argument: ServerOptions = { port: PORT, children: Number(values.children), connections: clients }
const serving = await startServer(gate, server, import.meta.url, argument)
const { most, right } = await runClients(client, PORT, clients, clients)
const code = await serving.exited
console.log(`${most} clients were served at once; ${right} of ${clients} read every byte right`)
workers.close()
process.exitCode = right === clients ? code : 1
