/** Files of a process that are no sockets: for now the terminal that its first three descriptors are. */

import { S_IFCHR } from '../fs/mode.ts'
import { O_RDWR } from '../sock/constants.ts'
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, type WaitQueue } from '../sock/wait-queue.ts'
import { OpenFile } from '../socket/open-file.ts'
import { ESPIPE } from '../sys/errno.ts'

export { FileTable, NOFILE_DEFAULT } from '../socket/file-table.ts'
export { OpenFile } from '../socket/open-file.ts'

/** Standard input, output and error: nothing to read, and what is written goes to whoever started the program. */
export class Terminal extends OpenFile {
  readonly #output: (bytes: Uint8Array) => void

  constructor(output: (bytes: Uint8Array) => void) {
    super(O_RDWR)
    this.#output = output
  }

  override get wait(): WaitQueue | null {
    return null
  }

  override poll(): number {
    return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM
  }

  override read(): number {
    return 0
  }

  override write(bytes: Uint8Array, offset: number, length: number): number {
    this.#output(bytes.slice(offset, offset + length))
    return length
  }

  override seek(): number {
    return -ESPIPE
  }

  override get mode(): number {
    return S_IFCHR | 0o620
  }

  override get description(): string {
    return '/dev/tty'
  }

  protected override release(): void {}
}
