/** Clients and the thread-pool server: `node --import tsx examples/thread-pool/run.ts [--threads 4] [--clients 20]`. */
import { parseArgs } from 'node:util'
import { runClients, startServer, workerStage } from '../workers.ts'
import type { ServerOptions } from './server.ts'

const PORT = 7777

const { values } = parseArgs({
  options: { threads: { type: 'string', default: '4' }, clients: { type: 'string', default: '20' } },
})
const threads = Number(values.threads)
const clients = Number(values.clients)

const { client, server, gate, workers } = workerStage()
const argument: ServerOptions = { port: PORT, threads, connections: clients }
const serving = await startServer(gate, server, import.meta.url, argument)
const { most, right } = await runClients(client, PORT, clients, Math.min(threads, clients))
const code = await serving.exited
console.log(`${most} clients were served at once; ${right} of ${clients} read every byte right`)
workers.close()
process.exitCode = right === clients ? code : 1
