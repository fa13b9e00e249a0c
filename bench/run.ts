/**
 * `npm run bench -- [--quick] [--json FILE] [--only NAME]…`: every row in a process of its own, ours and then the peer
 * (node:net, node:dgram over the kernel's loopback) in the same run. Medians of five samples, least and most beside.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { F_ALL, F_WIRE } from '../src/link/link.ts'
import { bulkOurs, bulkPeer } from './bulk.ts'
import { concurrentOurs, connectionsOurs, connectionsPeer } from './connections.ts'
import { datagramsOurs, datagramsPeer } from './datagrams.ts'
import { median, type Pace, pace as paceOf, type Row } from './harness.ts'
import { localOurs, localPeer, localRatio } from './local.ts'
import { idleOurs, idlePeer, quarters } from './memory.ts'
import { roundTripsAwaited, roundTripsEvents, roundTripsPeer } from './round-trips.ts'
import { threadsLocal, threadsPeer, threadsPingPong, threadsStreamed } from './threads.ts'

type Side = (pace: Pace) => Promise<number[]>

interface Bench {
  readonly id: string
  readonly name: string
  readonly unit: string
  readonly bar: number | null
  readonly isSize?: boolean
  readonly ours: Side
  readonly peer: Side | null
}

/** How flat 4 GiB are, several times: the slowest quarter beside the fastest, or how much memory the last has gained. */
async function flat(pace: Pace, what: 'rate' | 'memory'): Promise<number[]> {
  const all = await quarters(pace.samples)
  if (what === 'rate') return all.map(({ rates }) => Math.min(...rates) / Math.max(...rates))
  return all.map(({ sizes }) => ((sizes[3] ?? 0) - (sizes[0] ?? 0)) / 2 ** 20)
}

const BENCHES: readonly Bench[] = [
  {
    id: 'bulk-wire',
    name: 'TCP bulk, MTU 1500, checksums computed and verified',
    unit: 'Gbit/s',
    bar: 4,
    ours: (p) => bulkOurs(F_WIRE, false, p),
    peer: bulkPeer,
  },
  {
    id: 'bulk-offload',
    name: 'TCP bulk, in-memory offloads',
    unit: 'Gbit/s',
    bar: 25,
    ours: (p) => bulkOurs(F_ALL, false, p),
    peer: bulkPeer,
  },
  {
    id: 'bulk-await',
    name: 'TCP bulk, in-memory offloads, awaited read and write',
    unit: 'Gbit/s',
    bar: null,
    ours: (p) => bulkOurs(F_ALL, true, p),
    peer: bulkPeer,
  },
  {
    id: 'rr',
    name: 'TCP 1-byte round trips, awaited calls',
    unit: '/s',
    bar: 200_000,
    ours: roundTripsAwaited,
    peer: roundTripsPeer,
  },
  {
    id: 'rr-events',
    name: 'TCP 1-byte round trips, non-blocking calls on events',
    unit: '/s',
    bar: 200_000,
    ours: roundTripsEvents,
    peer: roundTripsPeer,
  },
  {
    id: 'connections',
    name: 'TCP connect + echo + close, one after the other',
    unit: '/s',
    bar: 30_000,
    ours: connectionsOurs,
    peer: (p) => connectionsPeer(p, 1),
  },
  {
    id: 'concurrent',
    name: 'TCP connect + echo + close, 64 at a time, all finish',
    unit: '/s',
    bar: null,
    ours: concurrentOurs,
    peer: (p) => connectionsPeer(p, 64),
  },
  {
    id: 'udp',
    name: 'UDP 64 B datagrams received, non-blocking calls',
    unit: '/s',
    bar: 600_000,
    ours: (p) => datagramsOurs(p, false),
    peer: datagramsPeer,
  },
  {
    id: 'udp-await',
    name: 'UDP 64 B datagrams received, awaited calls',
    unit: '/s',
    bar: null,
    ours: (p) => datagramsOurs(p, true),
    peer: datagramsPeer,
  },
  {
    id: 'threads',
    name: 'TCP 64 B send+recv, blocking calls of two workers, streamed (peer: MessageChannel)',
    unit: '/s',
    bar: 300_000,
    ours: threadsStreamed,
    peer: (p) => threadsPeer(p, false),
  },
  {
    id: 'threads-rr',
    name: 'TCP 64 B send+recv, blocking calls of two workers, each waits for the other (peer: MessageChannel)',
    unit: '/s',
    bar: null,
    ours: threadsPingPong,
    peer: (p) => threadsPeer(p, true),
  },
  {
    id: 'threads-unix',
    name: 'AF_UNIX 64 B send+recv, blocking calls of two workers, streamed',
    unit: '/s',
    bar: null,
    ours: threadsLocal,
    peer: null,
  },
  {
    id: 'local',
    name: 'AF_UNIX stream bulk, 32 KiB calls (peer: our TCP over lo, in turns)',
    unit: 'Gbit/s',
    bar: null,
    ours: localOurs,
    peer: localPeer,
  },
  {
    id: 'local-ratio',
    name: 'AF_UNIX stream bulk, 32 KiB calls / our TCP over lo, in pairs',
    unit: '',
    bar: 1.5,
    ours: localRatio,
    peer: null,
  },
  {
    id: 'idle',
    name: 'idle TCP connection, each end (peer: JavaScript side only)',
    unit: 'B',
    bar: 1500,
    isSize: true,
    ours: idleOurs,
    peer: idlePeer,
  },
  {
    id: 'flat-rate',
    name: '4 GiB on one connection: slowest / fastest quarter',
    unit: '',
    bar: 0.8,
    ours: (p) => flat(p, 'rate'),
    peer: null,
  },
  {
    id: 'flat-memory',
    name: '4 GiB on one connection: memory of last - first quarter',
    unit: 'MiB',
    bar: 4,
    isSize: true,
    ours: (p) => flat(p, 'memory'),
    peer: null,
  },
]

