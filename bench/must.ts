import { spawnSync } from 'node:child_process'

/** Runs a program that must succeed; the error has what it said. */
export function must(program: string, ...args: string[]): void {
  const result = spawnSync(program, args, { encoding: 'utf8' })
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${result.stderr || result.error?.message}`)
}
