/**
 * Segments much smaller than their memory, at the kernel and at us: what they cost (SO_MEMINFO), when they are copied together, dropped or
 * refused, and every window on the way (tcp_collapse, tcp_prune_queue).
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { endsOf, Kernel } from './kernel.ts'
import { playOurs } from './ours.ts'
import { type CallStep, type SegmentStep, type Sequence, type Step, stepText } from './sequence.ts'

const SOL_SOCKET = 1
const SO_RCVBUF = 8
const SO_MEMINFO = 55
const MEMORY: CallStep = { kind: 'call', name: 'getsockopt', args: [SOL_SOCKET, SO_MEMINFO] }
const READ: CallStep = { kind: 'call', name: 'recv', args: [500, 0x40] }
/** Where in a millisecond the timers of ours run. */
const PHASES = [0, 250, 500, 750]

const segment = (length: number, more: Partial<SegmentStep> = {}): SegmentStep => ({
  kind: 'segment',
  flags: '.',
  from: 'end',
  offset: 0,
  length,
  ack: { part: 1, more: 0, whole: false },
  window: 65535,
  isWrong: false,
  urgent: 0,
  sack: [],
  tos: 0,
  ts: null,
  ...more,
})

/** An accepted connection whose program does as `steps` say; the memory is looked at after each. */
function sequenceOf(rcvbuf: number, steps: readonly Step[]): Sequence {
  const opening: readonly Step[] = [
    segment(0, { flags: 'S', mss: 1460, sackOk: true, wscale: 7, ack: { part: 0, more: 0, whole: false } }),
    segment(0),
    { kind: 'call', name: 'accept', args: [] },
  ]
  const options = [[SOL_SOCKET, SO_RCVBUF, rcvbuf]] as const
  return {
    seed: 1,
    isActive: false,
    isn: 1000,
    clock: 5,
    options,
    steps: [...opening, ...steps.flatMap((s) => [s, MEMORY])],
  }
}

const times = (n: number, step: (i: number) => Step): Step[] => Array.from({ length: n }, (_, i) => step(i))

const PLAYS: readonly (readonly [string, (size: number, rcvbuf: number) => Step[]])[] = [
  ['in order', (size, rcvbuf) => times(Math.min(400, Math.ceil((3 * rcvbuf) / size)), () => segment(size))],
  ['in order, some read', (size) => times(300, (i) => (i % 20 === 19 ? READ : segment(size)))],
  ['before their turn', (size) => times(150, (i) => segment(size, { offset: i === 0 ? 5000 : 0 }))],
  ['with holes', (size) => times(150, () => segment(size, { offset: 3 }))],
  ['mixed', (size) => times(300, (i) => segment(size, { offset: i % 7 === 3 ? 200 : i % 7 === 5 ? -150 : 0 }))],
]

const kernel = Kernel.start()
after(() => {
  if (typeof kernel !== 'string') kernel.close()
})

for (const [title, play] of PLAYS) {
  test(`Receive memory: small segments ${title}: costs, windows and drops are the kernel's`, {
    skip: typeof kernel === 'string' && process.env.CI === undefined ? kernel : false,
  }, () => {
    for (const size of [10, 100, 300, 700, 1460]) {
      for (const rcvbuf of [2304, 8000, 30000]) compare(sequenceOf(rcvbuf, play(size, rcvbuf)), `${size} in ${rcvbuf}`)
    }
  })
}

function compare(sequence: Sequence, name: string): void {
  const { run, sysctls } = kernel as Kernel
  let nearest = ''
  // A delayed ACK may come a step earlier or later.
  for (let attempt = 0; attempt < 5; attempt++) {
    const [played] = run.call(kernel, [sequence])
    assert.ok(played !== undefined)
    for (const phase of PHASES) {
      const ours = playOurs(sequence, sysctls, endsOf(0), { times: played.times, phase })
      const at = played.texts.findIndex((text, i) => text !== ours[i])
      if (at < 0) return
      const step = sequence.steps[at - 1]
      nearest = `${step === undefined ? '' : stepText(step)}\nkernel ${played.texts[at]}\nours   ${ours[at]}`
    }
  }
  assert.fail(`${name}: ${nearest}`)
}
