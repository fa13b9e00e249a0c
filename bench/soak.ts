/**
 * The soak: 50,000 processes forked and reaped, 1,000,000 sockets opened and closed. Memory has to stay flat and every
 * table empty. `node --expose-gc --import tsx bench/soak.ts [processes] [sockets]`; exit code 1 if something is left.
 */
import type { Process } from '../src/host/process.ts'
import { memory, seconds } from './harness.ts'
import { forkMany, leftOver, openMany, play, stage } from './soak-programs.ts'

/** Parts of a soak; memory is measured after each, and the first ones fill tables and pools. */
const PARTS = 10
const WARM_UP = 2
/** Growth of memory from the end of the warm-up on that counts as flat, in bytes. */
const FLAT = 2_000_000
/** Seconds until TIME_WAIT is over. */
const QUIET = 130

const processes = Number(process.argv[2] ?? 50_000)
const sockets = Number(process.argv[3] ?? 1_000_000)

/** Does `total` of something in parts; false if memory grew or something is left. */
async function soak(
  what: string,
  total: number,
  part: (process: Process, count: number) => Promise<void>,
): Promise<boolean> {
  const at = stage()
  const began = seconds()
  const sizes: number[] = []
  for (let i = 0; i < PARTS; i++) {
    await play(at, (process) => part(process, total / PARTS))
    await play(at, async (process) => void (await process.sleep(QUIET)))
    sizes.push(memory())
  }
  const rate = total / (seconds() - began)
  const growth = (sizes.at(-1) as number) - (sizes[WARM_UP - 1] as number)
  const left = Object.entries(leftOver(at)).filter(([, count]) => count !== 0)
  console.log(`${what}: ${total.toLocaleString('en')}, ${Math.round(rate).toLocaleString('en')} a second`)
  console.log(`  memory after each tenth, MB: ${sizes.map((size) => (size / 1e6).toFixed(1)).join(' ')}`)
  console.log(`  left over: ${left.length === 0 ? 'nothing' : left.map(([name, n]) => `${n} ${name}`).join(', ')}`)
  return growth < FLAT && left.length === 0
}

const isFlat = [
  await soak('processes forked and reaped', processes, forkMany),
  await soak('sockets opened and closed', sockets, openMany),
]
process.exitCode = isFlat.every(Boolean) ? 0 : 1
