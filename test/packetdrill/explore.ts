/**
 * `node --import tsx test/packetdrill/explore.ts SEED COUNT`: senders against random peers, ours and the kernel's. A peer that loses,
 * reorders and delays what our stack sends makes a script of its acknowledgements; the kernel plays the same script. What each
 * sent, when, and TCP_INFO after every acknowledgement is compared. `--keep FOLDER` writes scripts that differ there.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Host } from '../../src/packetdrill/host.ts'
import { parseScript, Run } from '../../src/packetdrill/index.ts'
import { injectPacket } from '../../src/packetdrill/inject.ts'
import type { ScriptPacket } from '../../src/packetdrill/script.ts'
import type { Snapshot } from '../../src/packetdrill/snapshot.ts'
import { StackHost } from '../../src/packetdrill/stack-host.ts'
import type { Captured } from '../../src/packetdrill/wire-packet.ts'
import { Random } from '../../src/sys/random.ts'
import { diff } from '../../src/tcp/seq.ts'
import { KernelHost } from './kernel-host.ts'
import { Machine } from './kernel-machine.ts'

const WORLD = { local: '192.168.0.1', prefix: 16, remote: '192.0.2.1', mtu: 1500, bindPort: 8080, connectPort: 8080 }
const MSS = 1000
/** Longest script, in microseconds, and most acknowledgements. */
const LONGEST = 4_000_000
const MOST = 120
/** Least time between two events: what happens within 1 ms counts as one burst (tcp_tso_should_defer). */
const APART = 3000
const RETRANSMISSION_LATE = 40_000
/** A run in which the harness was later than this, in microseconds, tells nothing. */
const LATE = 3000
/** The kernel's timers tick HZ times a second. */
const TOLERANCE = 13_000
/** Long timers of the kernel are coarse (timer wheel): an eighth of what they wait. */
const SLACK = 0.125
const FIELDS: readonly string[] = [
  'ca_state', 'snd_cwnd', 'snd_ssthresh', 'unacked', 'sacked', 'lost', 'retrans', 'reordering', 'reord_seen', 'delivered',
  'total_retrans', 'backoff', 'retransmits', 'notsent_bytes', 'dsack_dups', 'bytes_retrans', 'bytes_acked',
] // biome-ignore format: a table

interface Plan {
  readonly rtt: number
  readonly loss: number
  readonly reorder: number
  readonly ackLoss: number
  readonly every: number
  readonly hasSack: boolean
  readonly window: number
  readonly writes: readonly number[]
  readonly settings: readonly string[]
}

function planOf(random: Random): Plan {
  const of = <T>(...options: T[]): T => options[random.below(options.length)] as T
  return {
    rtt: of(20_000, 50_000, 100_000),
    loss: of(0, 0.05, 0.1, 0.2, 0.35),
    reorder: of(0, 0, 0.1, 0.3),
    ackLoss: of(0, 0, 0.1, 0.3),
    every: of(1, 1, 2),
    hasSack: of(true, true, true, false),
    window: of(65535, 65535, 20000, 8000),
    writes: Array.from({ length: of(1, 1, 2, 3) }, () => of(1, 2, 3, 5, 10, 20, 40) * MSS + of(0, 0, 500)),
    settings: [of('tcp_congestion_control=cubic', 'tcp_congestion_control=reno'), ...of([], [], ['tcp_early_retrans=0'], ['tcp_recovery=0'], ['tcp_slow_start_after_idle=1'], ['tcp_reordering=5'], ['tcp_frto=0'])],
  } // biome-ignore format: a table
}

const at = (time: number): string => (time / 1e6).toFixed(6)

/** The peer: what it has, and what it says of that. */
class Peer {
  next = 1
  ranges: [number, number][] = []
  duplicate: [number, number] | null = null

  take(seq: number, end: number): void {
    this.duplicate = null
    if (end <= this.next || this.ranges.some(([l, r]) => l <= seq && end <= r)) {
      this.duplicate = [seq, end]
      return
    }
    const touching = this.ranges.filter(([l, r]) => l <= end && seq <= r)
    const merged: [number, number] = [
      Math.min(seq, ...touching.map(([l]) => l)),
      Math.max(end, ...touching.map(([, r]) => r)),
    ]
    this.ranges = [merged, ...this.ranges.filter((range) => !touching.includes(range))]
    const first = this.ranges.find(([l]) => l <= this.next)
    if (first === undefined) return
    this.next = Math.max(this.next, first[1])
    this.ranges = this.ranges.filter((range) => range !== first)
  }

  blocks(most: number): [number, number][] {
    return (this.duplicate === null ? this.ranges : [this.duplicate, ...this.ranges]).slice(0, most)
  }
}

