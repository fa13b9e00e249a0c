/** The two programs of `threads.ts`, each a process in a worker of its own. */
import { AF_UNIX } from '../src/sock/address.ts'
import { SOCK_STREAM } from '../src/sock/constants.ts'
import type { ThreadProcess } from '../src/thread/thread-process.ts'
import type { Exchange } from './threads.ts'

/** Bytes of a message. */
export const SIZE = 64
const addressOf = (family: number) => (family === AF_UNIX ? { path: '\0bench' } : { address: '127.0.0.1', port: 7 })

/** Receives whole messages for ever, and answers them if asked to. */
export function receiver(p: ThreadProcess, { family, count, isPingPong }: Exchange): void {
  const listener = p.socket(family, SOCK_STREAM)
  p.bind(listener, addressOf(family))
  p.listen(listener, 1)
  const fd = p.accept(listener)
  const bytes = new Uint8Array(SIZE)
  for (;;) {
    receive(p, fd, bytes)
    Atomics.add(count, 0, 1)
    if (isPingPong) p.send(fd, bytes)
  }
}

/** Sends messages for ever, and waits for the answers if there are any. */
export function sender(p: ThreadProcess, { family, count, isPingPong }: Exchange): void {
  const fd = connect(p, family)
  const bytes = new Uint8Array(SIZE)
  for (;;) {
    p.send(fd, bytes)
    if (!isPingPong) continue
    receive(p, fd, bytes)
    Atomics.add(count, 0, 1)
  }
}

function receive(p: ThreadProcess, fd: number, bytes: Uint8Array): void {
  let got = p.recv(fd, bytes)
  while (got < SIZE) got += p.recv(fd, bytes.subarray(got))
}

/** Tries until the other one listens. */
function connect(p: ThreadProcess, family: number): number {
  for (;;) {
    const fd = p.socket(family, SOCK_STREAM)
    try {
      p.connect(fd, addressOf(family))
      return fd
    } catch {
      p.close(fd)
      p.sleep(0.01)
    }
  }
}
