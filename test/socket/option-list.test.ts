/** The list of options against Linux's headers, the sockets, the documentation, and the sockets against this machine's kernel. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import test from 'node:test'
import { optionsPage } from '../../src/cli/options-page.ts'
import type { Process } from '../../src/host/process.ts'
import * as c from '../../src/socket/constants.ts'
import { OPTIONS } from '../../src/socket/option-list.ts'
import { SystemError } from '../../src/sys/errno.ts'
import { lone, net } from '../host/net.ts'

const HEADERS: readonly (readonly [level: number, file: string, names: RegExp])[] = [
  [c.SOL_SOCKET, 'asm-generic/socket.h', /^#define\s+(SO_\w+)\s+(\d+)/gm],
  [c.IPPROTO_IP, 'linux/in.h', /^#define\s+((?:IP|MCAST)_\w+)\s+(\d+)/gm],
  [c.IPPROTO_TCP, 'linux/tcp.h', /^#define\s+(TCP_\w+)\s+(\d+)\b/gm],
  [c.IPPROTO_UDP, 'linux/udp.h', /^#define\s+(UDP_\w+)\s+(\d+)/gm],
]
/** Constants of the same spelling that are no options. */
const NO_OPTION =
  /^(IP_PMTUDISC|IP_DEFAULT|MCAST_(EXCLUDE|INCLUDE)|TCP_(MSS|REPAIR_(ON|OFF)|MD5SIG_(MAX|FLAG)|AO_|RECEIVE_)|UDP_ENCAP_|SO_.*_OLD)/

test('every option of Linux’s headers has a row in the list, with its number (issue 3, options)', (t) => {
  const missing: string[] = []
  for (const [level, file, names] of HEADERS) {
    const path = `/usr/include/${file}`
    if (!existsSync(path)) {
      assert.equal(process.env.CI, undefined, `no ${path}`)
      t.skip(`no ${path}`)
      return
    }
    for (const [, name = '', number] of readFileSync(path, 'utf8').matchAll(names)) {
      if (NO_OPTION.test(name)) continue
      if (!OPTIONS.some((o) => o.level === level && o.name === name && o.number === Number(number))) missing.push(name)
    }
  }
  assert.deepEqual(missing, [])
})

test('docs/options.md is what the list makes (src/cli/options-page.ts)', () => {
  const page = readFileSync(new URL('../../docs/options.md', import.meta.url), 'utf8')
  assert.equal(page, optionsPage(), 'run: node --import tsx src/cli/options-page.ts > docs/options.md')
})

const answer = <T>(call: () => T): T | number => {
  try {
    return call()
  } catch (error) {
    if (error instanceof SystemError) return error.errno
    throw error
  }
}
const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex')

function get(p: Process, fd: number, level: number, name: number, room = 256): string | number {
  const optval = new Uint8Array(room).fill(0xaa)
  const length = answer(() => p.getsockopt(fd, level, name, optval) as number)
  return length < 0 ? length : hex(optval.subarray(0, length))
}
const set = (p: Process, fd: number, level: number, name: number, value: readonly number[]): number =>
  answer(() => {
    p.setsockopt(fd, level, name, Uint8Array.from(value))
    return 0
  })

const typeOf = (level: number): number => (level === c.IPPROTO_UDP ? c.SOCK_DGRAM : c.SOCK_STREAM)
const NO_SUCH = -92

test('an option with access r, w or rw is there for reading and writing, a refused one is not: no row lies', () => {
  const { process: p } = lone()
  const wrong: string[] = []
  for (const { level, number, name, access } of OPTIONS) {
    const families = [
      [c.AF_INET, typeOf(level), 0],
      [c.AF_INET, c.SOCK_DGRAM, 0],
      [c.AF_INET, c.SOCK_RAW, 1],
      [c.AF_UNIX, c.SOCK_STREAM, 0],
    ] as const
    let canRead = false
    let canWrite = false
    for (const [family, type, protocol] of families) {
      const fd = p.socket(family, type, protocol)
      const read = get(p, fd, level, number)
      // What a struct in place of an int says counts as an answer too.
      canRead ||= typeof read === 'string' || read === -107 || read === -61 || (access !== '-' && read === -22)
      for (const value of [[1, 0, 0, 0], [0, 0, 0, 0], new Array<number>(16).fill(0), [99, 117, 98, 105, 99]]) {
        const result = set(p, fd, level, number, value)
        canWrite ||= result === 0 || (access !== '-' && ![NO_SUCH, -95].includes(result) && access.includes('w'))
      }
      void p.close(fd)
    }
    const found = `${canRead ? 'r' : ''}${canWrite ? 'w' : ''}`
    if (access === '-' ? canWrite || (canRead && name !== 'SO_PEERPIDFD') : found !== access)
      wrong.push(`${name}: ${found}, not ${access}`)
  }
  assert.deepEqual(wrong, [])
})

