import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { World } from './world.ts'

const world = new World(new URL('./programs.ts', import.meta.url))
after(() => world.close())

test('a handler of a thread interrupts its call (EINTR) or has it go on (SA_RESTART), and makes calls itself (signal(7))', async () => {
  assert.equal(await world.run('signals'), 0)
})

test('a server in accept reaps its child in the handler of SIGCHLD (waitpid(2))', async () => {
  assert.equal(await world.run('reaping', world.module), 0)
})
