/**
 * Frames per second through real TAP devices, without any protocol: two of them on a bridge of the kernel, in a network
 * namespace of their own; what is written to one is read from the other.
 *
 *   node --import tsx bench/tap-raw.ts [--json]          (root; the namespace is this process's, made by unshare(1))
 */
import { spawnSync } from 'node:child_process'
import { PacketPool } from '../src/buf/pool.ts'
import { openTap, type Tap } from '../src/platform/tap.ts'

const SIZES = [60, 1514]
const SECONDS = 1
const BURST = 64

function ip(...args: string[]): void {
  const result = spawnSync('ip', args, { encoding: 'utf8' })
  if (result.status !== 0) throw new Error(`ip ${args.join(' ')}: ${result.stderr}`)
}

async function inside(): Promise<void> {
  const pool = new PacketPool()
  const a = await openTap('tapa', { pool })
  const b = await openTap('tapb', { pool })
  ip('link', 'add', 'name', 'bridge0', 'type', 'bridge')
  for (const name of ['tapa', 'tapb']) {
    spawnSync('sysctl', ['-qw', `net.ipv6.conf.${name}.disable_ipv6=1`])
    ip('link', 'set', 'dev', name, 'master', 'bridge0', 'up')
  }
  ip('link', 'set', 'bridge0', 'up')
  await new Promise((resolve) => setTimeout(resolve, 100))
  const rows: object[] = []
  for (const size of SIZES) {
    rows.push(await through(pool, a, b, size, 0))
    rows.push(await through(pool, a, b, size, 8))
    rows.push(writeOnly(pool, a, b, size))
  }
  a.close()
  b.close()
  if (process.argv.includes('--json')) console.log(JSON.stringify(rows))
  else console.table(rows)
}

/** Writes bursts to `a` while fewer than a few are under way; counts what `b` reads. `frags` slices carry the payload. */
function through(pool: PacketPool, a: Tap, b: Tap, size: number, frags: number): Promise<object> {
  let received = 0
  let bytes = 0
  let sent = 0
  let dropped = 0
  b.attach((packet) => {
    received++
    bytes += packet.length
    packet.release()
  })
  const begin = process.hrtime.bigint()
  const cpu = process.cpuUsage()
  return new Promise((resolve) => {
    const turn = (): void => {
      for (let i = 0; i < BURST && sent - received < 4 * BURST; i++) {
        a.send(frame(pool, size, frags))
        sent++
      }
      const seconds = Number(process.hrtime.bigint() - begin) / 1e9
      if (seconds < SECONDS) {
        setImmediate(turn)
        return
      }
      b.attach(undefined)
      dropped = a.counters.txDropped + b.counters.rxDropped
      const { user, system } = process.cpuUsage(cpu)
      resolve({
        name: `write + read, ${size} B${frags > 0 ? ', in slices' : ''}`,
        framesPerSecond: Math.round(received / seconds),
        gbitPerSecond: +((bytes * 8) / seconds / 1e9).toFixed(2),
        usPerFrame: +((seconds * 1e6) / received).toFixed(2),
        cpu: +((user + system) / 1e6 / seconds).toFixed(2),
        dropped,
      })
    }
    turn()
  })
}

/** Writes alone: frames to an address nobody has learnt from, to a bridge port that is not read. */
function writeOnly(pool: PacketPool, a: Tap, b: Tap, size: number): object {
  b.attach(undefined)
  const begin = process.hrtime.bigint()
  let sent = 0
  let seconds = 0
  while (seconds < SECONDS) {
    for (let i = 0; i < 1000; i++) a.send(frame(pool, size, 0))
    sent += 1000
    seconds = Number(process.hrtime.bigint() - begin) / 1e9
  }
  return {
    name: `write, ${size} B`,
    framesPerSecond: Math.round(sent / seconds),
    gbitPerSecond: +((sent * size * 8) / seconds / 1e9).toFixed(2),
    usPerFrame: +((seconds * 1e6) / sent).toFixed(2),
    dropped: a.counters.txDropped,
  }
}

function frame(pool: PacketPool, size: number, frags: number): ReturnType<PacketPool['alloc']> {
  const packet = pool.allocHeader(frags > 0 ? 0 : size)
  const linear = frags > 0 ? 54 : size
  packet.start = packet.end - 54
  packet.end = packet.start + linear
  packet.bytes.fill(0xff, packet.start, packet.start + 6)
  packet.bytes[packet.start] = 2
  packet.bytes[packet.start + 6] = 2
  packet.bytes[packet.start + 12] = 0x88
  packet.bytes[packet.start + 13] = 0xb5
  const length = size - linear
  if (frags > 0 && length > 0) {
    pool.pageRoom(length)
    const room = Math.min(length, 65536 - pool.pageOffset)
    packet.addFrag(pool.page, pool.pageOffset, room)
    pool.pageTake(room)
  }
  return packet
}

if (process.env.SOCKEYE_INSIDE === '1') await inside()
else {
  const result = spawnSync('unshare', ['--net', process.execPath, ...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, SOCKEYE_INSIDE: '1' },
  })
  process.exitCode = result.status ?? 1
}
