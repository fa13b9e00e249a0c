/**
 * `node --import tsx test/packetdrill/kernel.ts FILE|FOLDER…` plays packetdrill scripts at the kernel this runs on, as root:
 * each in a network namespace of its own, with real system calls, packets through a TUN device, and in real time.
 *
 * `--jobs N` scripts at once, `--attempts N` of each until it passes, `--tolerance N` microseconds at least, `--mapped` with
 * AF_INET6 sockets and IPv4 addresses mapped into IPv6.
 */
import { parseArgs } from 'node:util'
import { scriptsBelow } from './files.ts'
import { playAll, reasonAgainst } from './kernel-pool.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    jobs: { type: 'string', default: '4' },
    attempts: { type: 'string', default: '3' },
    tolerance: { type: 'string', default: '12000' },
    mapped: { type: 'boolean', default: false },
    quiet: { type: 'boolean', short: 'q', default: false },
  },
})
const reason = reasonAgainst()
if (reason !== null || positionals.length === 0) {
  console.error(`kernel.ts: ${reason ?? 'which scripts?'}`)
  process.exit(2)
}
const variant = values.mapped ? 'ipv4-mapped-ipv6' : 'ipv4'
const count = { ok: 0, 'not ok': 0, skip: 0 }
const options = {
  atOnce: Number(values.jobs),
  attempts: Number(values.attempts),
  leastTolerance: Number(values.tolerance),
}
const scripts = positionals.flatMap(scriptsBelow).map((path) => ({ path, variant }) as const)
await playAll(scripts, options, ({ path, report, late, attempts }) => {
  count[report.status]++
  if (report.status === 'ok') {
    if (!values.quiet) console.log(`ok ${path} (${attempts})`)
  } else if (report.status === 'skip') console.log(`skip ${path}: ${report.message}`)
  else {
    console.log(`not ok ${path}: line ${report.line}: ${report.message} (late by ${late} us)`)
    for (const line of report.trail) console.log(`    ${line}`)
  }
})
console.log(`${count.ok} passed, ${count['not ok']} failed, ${count.skip} skipped`)
process.exit(count['not ok'] === 0 ? 0 : 1)
