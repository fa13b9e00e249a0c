/** 1,000,000 spoofed SYNs and what they cost: node --import tsx test/tcp/flood-run.ts [MILLIONS]. */
import { floodRun } from './flood.ts'

const seconds = 10 * Number(process.argv[2] ?? 1)
for (const synsPerSecond of [0, 100_000]) {
  const start = performance.now()
  const result = floodRun({ seconds, synsPerSecond, clients: 1000 })
  const ms = performance.now() - start
  console.log(result, `${(ms / 1000).toFixed(1)} s real, ${((ms * 1000) / result.segments).toFixed(2)} us a segment`)
  console.log(`${(process.memoryUsage().heapUsed / 1e6).toFixed(0)} MB heap`)
}
