/** Programs that the smoke suite runs in workers. */
import { AF_INET, SOCK_STREAM } from '../../src/socket/constants.ts'
import type { ThreadProcess } from '../../src/thread/thread-process.ts'

const PORT = 7
const SIZE = 64
const MESSAGES = 2000

/** Echoes until the client closes. */
export function echo(p: ThreadProcess, listener: number): void {
  const fd = p.accept(listener)
  const bytes = new Uint8Array(SIZE)
  for (let n = p.read(fd, bytes); n > 0; n = p.read(fd, bytes)) p.write(fd, bytes, 0, n)
}

/** Listens, has a thread echo, sends without waiting, and reads everything back: how many bytes were right. */
export function client(p: ThreadProcess, module: string): number {
  const listener = p.socket(AF_INET, SOCK_STREAM)
  p.bind(listener, { address: '127.0.0.1', port: PORT })
  p.listen(listener, 1)
  const thread = p.pthread_create(module, 'echo', listener)
  const fd = p.socket(AF_INET, SOCK_STREAM)
  p.connect(fd, { address: '127.0.0.1', port: PORT })
  const bytes = new Uint8Array(SIZE)
  let right = 0
  for (let i = 0; i < MESSAGES; i++) {
    p.send(fd, bytes.fill(i))
    for (let got = 0; got < SIZE; ) {
      const n = p.recv(fd, bytes.subarray(got).fill(~i))
      right += bytes.subarray(got, got + n).filter((byte) => byte === (i & 0xff)).length
      got += n
    }
  }
  p.close(fd)
  p.pthread_join(thread)
  return right === MESSAGES * SIZE ? 0 : 1
}

/** Sleeps in read until it is terminated. */
export function readForever(p: ThreadProcess, fd: number): void {
  p.read(fd, new Uint8Array(1))
}
