/** Calls that an AbortSignal ends. */
import type { Sleeper, Sleepers } from './pending.ts'

/** What is used of an AbortSignal. */
export interface Abort {
  readonly aborted: boolean
  readonly reason: unknown
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** Makes `call`; if it sleeps, `signal` ends it. The listener goes with the call, whatever its end. */
export function abortable<T>(sleepers: Sleepers, signal: Abort, call: () => T): T {
  if (signal.aborted) throw signal.reason
  const before = sleepers.first
  const result = call()
  const sleeper = sleepers.first
  if (sleeper === null || sleeper === before || !(result instanceof Promise)) return result
  return untilAborted(sleeper, signal, result) as T
}

async function untilAborted(sleeper: Sleeper, signal: Abort, result: Promise<unknown>): Promise<unknown> {
  const listener = (): void => sleeper.fail(signal.reason)
  signal.addEventListener('abort', listener)
  try {
    return await result
  } finally {
    signal.removeEventListener('abort', listener)
  }
}