/** Options that differ from this kernel's on purpose (refused, docs/options.md) or by what a kernel is set to. */
const DIFFERENT = new Set([
  'TCP_INFO',
  'TCP_CONGESTION',
  'TCP_CC_INFO',
  'TCP_TIMESTAMP',
  'TCP_FASTOPEN_KEY',
  'SO_COOKIE',
  'TCP_ULP',
  'SO_DEVMEM_DONTNEED',
  'SO_ATTACH_FILTER',
])
/** Those that can be read only here, while Linux lets them be set. */
const READ_ONLY =
  /^(SO_TXTIME|IP_(TRANSPARENT|RECVFRAGSIZE|RECVERR_RFC4884)|TCP_(THIN_LINEAR_TIMEOUTS|REPAIR|SAVE_SYN|TX_DELAY|RTO_MAX_MS|RTO_MIN_US|DELACK_MAX_US))$/
const VALUES: readonly (readonly number[])[] = [
  [1, 0, 0, 0],
  [],
  [1],
  [1, 0, 0],
  [1, 0, 0, 0, 2, 0, 0, 0],
  [255, 255, 255, 255],
  [255, 255, 255, 127],
  [0, 0, 0, 0],
  [40, 0, 0, 0],
  new Array<number>(16).fill(0),
  // Ten whole ticks of a kernel of 250, 500 or 1000 a second: it rounds a time up to those.
  [1, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x9c, 0, 0, 0, 0, 0, 0],
  [224, 0, 0, 250, 127, 0, 0, 1],
  [224, 0, 0, 250, 0, 0, 0, 0, 1, 0, 0, 0],
  [224, 0, 0, 250, 127, 0, 0, 1, 192, 0, 2, 1],
]
const ROOMS = [0, 1, 2, 3, 4, 5, 8, 12, 16]
/** Those that the answers above depend on, taken over from the kernel. */
const SYSCTLS = [
  'core/rmem_max',
  'core/wmem_max',
  'core/rmem_default',
  'core/wmem_default',
  'ipv4/tcp_rmem',
  'ipv4/tcp_wmem',
  'core/somaxconn',
  'ipv4/tcp_fastopen',
]

test('every option that is not refused answers as this kernel’s, for values and optlens of all sorts (getsockopt(2))', (t) => {
  const asked: (readonly [number, number, number, number])[] = []
  const names: string[] = []
  for (const { level, number, name, access } of OPTIONS) {
    if (access === '-' || DIFFERENT.has(name)) continue
    for (const [family, type] of [
      [c.AF_INET, c.SOCK_STREAM],
      [c.AF_INET, c.SOCK_DGRAM],
      [c.AF_UNIX, c.SOCK_STREAM],
    ] as const) {
      if (name === 'IP_OPTIONS' && type === c.SOCK_STREAM) continue
      asked.push([family, type, level, number])
      names.push(`${name} of ${family}, ${type}`)
    }
  }
  let kernel: { rows: unknown[]; sysctls: Record<string, string>; root: boolean }
  try {
    const input = JSON.stringify({ options: asked, values: VALUES, rooms: ROOMS, sysctls: SYSCTLS })
    const script = new URL('./options.py', import.meta.url).pathname
    kernel = JSON.parse(execFileSync('python3', [script], { input, encoding: 'utf8', maxBuffer: 1 << 26 }))
  } catch (error) {
    assert.equal(process.env.CI, undefined, String(error))
    t.skip(`no answers of the kernel: ${String(error)}`)
    return
  }
  // Machines have a default route.
  const { a: host } = net()
  host.stack.routes.add({ destination: 0, prefix: 0, gateway: 0x0a0000fe })
  for (const [name, value] of Object.entries(kernel.sysctls)) host.setSysctl(`net/${name}`, value)
  const p = host.createProcess({ euid: kernel.root ? 0 : 1000 })
  const wrong: string[] = []
  for (const [i, [family, type, level, name]] of asked.entries()) {
    const isFixed = READ_ONLY.test(names[i]?.split(' ')[0] ?? '')
    const ours: unknown[] = VALUES.map((value) => {
      const fd = p.socket(family, type)
      const before = get(p, fd, level, name)
      const row = [before, set(p, fd, level, name, value), get(p, fd, level, name)]
      void p.close(fd)
      return row
    })
    const fd = p.socket(family, type)
    ours.push(ROOMS.map((room) => get(p, fd, level, name, room)))
    void p.close(fd)
    const theirs = kernel.rows[i] as unknown[]
    const at = ours.findIndex(
      (row, n) => !(isFixed && n < VALUES.length) && JSON.stringify(row) !== JSON.stringify(theirs[n]),
    )
    if (at < 0) continue
    const value = at < VALUES.length ? `[${(VALUES[at] as number[]).join(' ')}]` : 'short'
    wrong.push(`${names[i]} ${value}: ${JSON.stringify(ours[at])}, kernel ${JSON.stringify(theirs[at])}`)
  }
  assert.equal(wrong.length, 0, `${wrong.length} of ${asked.length} differ\n${wrong.slice(0, 30).join('\n')}`)
})
