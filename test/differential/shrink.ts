/** Makes a script that differs as short as possible (delta debugging): no step can be left out any more. */
import { type Difference, firstDifference, type Kernel, runOurs } from './compare.ts'
import type { Script } from './script.ts'

/** Runs on both sides at most. */
const MOST_RUNS = 400

export async function shrink(kernel: Kernel, difference: Difference): Promise<Difference> {
  let best = cut(difference)
  let runs = 0
  const differs = async (script: Script): Promise<Difference | null> => {
    if (++runs > MOST_RUNS) return null
    const [theirs] = (await kernel.run([script], false)) as [string[]]
    const ours = await runOurs(script, kernel.sysctls)
    const at = firstDifference(script, theirs, ours)
    return at < 0 || theirs[at]?.startsWith('stopped') || ours[at]?.startsWith('stopped')
      ? null
      : { script, at, kernel: theirs, ours }
  }
  for (let size = best.script.steps.length >> 1; size >= 1; size = size > 1 ? size >> 1 : 0) {
    for (let from = best.script.steps.length - 1 - size; from >= 0; from -= size) {
      const steps = best.script.steps.filter((_, i) => i < from || i >= from + size)
      const found = await differs({ ...best.script, steps })
      if (found !== null) best = cut(found)
    }
  }
  return best
}

/** Without what comes after the difference. */
function cut(difference: Difference): Difference {
  const { script, at } = difference
  return { ...difference, script: { ...script, steps: script.steps.slice(0, at + 1) } }
}
