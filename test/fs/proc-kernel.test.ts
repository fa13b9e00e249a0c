/** /proc/net against the kernel of this machine: the same sockets, routes and neighbours on both, file by file. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import * as ip4 from '../../src/addr/ip4.ts'
import { Host } from '../../src/host/host.ts'
import type { Process } from '../../src/host/process.ts'
import { cable } from '../../src/link/cable.ts'
import { turn } from '../../src/platform/turn.ts'
import * as c from '../../src/socket/constants.ts'
import { RTN_UNREACHABLE } from '../../src/stack/route.ts'
import { Random } from '../../src/sys/random.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'

type Files = Readonly<Record<string, string>>

function kernelFiles(): Files | string {
  if (process.getuid?.() !== 0) return 'not root: no network namespace'
  const folder = mkdtempSync(join(tmpdir(), 'sockeye.proc'))
  const script = fileURLToPath(new URL('proc-kernel.py', import.meta.url))
  const run = spawnSync('unshare', ['-n', 'python3', script, folder], { encoding: 'utf8' })
  rmSync(folder, { recursive: true })
  return run.status === 0 ? (JSON.parse(run.stdout) as Files) : `no namespace: ${run.stderr}`
}

/** All of a file, read in pieces. */
function readAll(p: Process, path: string): string {
  const fd = p.open(path, c.O_RDONLY)
  const bytes = new Uint8Array(1000)
  let text = ''
  for (let n = p.read(fd, bytes) as number; n > 0; n = p.read(fd, bytes) as number) {
    text += new TextDecoder().decode(bytes.subarray(0, n))
  }
  p.close(fd)
  return text
}

/** A host that is like the kernel's namespace. */
function newHost(clock: VirtualClock): Host {
  const host = new Host({ name: 'h', clock, random: new Random(9) })
  host.setSysctl('net.ipv4.tcp_congestion_control', 'reno')
  const [end] = cable(clock)
  const eth0 = host.addInterface('eth0', end, { addresses: ['10.0.0.1/24'] })
  const { routes, arp } = host.stack
  const address = (text: string): number => ip4.parse(text) as number
  routes.add({ destination: 0, prefix: 0, gateway: address('10.0.0.2') })
  routes.add({ destination: address('10.9.0.0'), prefix: 16, type: RTN_UNREACHABLE })
  routes.add({ destination: address('10.8.0.0'), prefix: 16, gateway: address('10.0.0.3'), metric: 7 })
  routes.add({ destination: address('10.7.7.7'), prefix: 32, interface: eth0 })
  arp.addPermanent(eth0, address('10.0.0.9'), Uint8Array.of(2, 0, 0, 0, 0, 9))
  return host
}

/** The same sockets as those of proc-kernel.py, opened in the same order. */
async function ourFiles(names: readonly string[]): Promise<Files> {
  const clock = new VirtualClock(turn)
  const host = newHost(clock)
  const p = host.createProcess()
  const inet = (type: number): number => p.socket(c.AF_INET, type)
  const local = (type: number): number => p.socket(c.AF_UNIX, type)
  const at = (port: number): { address: string; port: number } => ({ address: '127.0.0.1', port })
  const connected = async (port: number): Promise<number> => {
    const fd = inet(c.SOCK_STREAM)
    const made = p.connect(fd, at(port))
    clock.settle()
    await made
    return fd
  }
  const listener = inet(c.SOCK_STREAM)
  p.bind(listener, at(8080))
  p.listen(listener, 5)
  const empty = inet(c.SOCK_STREAM)
  p.bind(empty, { port: 8081 })
  p.listen(empty, 0)
  const c1 = await connected(8080)
  p.accept(listener)
  p.send(c1, new Uint8Array(3))
  const c2 = await connected(8080)
  p.accept(listener)
  p.shutdown(c2, c.SHUT_WR)
  const c3 = await connected(8080)
  const s3 = p.accept(listener) as number
  p.close(c3)
  clock.runUntilSync(clock.now() + 50_000)
  p.close(s3)
  await connected(8080)
  p.bind(inet(c.SOCK_STREAM), at(8082))
  p.bind(inet(c.SOCK_DGRAM), { port: 5353 })
  const u2 = inet(c.SOCK_DGRAM)
  p.connect(u2, at(5353))
  p.send(u2, new Uint8Array(5))
  inet(c.SOCK_DGRAM)
  p.chdir('/tmp')
  const x1 = local(c.SOCK_STREAM)
  p.bind(x1, { path: 'listener' })
  p.listen(x1, 3)
  p.connect(local(c.SOCK_STREAM), { path: 'listener' })
  p.bind(local(c.SOCK_DGRAM), { path: '\0abstract\0name' })
  p.socketpair(c.AF_UNIX, c.SOCK_SEQPACKET)
  local(c.SOCK_DGRAM)
  p.connect(p.socket(c.AF_INET, c.SOCK_RAW, 1), at(0))
  p.socket(c.AF_PACKET, c.SOCK_DGRAM, 0x0608)
  p.socket(c.AF_PACKET, c.SOCK_RAW, 0)
  clock.settle()
  return Object.fromEntries(names.map((name) => [name, readAll(p, `/proc/net/${name}`)]))
}

