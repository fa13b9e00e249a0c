/**
 * TCP through a real TAP device with the Linux kernel at the other end, both ways: our end on one thread, socat as the
 * kernel's sink and source, in a network namespace of their own.
 *
 *   node --import tsx bench/tap.ts [--json] [--quick]          (root)
 */
import { spawn, spawnSync } from 'node:child_process'
import { Host } from '../src/host/host.ts'
import type { Program } from '../src/host/process.ts'
import { RealClock } from '../src/platform/clock.ts'
import { platformRandom } from '../src/platform/random.ts'
import { openTap } from '../src/platform/tap.ts'
import { AF_INET, SOCK_STREAM } from '../src/socket/constants.ts'
import { median, pace, type Row } from './harness.ts'
import { must } from './must.ts'

const TAP = 'tap0'
const KERNEL = '10.99.0.1/24'
const OURS = '10.99.0.2'
const PORT = 7000
const BUFFER = 262144
const BAR = 1.5

const SOCAT: Readonly<Record<string, readonly string[]>> = {
  send: ['-u', '-b', String(BUFFER), `TCP:${OURS}:${PORT}`, 'OPEN:/dev/null'],
  receive: ['-u', '-b', String(BUFFER), 'OPEN:/dev/zero', `TCP:${OURS}:${PORT}`],
}

/** One direction, in this process, which is in a namespace of its own: bytes of each sample. */
async function measure(direction: string, isQuick: boolean): Promise<{ gbits: number[]; frames: number; cpu: number }> {
  const { samples, seconds, warmup } = pace(isQuick)
  const clock = new RealClock()
  const host = new Host({ name: 'bench', clock, random: platformRandom() })
  const tap = await openTap(TAP, { clock, pool: host.stack.pool })
  must('sysctl', '-qw', `net.ipv6.conf.${TAP}.disable_ipv6=1`)
  must('ip', 'address', 'add', KERNEL, 'dev', TAP)
  must('ip', 'link', 'set', 'dev', TAP, 'up')
  const eth0 = host.addInterface('eth0', tap, { addresses: [`${OURS}/24`] })
  let moved = 0
  const program: Program = async (process) => {
    const listener = process.socket(AF_INET, SOCK_STREAM)
    process.bind(listener, { port: PORT })
    process.listen(listener, 1)
    const fd = await process.accept(listener)
    const buffer = new Uint8Array(BUFFER)
    for (;;) {
      const n = direction === 'send' ? process.write(fd, buffer) : process.read(fd, buffer)
      moved += typeof n === 'number' ? n : await n
    }
  }
  host.spawn(program)
  const peer = spawn('socat', [...(SOCAT[direction] as readonly string[])], { stdio: 'ignore' })
  const after = (s: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, s * 1000))
  await after(warmup)
  const gbits: number[] = []
  const begin = process.cpuUsage()
  const frames = eth0.stats.rx_packets + eth0.stats.tx_packets
  let since = process.hrtime.bigint()
  const start = since
  let before = moved
  for (let i = 0; i < samples; i++) {
    await after(seconds)
    const now = process.hrtime.bigint()
    gbits.push(((moved - before) * 8) / Number(now - since))
    since = now
    before = moved
  }
  const { user, system } = process.cpuUsage(begin)
  peer.kill('SIGKILL')
  const elapsed = Number(since - start) / 1e9
  return {
    gbits,
    frames: (eth0.stats.rx_packets + eth0.stats.tx_packets - frames) / elapsed,
    cpu: (user + system) / 1e6 / elapsed,
  }
}

function row(direction: string): Row {
  const inside = ['--inside', direction, ...process.argv.slice(2)]
  const args = ['--net', process.execPath, ...process.execArgv, process.argv[1] as string, ...inside]
  const result = spawnSync('unshare', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  if (result.status !== 0) throw new Error(`${direction}: ended with ${result.status}`)
  const { gbits, frames, cpu } = JSON.parse(result.stdout) as Awaited<ReturnType<typeof measure>>
  const note = `${Math.round(frames / 1000)} k frames/s, our thread ${Math.round(cpu * 100)} % of one CPU`
  const name =
    direction === 'send'
      ? 'TCP over TAP to a kernel sink (socat), MTU 1500'
      : 'TCP over TAP from a kernel source (socat), MTU 1500'
  const oursRange: [number, number] = [Math.min(...gbits), Math.max(...gbits)]
  return {
    name,
    unit: 'Gbit/s',
    ours: median(gbits),
    peer: null,
    ratio: null,
    oursRange,
    peerRange: null,
    bar: BAR,
    note,
  }
}

const inside = process.argv.indexOf('--inside')
if (inside >= 0) {
  const direction = process.argv[inside + 1] as string
  process.stdout.write(`${JSON.stringify(await measure(direction, process.argv.includes('--quick')))}\n`, () =>
    process.exit(0),
  )
} else {
  const rows = ['send', 'receive'].map(row)
  if (process.argv.includes('--json')) console.log(JSON.stringify(rows))
  else
    console.table(
      rows.map(({ name, ours, oursRange, note }) => ({
        name,
        'Gbit/s': ours,
        least: oursRange[0],
        most: oursRange[1],
        note,
      })),
    )
}