/** Plays our stack against a random peer; the script that came of it. */
function script(seed: number): string {
  const random = new Random(seed)
  const plan = planOf(random)
  const options = plan.hasSack ? 'nop,nop,sackOK,' : ''
  const lines = [
    `\`./defaults.sh\n${['tcp_timestamps=0', ...plan.settings].map((s) => `sysctl -q net.ipv4.${s}`).join('\n')}\``,
    '0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3',
    '+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0',
    '+0 bind(3, ..., ...) = 0',
    '+0 listen(3, 1) = 0',
    `+0 < S 0:0(0) win 32792 <mss ${MSS},${options}nop,wscale 0>`,
    `+0 > S. 0:0(0) ack 1 <mss 1460,${options}nop,wscale 8>`,
    `${at(plan.rtt)} < . 1:1(0) ack 1 win ${plan.window}`,
    '+0 accept(3, ..., ...) = 4',
    '+0 setsockopt(4, SOL_SOCKET, SO_SNDBUF, [400000], 4) = 0',
    '+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0',
  ]
  const hosts: StackHost[] = []
  const prefix = parseScript(`${lines.join('\n')}\n`)
  const begun = new Run(prefix, { world: WORLD, ignorePush: true, host: (o) => (hosts[0] = new StackHost(o)) }).run()
  if (begun.status !== 'ok') throw new Error(`${begun.line}: ${begun.message}\n${lines.join('\n')}`)
  const host = hosts[0] as StackHost
  const flow = host.flow
  if (flow === null) throw new Error('no connection')
  const peer = new Peer()
  let highest = flow.liveIsn
  let held = 0
  const due: { time: number; act: () => void }[] = []
  const schedule = (time: number, act: () => void): void => {
    let at = Math.floor(time)
    while (due.some((other) => Math.abs(other.time - at) < APART)) at += APART
    due.push({ time: at, act })
    due.sort((a, b) => a.time - b.time)
  }
  const say = (text: string): void => {
    lines.push(`${at(host.now)} ${text}`, '+0 %{ x = 0 }%')
    const action = parseScript(`0 ${text}`).events[0]?.action as ScriptPacket
    const problem = injectPacket(host, flow, action, { mss: 0, isScaled: false, isNew: false })
    if (problem !== null) throw new Error(problem)
    host.settle()
  }
  const acknowledge = (): void => {
    const blocks = plan.hasSack ? peer.blocks(4) : []
    const sack = blocks.length > 0 ? ` <nop,nop,sack ${blocks.map(([l, r]) => `${l}:${r}`).join(' ')}>` : ''
    say(`< . 1:1(0) ack ${peer.next} win ${plan.window}${sack}`)
  }
  const arrive = (packet: Captured): void => {
    const seq = flow.seq(packet.seq, false)
    const inOrder = seq === peer.next && peer.ranges.length === 0
    // A large packet of several segments arrives in pieces: all in order here.
    peer.take(seq, seq + packet.length)
    if (inOrder && ++held < plan.every && due.length > 0) return
    held = 0
    if (random.below(1000) < plan.ackLoss * 1000) return
    acknowledge()
  }
  const send = (packet: Captured): void => {
    for (let from = 0; from < packet.length; from += MSS) {
      const piece = { ...packet, seq: (packet.seq + from) | 0, length: Math.min(MSS, packet.length - from) }
      if (random.below(1000) < plan.loss * 1000) continue
      // The kernel's timers are late: a retransmission's acknowledgement is not to come before the time a packet takes.
      const again = diff(piece.seq, highest) < 0 ? RETRANSMISSION_LATE : 0
      if (again === 0) highest = (piece.seq + piece.length) | 0
      const late = random.below(1000) < plan.reorder * 1000 ? random.below(plan.rtt / 2) : 0
      schedule(packet.time + plan.rtt + late + again + (from / MSS) * 300, () => arrive(piece))
    }
  }
  let time = host.now
  for (const size of plan.writes) {
    schedule(time, () => {
      lines.push(`${at(host.now)} write(4, ..., ${size}) = ${size}`)
      host.begin(parseScript(`0 write(4, ..., ${size}) = ${size}`).events[0]?.action as never).attempt()
      host.settle()
    })
    time += random.below(2) === 0 ? 1000 * random.below(300) : plan.rtt * 2
  }
  for (let count = 0; count < MOST; ) {
    for (let sent = host.sent.shift(); sent !== undefined; sent = host.sent.shift())
      if (sent.flow === flow && sent.packet.length > 0) send(sent.packet)
    const first = due[0]
    const limit = Math.min(first?.time ?? LONGEST, LONGEST)
    if (host.step(limit)) continue
    if (host.sent.length > 0) continue
    if (first === undefined || first.time >= LONGEST) break
    due.shift()
    host.runTo(first.time)
    if (host.sent.length > 0) {
      due.unshift(first)
      continue
    }
    first.act()
    count++
  }
  lines.push(`${at(Math.max(host.now, plan.rtt) + 300_000)} %{ x = 0 }%`)
  return `${lines.join('\n')}\n`
}

