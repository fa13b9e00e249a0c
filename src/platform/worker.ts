/**
 * Threads on a platform's workers: Web Workers in browsers, Bun and Deno, `node:worker_threads` in Node. A worker that has
 * finished one thread is kept for the next, since starting one takes tens of milliseconds.
 *
 * Browsers give shared memory only to pages that are isolated (the headers `Cross-Origin-Opener-Policy: same-origin` and
 * `Cross-Origin-Embedder-Policy: require-corp`).
 */
import type { ThreadEntry, ThreadEvents, ThreadSpawner, ThreadStart, ThreadWorker } from '../thread/thread.ts'
import type { WorkerMessage, WorkerOrder } from './worker-main.ts'

/** Idle workers kept unless told otherwise. */
const MAX_IDLE = 16

export interface WorkersOptions {
  /** What workers run: `worker-main` beside this file, unless a bundler has put it elsewhere. */
  readonly script?: URL | string
  /** Idle workers kept for threads to come; 16 unless told otherwise. */
  readonly maxIdle?: number
}

/** A worker of any platform. */
interface PlatformWorker {
  postMessage(message: unknown, transfer: readonly unknown[]): void
  terminate(): unknown
  /** Keeps the process while it runs a thread. Node's and Bun's workers have it. */
  ref?(): void
  unref?(): void
}

/** The DOM's Worker, as far as needed: Node's types leave it out. */
interface WebWorker extends PlatformWorker {
  onerror: ((event: { readonly message?: string; readonly error?: unknown; preventDefault?(): void }) => void) | null
}

/** The end of a channel as far as needed. */
interface Port {
  onmessage: ((event: { readonly data: WorkerMessage }) => void) | null
  close(): void
  unref?(): void
}

/** One worker, and the thread it runs at the moment. */
class Runner implements ThreadWorker {
  readonly #port: Port
  readonly #worker: PlatformWorker
  readonly #idle: (runner: Runner) => void
  #events: ThreadEvents | null = null

  constructor(worker: PlatformWorker, idle: (runner: Runner) => void) {
    this.#worker = worker
    this.#idle = idle
    const { port1, port2 } = new MessageChannel()
    this.#port = port1 as unknown as Port
    this.#port.onmessage = ({ data }) => this.#receive(data)
    this.#port.unref?.()
    worker.postMessage({ port: port2 }, [port2])
  }

  begin(entry: ThreadEntry, start: ThreadStart, events: ThreadEvents): void {
    this.#events = events
    this.#worker.ref?.()
    const order: WorkerOrder = { entry, start }
    this.#worker.postMessage(order, [])
  }

  #receive(message: WorkerMessage): void {
    const events = this.#events
    if (message === 'kick') {
      events?.kicked()
      return
    }
    this.#events = null
    this.#worker.unref?.()
    this.#idle(this)
    events?.ended(message)
  }

  /** The worker broke, or was ended by somebody else. */
  broke(error: unknown): void {
    const events = this.#events
    this.terminate()
    events?.ended({ how: 'failed', error })
  }

  terminate(): void {
    this.#events = null
    this.#port.close()
    void this.#worker.terminate()
  }
}

/** Makes threads of workers. */
export class Workers implements ThreadSpawner {
  readonly #script: URL | string
  readonly #maxIdle: number
  readonly #idle: Runner[] = []

  constructor(options: WorkersOptions = {}) {
    const isSource = import.meta.url.endsWith('.ts')
    this.#script = options.script ?? new URL(isSource ? './worker-main.ts' : './worker-main.js', import.meta.url)
    this.#maxIdle = options.maxIdle ?? MAX_IDLE
  }

  spawn(entry: ThreadEntry, start: ThreadStart, events: ThreadEvents): ThreadWorker {
    const runner = this.#idle.pop() ?? this.#make()
    runner.begin(entry, start, events)
    return runner
  }

  /** Ends the idle workers; with those that run threads go theirs. Deno's and browsers' hold their process or page until then. */
  close(): void {
    for (const runner of this.#idle.splice(0)) runner.terminate()
  }

  #make(): Runner {
    const runner: Runner = new Runner(
      makeWorker(this.#script, (error) => {
        const at = this.#idle.indexOf(runner)
        if (at >= 0) this.#idle.splice(at, 1)
        runner.broke(error)
      }),
      (idle) => {
        if (this.#idle.length < this.#maxIdle) this.#idle.push(idle)
        else idle.terminate()
      },
    )
    return runner
  }
}

/** A worker that runs `script`; `broke` is told if it fails or goes away by itself. */
function makeWorker(script: URL | string, broke: (error: unknown) => void): PlatformWorker {
  const Web = (globalThis as { Worker?: new (script: URL | string, options: { type: 'module' }) => WebWorker }).Worker
  if (Web !== undefined) {
    const worker = new Web(script, { type: 'module' })
    worker.onerror = (event) => {
      event.preventDefault?.()
      broke(event.error ?? new Error(event.message ?? 'the worker failed'))
    }
    return worker
  }
  const { Worker } = process.getBuiltinModule('node:worker_threads')
  const worker = new Worker(loading(String(script)), { eval: true })
  worker.on('error', broke)
  worker.on('exit', (code) => broke(new Error(`the worker exited with ${code}`)))
  return worker as unknown as PlatformWorker
}

/** Code that runs `script` in Node. From source, where Node itself reads no TypeScript, tsx does; a worker inherits no loader. */
function loading(script: string): string {
  const load = `import(${JSON.stringify(script)})`
  const { features } = process as { features: { typescript?: unknown } }
  if (!script.endsWith('.ts') || features.typescript) return load
  const tsx = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  return `import(${tsx}).then(({ register }) => register()).then(() => ${load})`
}
