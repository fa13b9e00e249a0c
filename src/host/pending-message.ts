/** recvmsg that sleeps: as recv, with what comes beside the bytes. */
import type { Sock } from '../sock/sock.ts'
import type { MessageCall } from '../socket/msghdr.ts'
import { PendingReceive } from './pending-calls.ts'

export class PendingMessage extends PendingReceive {
  message: MessageCall | null = null

  /** A local socket's descriptors came, or another sender's bytes follow. */
  override get isComplete(): boolean {
    return this.message?.message.scm?.isComplete === true
  }

  override receive(sock: Sock, offset: number, length: number): number {
    const call = this.message as MessageCall
    call.retryReceive()
    return sock.receive(this.bytes as Uint8Array, offset, length, this.flags, call.message)
  }

  protected override finish(result: number): number {
    const call = this.message as MessageCall
    this.message = null
    return super.finish(call.endReceive(result))
  }
}
