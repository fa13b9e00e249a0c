/**
 * Writes kernel.ts and built.ts: frames in hexadecimal with the line tcpdump prints for them.
 *
 *   unshare -n bash test/wire/vectors/capture.sh      # as root; leaves kernel.pcap in the working directory
 *   node --import tsx test/wire/vectors/generate.ts kernel.pcap
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { buildFrames } from '../build.ts'
import { ETHERNET, type Frame, readPcap, tcpdump } from '../pcap.ts'

const LONGEST = 300
const version =
  spawnSync('tcpdump', ['--version']).stdout.toString() + spawnSync('tcpdump', ['--version']).stderr.toString()
const tool = version.split('\n')[0] ?? ''

function write(file: string, provenance: string, frames: readonly (Frame & { name: string })[]): void {
  const lines = tcpdump(frames, ETHERNET)
  const rows = frames.map(
    (f, i) => `  {
    name: ${JSON.stringify(f.name)},
    hex: '${Buffer.from(f.bytes).toString('hex')}',
    line: ${JSON.stringify(lines[i] ?? '')},
  },`,
  )
  writeFileSync(
    new URL(file, import.meta.url),
    `/** ${provenance}\n * Lines: ${tool} -n. Written by generate.ts; do not edit. */
import type { Vector } from './vector.ts'

export const VECTORS: readonly Vector[] = [
${rows.join('\n')}
]
`,
  )
}

const path = process.argv[2]
if (path !== undefined) {
  const kept = readPcap(readFileSync(path)).filter((f) => f.bytes.length <= LONGEST)
  const named = kept.map((f, i) => ({ name: `kernel frame ${i}`, bytes: f.bytes }))
  write('kernel.ts', 'Sent by two Linux 6 network namespaces over veth, checksum offload off: capture.sh.', named)
}
write('built.ts', 'Built by test/wire/build.ts with our own emitters; only the lines are independent.', buildFrames())