interface Seen {
  readonly time: number
  readonly text: string
}

/** What a host sent and showed when it played a script. */
function observe(source: string, make: (options: typeof WORLD) => Host): Seen[] | string {
  const seen: Seen[] = []
  let host: Host | undefined
  const parsed = parseScript(source)
  const report = new Run(parsed, {
    world: WORLD,
    ignorePush: true,
    leastTolerance: 20_000,
    host: (o) => {
      const made = make(o)
      const snapshot = made.snapshot.bind(made)
      made.snapshot = (line: number): Snapshot => {
        const values = snapshot(line)
        seen.push({ time: made.now, text: FIELDS.map((f) => `${f} ${values.get(`tcpi_${f}`)}`).join(', ') })
        return values
      }
      host = made
      return made
    },
  }).run()
  if (host === undefined) return 'no host'
  const flow = host.flow
  host.step(host.now)
  for (const { packet, flow: of } of host.sent)
    if (of === flow && flow !== null)
      // Pieces of one burst may be cut differently.
      for (let from = 0; from === 0 || from < packet.length; from += MSS) {
        const seq = flow.seq((packet.seq + from) | 0, false)
        seen.push({ time: packet.time, text: `> ${seq}:${seq + Math.min(MSS, packet.length - from)}` })
      }
  if (host instanceof KernelHost) host.close()
  if (report.status !== 'ok') return `line ${report.line}: ${report.message}`
  if (host instanceof KernelHost && host.late > LATE) return `the harness was late by ${host.late} us`
  return seen
}

/** Packets as bytes on the wire: pieces of one burst may be cut differently. */
function compare(ours: Seen[], kernel: Seen[]): string | null {
  const infos = (all: Seen[]): Seen[] => all.filter(({ text }) => !text.startsWith('>'))
  const packets = (all: Seen[]): Seen[] => all.filter(({ text }) => text.startsWith('>'))
  let earliest = Infinity
  let message: string | null = null
  const note = (time: number, text: string): void => {
    if (time >= earliest) return
    earliest = time
    message = `${at(time)} ${text}`
  }
  for (const [i, a] of packets(ours).entries()) {
    const b = packets(kernel)[i]
    const before = packets(ours)[i - 1]?.time ?? 0
    if (b === undefined) note(a.time, `ours sends ${a.text}, the kernel nothing more`)
    else if (a.text !== b.text)
      note(Math.min(a.time, b.time), `ours sends ${a.text} at ${at(a.time)}, the kernel ${b.text} at ${at(b.time)}`)
    else if (Math.abs(a.time - b.time) > Math.max(TOLERANCE, SLACK * (a.time - before)))
      note(Math.min(a.time, b.time), `${a.text}: ours at ${at(a.time)}, the kernel's at ${at(b.time)}`)
  }
  const extra = packets(kernel)[packets(ours).length]
  if (extra !== undefined) note(extra.time, `the kernel sends ${extra.text}, ours nothing more`)
  for (const [i, a] of infos(ours).entries()) {
    const b = infos(kernel)[i]
    if (b === undefined || a.text === b.text) continue
    const theirs = b.text.split(', ')
    note(
      a.time,
      a.text
        .split(', ')
        .flatMap((f, j) => (f === theirs[j] ? [] : [`${f}, the kernel ${theirs[j]}`]))
        .join('; '),
    )
  }
  return message
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { keep: { type: 'string' }, verbose: { type: 'boolean', default: false } },
})
const [seed = 1, count = 20] = positionals.map(Number)
const machine = new Machine()
await machine.started()
let differing = 0
for (let s = seed; s < seed + count; s++) {
  const source = script(s)
  const ours = observe(source, (o) => new StackHost(o))
  let message: string | null = null
  for (let attempt = 0; attempt < 5; attempt++) {
    const kernel = observe(source, (o) => new KernelHost(o, machine, false, false))
    message =
      typeof ours === 'string'
        ? `ours: ${ours}`
        : typeof kernel === 'string'
          ? `kernel: ${kernel}`
          : compare(ours, kernel)
    if (message === null) break
    if (values.verbose && typeof ours !== 'string' && typeof kernel !== 'string') {
      for (const [name, all] of [
        ['ours', ours],
        ['kernel', kernel],
      ] as const)
        for (const { time, text } of [...all].sort((a, b) => a.time - b.time))
          console.log(`${name} ${at(time)} ${text}`)
    }
  }
  if (message === null) continue
  differing++
  console.log(`seed ${s}: ${message}`)
  if (values.keep !== undefined) writeFileSync(join(values.keep, `seed-${s}.pkt`), source)
}
console.log(`${count - differing} of ${count} the same`)
process.kill(process.pid, 'SIGKILL')
