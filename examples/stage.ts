/** What the examples share: two hosts in virtual time, and printing by system call. */

import type { Process } from '../src/host/process.ts'
import type { Switch } from '../src/link/switch.ts'
import { turn } from '../src/platform/turn.ts'
import { Network } from '../src/sim/network.ts'
import { SystemError } from '../src/sys/errno.ts'

export const CLIENT = '192.0.2.1'
export const SERVER = '192.0.2.2'
const STDOUT = 1

/** Hosts `client` and `server` on a switch, 5 ms away from it each. Nothing happens before `run`. */
export function network(): { net: Network; lan: Switch } {
  const net = new Network({ seed: 1, turn })
  for (const name of ['client', 'server']) net.host(name, { onProgramFailure: (_, error) => fail(error) })
  const lan = net.lan([`client ${CLIENT}/24`, `server ${SERVER}/24`], 'delay=5ms')
  return { net, lan }
}

function fail(error: unknown): never {
  throw error
}

/** An `output` of `spawn` that puts the speaker's name before each line. */
export const speaker =
  (name: string) =>
  (bytes: Uint8Array): void => {
    for (const line of text(bytes).split('\n')) if (line !== '') process.stdout.write(`${name.padEnd(8)}${line}\n`)
  }

/** Prints a line on the process's standard output. */
export async function say(process: Process, line: string): Promise<void> {
  await process.write(STDOUT, bytes(`${line}\n`))
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** What a call gave: its result, or the name of its error. */
export async function outcome(call: () => unknown): Promise<string> {
  try {
    return String((await call()) ?? 0)
  } catch (error) {
    if (error instanceof SystemError) return error.code
    throw error
  }
}
