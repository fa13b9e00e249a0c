/** A process for each connection: fork(2), who has which descriptor open, SIGCHLD and waitpid(2), EINTR in accept(2). */
import type { Process } from '../../src/host/process.ts'
import { SigSet } from '../../src/host/sigset.ts'
import {
  AF_INET,
  SIG_BLOCK,
  SIGCHLD,
  SO_REUSEADDR,
  SOCK_STREAM,
  SOL_SOCKET,
  WNOHANG,
} from '../../src/socket/constants.ts'
import { SystemError } from '../../src/sys/errno.ts'
import { say, text } from '../stage.ts'

export interface ForkServerOptions {
  readonly port: number
  /** It ends after so many connections. */
  readonly connections: number
  /** Whether it tells of the references to each connection's description. */
  readonly countsReferences?: boolean
}

/** How many descriptors, of all processes, refer to what `fd` names. */
const references = (process: Process, fd: number): number => process.files.get(fd)?.refs ?? 0

/** Accepts, forks, and leaves the connection to the child. */
export const forkServer = ({ port, connections, countsReferences = false }: ForkServerOptions) =>
  async function server(process: Process): Promise<void> {
    const tell = async (what: string): Promise<void> => {
      if (countsReferences) await say(process, what)
    }
    let children = 0
    // Signals do not queue: one may stand for many children. Without SA_RESTART accept hears of it as EINTR.
    process.sigaction(SIGCHLD, {
      handler: async () => {
        for (let pid = 1; children > 0 && pid > 0; ) {
          pid = await process.waitpid(-1, null, WNOHANG)
          if (pid <= 0) continue
          children--
          await say(process, `reaped ${pid}`)
        }
      },
    })
    const listener = process.socket(AF_INET, SOCK_STREAM)
    process.setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, 1)
    process.bind(listener, { port })
    process.listen(listener, 5)

    for (let served = 0; served < connections; ) {
      const connection = await acceptOrInterrupted(process, listener)
      if (connection === null) continue
      served++
      await tell(`accepted: descriptor ${connection}, references ${references(process, connection)}`)
      const pid = process.fork((child) => serve(child, listener, connection, tell))
      children++
      await tell(`forked ${pid}: references ${references(process, connection)}`)
      await process.close(connection)
      await tell(`closed ${connection} in the parent: the child has it open, no FIN is sent`)
    }
    await process.close(listener)
    // Blocked but for the sleep, so that none slips through between the test and the sleep.
    process.sigprocmask(SIG_BLOCK, new SigSet([SIGCHLD]))
    while (children > 0) await process.sigsuspend(new SigSet()).catch(unlessInterrupted)
    await say(process, 'no child is left')
  }

/** The next connection, or null if a signal's handler ran instead. */
async function acceptOrInterrupted(process: Process, listener: number): Promise<number | null> {
  try {
    return await process.accept(listener)
  } catch (error) {
    unlessInterrupted(error)
    await say(process, 'accept: EINTR, once more')
    return null
  }
}

function unlessInterrupted(error: unknown): void {
  if (!(error instanceof SystemError && error.code === 'EINTR')) throw error
}

/** The child: prints what comes until the end of the stream, then exits. */
// biome-ignore format: one line
async function serve(child: Process, listener: number, connection: number, tell: (what: string) => Promise<void>): Promise<void> {
  // Its copy of the listener would keep the port in use after the parent's end.
  await child.close(listener)
  await tell(`child ${child.pid}: references ${references(child, connection)} once the parent has closed its own`)
  const buffer = new Uint8Array(256)
  // A stream has no lines: a read may end within one.
  let begun = ''
  for (;;) {
    const n = await child.read(connection, buffer)
    if (n === 0) break
    const lines = (begun + text(buffer.subarray(0, n))).split('\n')
    begun = lines.pop() ?? ''
    for (const line of lines) await say(child, `child ${child.pid} read "${line}"`)
  }
  if (begun !== '') await say(child, `child ${child.pid} read "${begun}"`)
  await child.close(connection)
  await say(child, `child ${child.pid}: end of the stream; closed, now the FIN goes`)
}
