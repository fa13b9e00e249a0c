#!/usr/bin/env node
/** `sockeye`: the command line. What it is told wrong ends in one line on stderr and a status that says so. */
import { UsageError } from './arguments.ts'
import { run } from './run.ts'

// A reader that went away (`sockeye dump … | head`) is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

try {
  process.exitCode = await run(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`sockeye: ${error.message}\n`)
  process.exitCode = error.status
}
