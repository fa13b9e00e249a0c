/** A bug of ours, never the peer's or the caller's fault. */
export class AssertionError extends Error {
  override readonly name: string = 'AssertionError'
}

/** Throws when our own invariant `what` does not hold. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new AssertionError(what)
}
