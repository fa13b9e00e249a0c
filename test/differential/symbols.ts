/** Names of the C headers and their values, as scripts use them; from `symbols.txt`, not from our own constants. */
import { readFileSync } from 'node:fs'

export const SYMBOLS: ReadonlyMap<string, number> = new Map(
  readFileSync(new URL('./symbols.txt', import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join(' ')
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word): [string, number] => {
      const [name, value] = word.split('=') as [string, string]
      return [name, Number(value)]
    }),
)

/** The value of a name; an error for one that no header has. */
export function symbol(name: string): number {
  const value = SYMBOLS.get(name)
  if (value === undefined) throw new Error(`neither a variable nor a name of a header: ${name}`)
  return value
}

/** All that poll can tell of a descriptor. */
export const POLL_ALL: number = symbol('POLLIN') | symbol('POLLPRI') | symbol('POLLOUT') | symbol('POLLRDNORM') | symbol('POLLRDBAND') |
  symbol('POLLWRNORM') | symbol('POLLWRBAND') | symbol('POLLRDHUP') // biome-ignore format: one mask

const PREFERRED = new Set(['EAGAIN', 'EOPNOTSUPP', 'EDEADLK'])
const ERRNO_NAMES: ReadonlyMap<number, string> = new Map(
  [...SYMBOLS]
    .filter(([name]) => /^E[A-Z0-9]+$/.test(name) && !name.startsWith('EPOLL'))
    .sort(([a], [b]) => Number(PREFERRED.has(a)) - Number(PREFERRED.has(b)))
    .map(([name, value]) => [value, name]),
)

/** The name of a positive errno. */
export const errnoName = (errno: number): string => ERRNO_NAMES.get(errno) ?? `errno ${errno}`

const flagNames = (names: readonly string[]): readonly [string, number][] => names.map((name) => [name, symbol(name)])

const POLL_BITS = flagNames(
  'IN PRI OUT ERR HUP NVAL RDNORM RDBAND WRNORM WRBAND RDHUP'.split(' ').map((name) => `POLL${name}`),
)
const MSG_BITS = flagNames(
  'OOB CTRUNC TRUNC EOR ERRQUEUE CMSG_CLOEXEC PEEK DONTWAIT WAITALL'.split(' ').map((name) => `MSG_${name}`),
)

function bitsText(value: number, names: readonly [string, number][], prefix: string): string {
  let rest = value
  const words: string[] = []
  for (const [name, bit] of names) {
    if ((rest & bit) === 0) continue
    words.push(name.slice(prefix.length))
    rest &= ~bit
  }
  if (rest !== 0) words.push(`0x${(rest >>> 0).toString(16)}`)
  return words.length === 0 ? '0' : words.join('|')
}

/** `IN|OUT`, without the prefix. */
export const pollText = (mask: number): string => bitsText(mask, POLL_BITS, 'POLL')
export const msgText = (flags: number): string => bitsText(flags, MSG_BITS, 'MSG_')

const STATES = ['', 'ESTAB', 'SYN-SENT', 'SYN-RECV', 'FIN-WAIT-1', 'FIN-WAIT-2', 'TIME-WAIT', 'CLOSE', 'CLOSE-WAIT']
STATES.push('LAST-ACK', 'LISTEN', 'CLOSING', 'NEW-SYN-RECV')
export const stateText = (state: number): string => STATES[state] ?? String(state)
