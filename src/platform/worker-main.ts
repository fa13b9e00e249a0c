/** What a worker runs: it waits for threads, one after the other, and runs their functions. See `worker.ts`. */
import type { ThreadEnd, ThreadEntry, ThreadStart } from '../thread/thread.ts'
import { ThreadExit, type ThreadProcess, threadProcess } from '../thread/thread-process.ts'

/** From the host: the port to answer on, once; then a thread to run. */
export interface WorkerOrder {
  readonly entry: ThreadEntry
  readonly start: ThreadStart
}

/** To the host: something has been posted while the gate slept; or how the thread ended. */
export type WorkerMessage = 'kick' | ThreadEnd

/** The end of a channel as far as needed. */
interface Port {
  postMessage(message: WorkerMessage): void
}

/** The worker's side of its own channel: Web Workers'. */
interface Scope {
  onmessage: ((event: { readonly data: Order }) => void) | null
  postMessage?: unknown
}

type Order = WorkerOrder | { readonly port: Port }
type ThreadFunction = (process: ThreadProcess, argument: unknown) => unknown

/** Runs one thread to its end. */
async function run({ entry, start }: WorkerOrder, port: Port): Promise<void> {
  const kick = (): void => port.postMessage('kick')
  try {
    const module = (await import(entry.module)) as Record<string, ThreadFunction | undefined>
    const name = entry.name ?? 'default'
    const body = module[name]
    if (typeof body !== 'function') throw new TypeError(`${entry.module} exports no function ${name}`)
    const value = await body(threadProcess(start, kick), entry.argument)
    port.postMessage({ how: 'returned', value })
  } catch (error) {
    port.postMessage(error instanceof ThreadExit ? { how: 'exited', value: error.value } : { how: 'failed', error })
  }
}

/** Takes orders: the port first. */
function serve(listen: (receive: (order: Order) => void) => void): void {
  let port: Port | null = null
  listen((order) => {
    if ('port' in order) port = order.port
    else if (port !== null) void run(order, port)
  })
}

const scope = globalThis as unknown as Scope
serve((receive) => {
  if (typeof scope.postMessage === 'function') scope.onmessage = ({ data }) => receive(data)
  else process.getBuiltinModule('node:worker_threads').parentPort?.on('message', receive)
})
