import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { AF_INET, AF_UNIX } from '../../src/index.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import { CallGate } from '../../src/thread/gate.ts'
import { World } from './world.ts'

const world = new World(new URL('./programs.ts', import.meta.url))
after(() => world.close())

test('a thread in a worker makes socket calls, and each returns when it is done (issue 3, item 8)', async () => {
  assert.equal(await world.run('names'), 0)
})

test('a call that fails throws the SystemError, TypeError or RangeError of Process', async () => {
  assert.equal(await world.run('errors'), 0)
})

test('poll, select and epoll fill in what the thread gave them; sleep sleeps', async () => {
  assert.equal(await world.run('readiness'), 0)
})

for (const [name, family] of [
  ['TCP', AF_INET],
  ['AF_UNIX', AF_UNIX],
] as const) {
  test(`FIONREAD, MSG_PEEK and dup see a leased ${name} stream as if each recv had asked (recv(2))`, async () => {
    assert.equal(await world.run('leasedReads', family), 0)
  })

  test(`20,000 short sends to another thread arrive in order through ${name} with a small buffer`, async () => {
    assert.equal(await world.run('leasedStream', [family, world.module]), 0)
  })
}

test('a reset takes back the room promised, and the next send is ECONNRESET (tcp(7))', async () => {
  assert.equal(await world.run('leasedReset'), 0)
})

test('a write longer than the shared memory of the thread writes everything', async () => {
  assert.equal(await world.run('longWrite', world.module), 0)
})

test('fork gives the child in its worker a copy of the descriptors, and waitpid its status (fork(2))', async () => {
  assert.equal(await world.run('forking', world.module), 0)
})

test('a gate on a virtual clock is refused: virtual time cannot wait for threads', () => {
  assert.throws(() => new CallGate(new VirtualClock(), world.workers), {
    name: 'TypeError',
    message: /threads need a real clock/,
  })
})