/** Lines of sockets without what differs from run to run: slot, ephemeral ports, time left, references, inode, address. */
function normalSockets(text: string): string[] {
  const [header = '', ...lines] = text.split('\n')
  const shown = lines.map((line) => {
    const width = line.length
    const words = line.trim().split(/\s+/)
    if (words.length < 10) return line
    const isPort = (hex: string): boolean => Number.parseInt(hex, 16) >= 32768
    const named = words.map((word) =>
      word.replace(/:([0-9A-F]{4})$/, (all, port: string) => (isPort(port) ? ':port' : all)),
    )
    named[0] = ''
    named[5] = (named[5] as string).replace(/:(?!0{8}).*/, ':left')
    named[9] = named[9] === '0' ? '0' : 'inode'
    named[10] = named[11] = ''
    return `${width} ${named.join(' ')}`
  })
  return [header, ...shown.sort()]
}

/** Lines of local sockets without address and number. */
const normalUnix = (text: string): string[] =>
  text
    .split('\n')
    .map((line) =>
      line.replace(/^[0-9a-f]{16}/, '').replace(/(?<= \d\d) +(\d+)(?=( \S+)?$)/, (_, n) => ` ${n === '0' ? 0 : 'n'}`),
    )
    .sort()

/** Names and the values of one group, those given alone. */
function groups(text: string, wanted: readonly string[]): string[] {
  const lines = text.split('\n')
  const rows: string[] = []
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const names = (lines[i] as string).split(' ')
    const values = (lines[i + 1] as string).split(' ')
    const name = names[0] as string
    if (name === 'IcmpMsg:' || name === 'MPTcpExt:') continue
    rows.push(`${names.join(' ')} ${wanted.includes(name) ? values.join(' ') : values.length}`)
  }
  return rows
}

const NORMAL: Readonly<Record<string, (text: string) => unknown>> = {
  tcp: normalSockets,
  udp: normalSockets,
  unix: normalUnix,
  // Not padded: as wide as the inode's number.
  raw: (text) => normalSockets(text).map((row) => row.replace(/^\d+/, '')),
  packet: (text) => text.replace(/^[0-9a-f]{16}|\d+ *$/gm, ''),

  igmp: (text) => text.split('\n').slice(0, 3),
  dev: (text) => text.split('\n').filter((line) => !/^ *(eth0|peer0):/.test(line)),
  snmp: (text) => groups(text, ['Tcp:', 'Udp:', 'UdpLite:']),
  netstat: (text) => groups(text, []),
  // Orphans are those of all namespaces.
  sockstat: (text) => text.replace(/(?<=used |orphan |alloc |mem )\d+/g, 'n'),
}

test('/proc/net: sockets, routes, neighbours and counters line by line as the kernel of this machine shows the same (proc(5))', async (t) => {
  const kernel = kernelFiles()
  if (typeof kernel === 'string') {
    assert.equal(process.env.CI, undefined, kernel)
    t.skip(kernel)
    return
  }
  const ours = await ourFiles(Object.keys(kernel))
  for (const [name, text] of Object.entries(kernel)) {
    const normal = NORMAL[name] ?? ((whole: string) => whole)
    await t.test(name, () => {
      assert.deepEqual(normal(ours[name] as string), normal(text))
    })
  }
})
