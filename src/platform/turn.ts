/**
 * One macrotask of the platform: everything that can run now (promises, I/O that is ready) runs before it ends.
 * The event loop of the HTML standard §8.1.7 and Node's; works in Node, Bun, Deno, browsers and workers.
 */

/** The DOM's MessagePort as far as needed: Node's types leave `onmessage` out. */
interface Port {
  onmessage?: (() => void) | null
  postMessage(message: number): void
  close(): void
}

/** Resolves after one turn of the event loop: programs that can run have run by then. */
export const turn = (): Promise<void> => new Promise((resolve) => macrotask(resolve))

/** Calls `callback` once in a macrotask of its own, as soon as the platform can: not clamped as nested timeouts are. */
export function macrotask(callback: () => void): void {
  if (typeof setImmediate === 'function') {
    setImmediate(callback)
    return
  }
  // A channel for each call: nothing is left open that could hold a process, and no state outlives the call.
  const { port1, port2 }: { port1: Port; port2: Port } = new MessageChannel()
  port1.onmessage = () => {
    port1.close()
    callback()
  }
  port2.postMessage(0)
}