/** Runs one side of one row in a process of its own. */
function measure(id: string, side: string, isQuick: boolean): number[] {
  const args = [
    '--expose-gc',
    '--import',
    import.meta.resolve('tsx'),
    fileURLToPath(import.meta.url),
    '--side',
    side,
    '--only',
    id,
  ]
  const result = spawnSync(process.execPath, [...args, ...(isQuick ? ['--quick'] : [])], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const line = result.stdout.trim().split('\n').at(-1) ?? ''
  if (result.status !== 0) throw new Error(`${id} (${side}) ended with ${result.status}: ${line}`)
  return JSON.parse(line) as number[]
}

const range = (samples: readonly number[]): [number, number] => [Math.min(...samples), Math.max(...samples)]

function makeRow(bench: Bench, isQuick: boolean): Row {
  const ours = measure(bench.id, 'ours', isQuick)
  const peer = bench.peer === null ? null : measure(bench.id, 'peer', isQuick)
  const middle = median(ours)
  const other = peer === null ? null : median(peer)
  return {
    name: bench.name,
    unit: bench.unit,
    ours: middle,
    peer: other,
    ratio: other === null ? null : middle / other,
    oursRange: range(ours),
    peerRange: peer === null ? null : range(peer),
    bar: bench.bar,
    ...(bench.isSize === true ? { isSize: true } : {}),
  }
}

/** Through a real TAP device, if this may be done: bench/tap.ts prints its rows as JSON. */
function tapRows(isQuick: boolean): Row[] {
  const file = new URL('./tap.ts', import.meta.url)
  if (!existsSync(file)) return []
  if (process.getuid?.() !== 0) {
    console.log('TAP rows are left out: they need root')
    return []
  }
  const args = ['--import', import.meta.resolve('tsx'), fileURLToPath(file), '--json', ...(isQuick ? ['--quick'] : [])]
  const result = spawnSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  const line = result.stdout.trim().split('\n').at(-1) ?? ''
  try {
    return JSON.parse(line) as Row[]
  } catch {
    console.log(`TAP rows are left out: bench/tap.ts ended with ${result.status}: ${line}`)
    return []
  }
}

const digits = (n: number): string => (Math.abs(n) >= 1000 ? Math.round(n).toLocaleString('en') : n.toPrecision(3))
const span = (r: readonly [number, number] | null | undefined): string =>
  r === null || r === undefined ? '' : `${digits(r[0])}–${digits(r[1])}`
const meets = (row: Row): boolean =>
  row.bar === null || (row.isSize === true ? row.ours <= row.bar : row.ours >= row.bar)

function show(row: Row): void {
  const peer =
    row.peer === null ? '' : ` | peer ${digits(row.peer)} (${span(row.peerRange)}) | ratio ${row.ratio?.toFixed(2)}`
  const bar =
    row.bar === null
      ? ''
      : ` | bar ${row.isSize === true ? '<=' : '>='} ${digits(row.bar)}${meets(row) ? '' : ' MISSED'}`
  console.log(`${row.name}: ${digits(row.ours)} ${row.unit} (${span(row.oursRange)})${peer}${bar}`)
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      only: { type: 'string', multiple: true },
      side: { type: 'string' },
      strict: { type: 'boolean', default: false },
    },
  })
  const { quick, only, side, strict } = values
  if (side !== undefined) {
    const bench = BENCHES.find((b) => b.id === only?.[0])
    const run = side === 'ours' ? bench?.ours : bench?.peer
    if (run === undefined || run === null) throw new RangeError(`no such row: ${only?.[0]}`)
    console.log(JSON.stringify(await run(paceOf(quick))))
    process.exit(0)
  }
  console.log(`Node ${process.version}, ${cpus()[0]?.model ?? ''}, ${cpus().length} CPUs; medians of 5 (least–most)`)
  const rows: Row[] = []
  for (const bench of BENCHES) {
    if (only !== undefined && !only.includes(bench.id)) continue
    const row = makeRow(bench, quick)
    rows.push(row)
    show(row)
  }
  if (only === undefined || only.includes('tap'))
    for (const row of tapRows(quick)) {
      rows.push(row)
      show(row)
    }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`)
  // A shared machine is no judge: a missed bar is printed, and fails the run only when asked for.
  return strict && !rows.every(meets) ? 1 : 0
}

process.exitCode = await main()
