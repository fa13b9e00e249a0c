/** The programs of the course notes (PR4, PR10–PR14): what they print, here and on the real kernel. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { network } from '../../examples/stage.ts'
import { APART, PLAYS } from './plays.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const run = (...args: string[]) =>
  promisify(execFile)(process.execPath, ['--import', 'tsx', ...args], {
    cwd: ROOT,
    env: { ...process.env, UV_THREADPOOL_SIZE: '64' },
  })

/** What each speaker printed on our hosts. */
async function ours(title: string): Promise<Record<string, string>> {
  const { net } = network()
  const said: Record<string, string> = {}
  const place = { address: '127.0.0.1', port: 7777, path: '/socket' }
  const programs = (PLAYS[title] as (typeof PLAYS)[string])(place)
  for (const [order, [name, program]] of Object.entries(programs).entries()) {
    said[name] = ''
    net.at(order * APART, () => {
      net.host('server').spawn(program, {
        name,
        output: (bytes) => {
          said[name] += new TextDecoder().decode(bytes).replace(/:\d{4,5}\b/g, ':PORT')
        },
      })
    })
  }
  await net.run()
  return said
}

/** `text` with what each loop of the program said apart: two loops woken by one segment tell of it in either order on the kernel. */
const loops = (text: string | undefined): string[] =>
  ['read', 'write', ''].map((call) =>
    (text ?? '')
      .split('\n')
      .filter((line) => (line.match(/^(read|write)\b/)?.[0] ?? '') === call)
      .join('\n'),
  )

const skip = process.platform === 'linux' ? false : 'needs Linux'
test('PR4, PR10–PR14: the same programs print the same on the real kernel', { skip }, async () => {
  const kernel = JSON.parse((await run('test/examples/on-kernel.ts')).stdout) as Record<string, Record<string, string>>
  for (const title of Object.keys(PLAYS)) {
    const said = await ours(title)
    const twoLoops = /^(close|shutdown)/.test(title)
    for (const [name, text] of Object.entries(kernel[title] as Record<string, string>))
      if (twoLoops) assert.deepEqual(loops(said[name]), loops(text), `${title}: ${name}`)
      else assert.equal(said[name], text, `${title}: ${name}`)
  }
})

const printed = async (example: string): Promise<string[]> =>
  (await run(`examples/${example}/run.ts`)).stdout.trimEnd().split('\n')

test('PR12: keep-alive at 20 s and 1 s: a peer that answers, one that is gone, one that was restarted (tcp(7))', async () => {
  const ends = (await printed('keep-alive')).filter((line) => line.includes('read after'))
  assert.deepEqual(ends, [
    'client  read after 60 s: still waiting',
    'client  read after 29 s: ETIMEDOUT',
    'client  read after 20 s: ECONNRESET',
  ])
})

test('PR13: TIME_WAIT keeps a port for 60 s from who did not say SO_REUSEADDR (socket(7), RFC 9293 §3.6.1)', async () => {
  assert.deepEqual(await printed('restart'), [
    'server  bind with SO_REUSEADDR while the old listener is open: EADDRINUSE',
    'server  bind without SO_REUSEADDR after the restart: EADDRINUSE',
    'server  bind with SO_REUSEADDR after the restart: done',
    'server  bind without SO_REUSEADDR 60 s later: done',
  ])
})

for (const [id, example, last] of [
  ['PR4', 'one-shot', 'client: read 11 bytes and the end of the stream'],
  ['PR10', 'local-lines', 'server  its end, after 1 lines'],
  ['PR11', 'close-or-shutdown', 'server  write "s4" -> EPIPE'],
  ['PR14', 'accept4', 'server  accept: O_NONBLOCK off, FD_CLOEXEC off'],
] as const)
  test(`${id}: examples/${example} runs by its one command to its last line`, async () => {
    assert.equal((await printed(example)).at(-1), last)
  })
