/**
 * Random segments at the kernel and at us:
 *
 *     node --import tsx test/segments/run.ts [--sequences N] [--seed S] [--verbose]
 *
 * Needs root, for a namespace and a TAP device.
 */
import { parseArgs } from 'node:util'
import { compareSequences, report } from './compare.ts'
import { Kernel } from './kernel.ts'

const { values } = parseArgs({
  options: {
    sequences: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    shown: { type: 'string', default: '10' },
    verbose: { type: 'boolean', default: false },
  },
})
const kernel = Kernel.start()
if (typeof kernel === 'string') {
  console.log(`skipped: ${kernel}`)
  process.exitCode = process.env.CI === undefined ? 0 : 1
} else {
  const count = Number(values.sequences)
  const { differences, steps, segments } = compareSequences(kernel, Number(values.seed), count, values.verbose)
  for (const group of differences.slice(0, Number(values.shown))) {
    console.log(report(group.first))
    console.log(`(${group.seeds.length} like this: ${group.kind}; seeds ${group.seeds.slice(0, 8).join(' ')})\n`)
  }
  const bad = differences.reduce((sum, group) => sum + group.seeds.length, 0)
  console.log(`${count} sequences from seed ${values.seed} on, ${steps} steps, ${segments} segments; ${bad} differ`)
  if (bad > 0) process.exitCode = 1
  kernel.close()
}
