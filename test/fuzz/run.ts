/** `npm run fuzz -- --frames N --seed S`: the fuzzer at length, a new host every 500,000 frames; exit status 1 at the first fault. */
import { parseArgs } from 'node:util'
import { Fuzzer } from './fuzzer.ts'

const PER_HOST = 500_000

const { values } = parseArgs({ options: { frames: { type: 'string', default: '10000000' }, seed: { type: 'string' } } })
const total = Number(values.frames)
const base = Number(values.seed ?? Date.now() % 1_000_000)
if (!Number.isInteger(total) || total <= 0 || !Number.isInteger(base)) {
  console.error(`--frames and --seed take whole numbers: ${values.frames}, ${values.seed}`)
  process.exit(2)
}
const started = performance.now()
let left = total
for (let seed = base; left > 0; seed++) {
  const count = Math.min(left, PER_HOST)
  const fuzzer = new Fuzzer(seed)
  try {
    fuzzer.run(count)
    const rest = fuzzer.finish()
    if (Object.values(rest).some((n) => n !== 0)) throw new Error(`left over: ${JSON.stringify(rest)}`)
  } catch (error) {
    console.error(`seed ${seed}: frame ${fuzzer.toll.frames}: again with npm run fuzz -- --frames ${count} --seed ${seed}`)
    console.error(error)
    process.exit(1)
  }
  left -= count
  const { mostReplies, mostHeld, connections } = fuzzer.toll
  const rate = Math.round((total - left) / ((performance.now() - started) / 1000))
  console.log(`seed ${seed}: ${count} frames, ${connections} connections, at most ${mostReplies} replies to one, ${mostHeld} things held; ${rate} frames/s`)
}
console.log(`${total} frames, no exception`)
