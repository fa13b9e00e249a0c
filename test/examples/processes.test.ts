/** PR5, PR8, PR9, pre-fork (CO6) and the I/O models (CO3, CO5): what the examples print. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { promisify } from 'node:util'

const ROOT = new URL('../../', import.meta.url).pathname
const run = promisify(execFile)

/** The lines that an example prints. */
async function lines(example: string, ...args: string[]): Promise<string[]> {
  const script = ['--import', 'tsx', `examples/${example}/run.ts`, ...args]
  const { stdout } = await run(process.execPath, script, { cwd: ROOT })
  return stdout.trimEnd().split('\n')
}

test('PR8: fork returns twice, parent and child count on their own, both counters are printed (fork(2))', async () => {
  assert.deepEqual(await lines('fork-demo'), [
    'demo    2 before fork: counter = 5',
    'demo    fork gave 3 to the parent; the child runs on its own',
    'demo    parent 2 (parent 1): counter = 6',
    'demo    child 3 (parent 2): counter = 15',
    'demo    parent 2 (parent 1): counter = 7',
    'demo    child 3 (parent 2): counter = 25',
    'demo    parent 2 (parent 1): counter = 8',
    'demo    child 3 (parent 2): counter = 35',
    "demo    child 3 ended with its counter at 35, the parent's is 8",
  ])
})

test('PR8: the same in C prints the same on the real kernel, parent and child each for themselves', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sockeye-fork-'))
  try {
    const program = join(folder, 'fork-demo')
    await run('cc', ['-Wall', '-Werror', '-o', program, join(ROOT, 'examples/fork-demo/fork-demo.c')])
    // Ids and the moments at which the two print differ from run to run.
    const told = (output: readonly string[], who: RegExp): string[] =>
      output
        .filter((line) => who.test(line))
        .map((line) => line.replace(/\b\d+ (?=before|to the|ended|\()|parent \d+/g, 'ID '))
    const kernel = (await run(program)).stdout.trimEnd().split('\n')
    const ours = (await lines('fork-demo')).map((line) => line.slice(8))
    for (const who of [/\(parent.*= \d5/, /parent \d+ \(|fork|ended/])
      assert.deepEqual(told(ours, who), told(kernel, who))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    t.skip('needs a C compiler')
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('PR9: references go 1, 2, 1 and the FIN leaves with the last; children are reaped, accept survives EINTR (CONCEPTS SO7, CO1)', async () => {
  const one = (pid: number, count: number): string[] => [
    'server  accepted: descriptor 4, references 1',
    `server  forked ${pid}: references 2`,
    'server  closed 4 in the parent: the child has it open, no FIN is sent',
    `server  child ${pid}: references 1 once the parent has closed its own`,
    ...Array.from({ length: count }, (_, i) => `server  child ${pid} read "data : ${i}"`),
    `server  child ${pid}: end of the stream; closed, now the FIN goes`,
    `server  reaped ${pid}`,
  ]
  const interrupted = 'server  accept: EINTR, once more'
  assert.deepEqual(await lines('fork-server'), [...one(3, 1), interrupted, ...one(4, 2), 'server  no child is left'])
})

test('PR5: endless clients send a line a second to a process each, until they are killed', async () => {
  const output = await lines('endless', '2')
  assert.deepEqual(output.slice(0, 6), [
    'server  child 3 read "data : 0"',
    'server  child 4 read "data : 0"',
    'server  child 5 read "data : 0"',
    'server  child 3 read "data : 1"',
    'server  child 4 read "data : 1"',
    'server  child 5 read "data : 1"',
  ])
  assert.deepEqual(
    output.filter((line) => line.includes('reaped')),
    ['server  reaped 3', 'server  reaped 4', 'server  reaped 5'],
  )
  assert.equal(output.at(-1), 'server  no child is left')
})

test('CO6: of the workers that sleep in accept on one listener each gets its share, and all are waited for', async () => {
  const output = await lines('pre-fork')
  assert.equal(output.filter((line) => line.endsWith('1 of 1 lines came back, in 1.0 s')).length, 12)
  assert.deepEqual(
    output.filter((line) => line.startsWith('server')),
    [
      'server  the listener has 5 references',
      'server  worker 3 served 3 connections',
      'server  worker 4 served 3 connections',
      'server  worker 5 served 3 connections',
      'server  worker 6 served 3 connections',
      'server  4 workers were waited for',
    ],
  )
})

test('CO3, CO5: the echo server in each I/O model; blocking serves one client after the other, the rest all at once', async () => {
  const times: Record<string, string[]> = {
    blocking: ['3.0', '6.1', '9.1'],
    nonblocking: ['3.1', '3.1', '3.1'],
  }
  const expected = ['blocking', 'nonblocking', 'select', 'poll', 'epoll', 'sigio', 'reactor'].flatMap((model) => [
    `${model}:`,
    ...['ann', 'ben', 'cleo'].map((name, i) => {
      const took = times[model]?.[i] ?? '3.0'
      return `client  ${name}: 3 of 3 lines came back, in ${took} s`
    }),
  ])
  assert.deepEqual(await lines('io-models'), expected)
})
