import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { AF_INET, SOCK_NONBLOCK, SOCK_STREAM } from '../../src/index.ts'
import { EOWNERDEAD } from '../../src/sys/errno.ts'
import { until, World } from './world.ts'

const world = new World(new URL('./programs.ts', import.meta.url))
after(() => world.close())
const { host, gate } = world

test('a process whose worker is terminated in the middle of recv has its descriptors closed', async () => {
  const process = world.spawn('receiveForever')
  await until(() => process.files.size === 5 && process.sleepers.first !== null)
  const thread = gate.threadOf(process, process.pid)
  assert.ok(thread !== undefined)
  gate.kill(thread)
  assert.equal(await process.exited, 1)
  assert.equal(process.files.size, 0)
  assert.equal(process.sleepers.first, null)
})

test('a thread terminated in accept gives the number back that it had reserved, and the process goes on', async () => {
  const process = host.createProcess()
  const listener = process.socket(AF_INET, SOCK_STREAM)
  process.bind(listener, { address: '127.0.0.1', port: 7002 })
  process.listen(listener, 5)
  const thread = world.thread(process, 'acceptOn', listener)
  await until(() => process.sleepers.first !== null)
  gate.kill(thread)
  assert.equal(await world.valueOf(thread), 'killed')
  assert.equal(process.sleepers.first, null)
  // The next connection goes to the next who asks, under the number that was reserved.
  const other = world.thread(process, 'acceptOn', listener)
  await until(() => process.sleepers.first !== null)
  const client = host.createProcess()
  const fd = client.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK)
  assert.throws(() => client.connect(fd, { address: '127.0.0.1', port: 7002 }), { code: 'EINPROGRESS' })
  assert.equal(await world.valueOf(other), listener + 1)
  process.end(0)
  client.end(0)
})

test('who locks the mutex of a thread that was terminated gets EOWNERDEAD (pthread_mutex_lock(3), robust)', {
  timeout: 60_000,
}, async () => {
  const process = host.createProcess()
  const mutex = await world.valueOf(world.thread(process, 'makeMutex'))
  const owner = world.thread(process, 'lockAndSleep', mutex)
  await until(() => process.sleepers.first !== null)
  const next = world.thread(process, 'takeFromDead', mutex)
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.equal(next.end, undefined)
  gate.kill(owner)
  assert.equal(await world.valueOf(next), EOWNERDEAD)
  process.end(0)
})

test('exit in one thread ends the process and all its threads', async () => {
  const process = host.createProcess()
  const sleeping = world.thread(process, 'lockAndSleep', await world.valueOf(world.thread(process, 'makeMutex')))
  world.thread(process, 'exiting')
  assert.equal(await process.exited, 42)
  assert.equal(await world.valueOf(sleeping), 'killed')
  await until(() => gate.size === 0)
})

test('after pthread_exit of the main thread the process lives until the last thread ends (pthread_exit(3))', async () => {
  assert.equal(await world.run('leaveToOther', world.module), 0)
})

test('a program that throws in its worker fails as one in the host does', async () => {
  const process = world.spawn('throwing')
  assert.equal(await process.exited, 1)
  assert.match(String(process.failure), /on purpose/)
})

test('pthread_join gives the value, and ESRCH, EDEADLK, EINVAL as the manual says', async () => {
  assert.equal(await world.run('joining', world.module), 0)
})

test('four threads count under a mutex and none is lost', async () => {
  assert.equal(await world.run('counting', world.module), 0)
})

test('condition variables wake who waits; timedwait, trylock and unlock fail as pthreads do', async () => {
  assert.equal(await world.run('conditions', world.module), 0)
})
