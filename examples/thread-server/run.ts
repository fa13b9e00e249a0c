/**
 * The endless client with the multi-threaded server, 128 slots and two clients more: `node --import tsx examples/thread-server/run.ts`,
 * with `--slots 2 --clients 3` to see every line.
 */
import { parseArgs } from 'node:util'
import { runClients, startServer, workerStage } from '../workers.ts'
import type { ServerOptions } from './server.ts'

const PORT = 7777

const { values } = parseArgs({
  options: { slots: { type: 'string', default: '128' }, clients: { type: 'string', default: '130' } },
})
const slots = Number(values.slots)
const clients = Number(values.clients)

const { client, server, gate, workers } = workerStage()
const argument: ServerOptions = { port: PORT, slots, connections: clients, isTalkative: clients <= 8 }
const serving = await startServer(gate, server, import.meta.url, argument)
// All clients of a full table are served at the same time before the first of them leaves.
const { most, right } = await runClients(client, PORT, clients, Math.min(slots, clients))
const code = await serving.exited
console.log(`${most} clients were served at once; ${right} of ${clients} read every byte right`)
workers.close()
process.exitCode = right === clients ? code : 1
