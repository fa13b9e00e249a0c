/** The platform's clock: the only tests that let real time pass, a few milliseconds of it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { RealClock } from '../../src/platform/clock.ts'
import { platformRandom } from '../../src/platform/random.ts'
import { turn } from '../../src/platform/turn.ts'
import { FunctionTask, FunctionTimer } from '../../src/sys/clock.ts'

const platformTimeout = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('real clock', () => {
  test('time: microseconds that never go back, and the date when the epoch is added', () => {
    const clock = new RealClock()
    let last = clock.now()
    for (let i = 0; i < 10000; i++) {
      const now = clock.now()
      assert.ok(now >= last && Number.isInteger(now))
      last = now
    }
    assert.ok(Math.abs(clock.epoch + clock.now() - Date.now() * 1000) < 100000)
  })

  test('timers: never early, in order, late ones at once', async () => {
    const clock = new RealClock()
    const log: string[] = []
    const start = clock.now()
    const done = new Promise<void>((resolve) => {
      for (const [name, delay] of [
        ['b', 2000],
        ['c', 4500],
        ['a', 300],
        ['late', -5000],
      ] as const)
        clock.start(
          new FunctionTimer((now) => {
            assert.ok(now - start >= delay, `${name} after ${now - start} us`)
            log.push(name)
            if (name === 'c') resolve()
          }),
          start + delay,
        )
    })
    clock.ref()
    await done
    clock.unref()
    assert.deepEqual(log, ['late', 'a', 'b', 'c'])
  })

  test('tasks without end: timers and I/O of the platform still have their turn, and so have our timers', async () => {
    const clock = new RealClock()
    let stopped = false
    let fired = false
    let count = 0
    clock.defer(
      new FunctionTask(() => {
        count++
        return !stopped
      }),
    )
    clock.start(new FunctionTimer(() => (fired = true)), clock.now() + 1000)
    await platformTimeout(5)
    await turn()
    stopped = true
    assert.ok(fired)
    assert.ok(count > 0)
  })

  test('a program and a task that wake each other without end: the platform still has its turn', async () => {
    const clock = new RealClock()
    let stopped = false
    let wake = (): void => {}
    let rounds = 0
    const task = new FunctionTask(() => {
      clock.noteWakeup()
      wake()
      return false
    })
    const program = async () => {
      for (; !stopped; rounds++) {
        const woken = new Promise<void>((resolve) => {
          wake = resolve
        })
        clock.defer(task)
        await woken
      }
    }
    const running = program()
    await platformTimeout(5)
    stopped = true
    await running
    assert.ok(rounds > 0)
  })

  /** What a program of its own says and ends with. */
  const run = (body: string): string => {
    const code = `import { RealClock } from './src/platform/clock.ts'
        import { FunctionTask, FunctionTimer } from './src/sys/clock.ts'
        const clock = new RealClock(); const at = (us, f) => clock.start(new FunctionTimer(f), clock.now() + us)
        ${body}`
    const result = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
      encoding: 'utf8',
      timeout: 20000,
    })
    return `${result.status} ${result.stdout}${result.stderr}`
  }

  test('a finer timer of the host: it is set for the earliest deadline in place of setTimeout, to the microsecond', async () => {
    const clock = new RealClock()
    const waits: number[] = []
    clock.useFineTimer((fire) => ({
      set: (wait) => {
        waits.push(wait)
        setTimeout(fire, Math.ceil(wait / 1000))
      },
    }))
    const start = clock.now()
    const done = new Promise<number>((resolve) => {
      clock.start(new FunctionTimer(resolve), start + 2500)
    })
    clock.start(new FunctionTimer(() => {}), start + 5e6)
    clock.ref()
    assert.ok((await done) >= start + 2500)
    clock.unref()
    assert.ok(waits[0] !== undefined && waits[0] > 0 && waits[0] <= 2500)
  })

  test('a task that throws: the clock goes on with the others', () => {
    const body = `process.on('uncaughtException', (error) => console.log(error.message))
        clock.defer(new FunctionTask(() => { throw new Error('a bug') }))
        clock.defer(new FunctionTask(() => { console.log('goes on'); return false }))`
    // The exception comes in a turn of its own, after what could run anyway.
    assert.equal(run(body), '0 goes on\na bug\n')
  })

  test('process: ends while timers wait; stays as long as somebody holds a reference', () => {
    assert.equal(run("at(60e6, () => console.log('fired'))"), '0 ')
    assert.equal(run("clock.ref(); at(1000, () => { console.log('fired'); clock.unref() })"), '0 fired\n')
    assert.throws(() => new RealClock().unref(), RangeError)
  })

  test('timerfd: goes off on time, again and again, whatever the collector takes; it does not hold the process', (t) => {
    if (process.platform !== 'linux') return t.skip('needs Linux')
    const body = `import { loadLibc } from './src/platform/libc.ts'
        import { TimerFd } from './src/platform/timer-fd.ts'
        import v8 from 'node:v8'; import vm from 'node:vm'
        v8.setFlagsFromString('--expose-gc')
        const libc = await loadLibc()
        clock.useFineTimer((fire) => TimerFd.open(libc, fire))
        clock.ref()
        const late = []
        for (let i = 0; i < 50; i++) {
          const due = clock.now() + 300
          await new Promise((resolve) => clock.start(new FunctionTimer(resolve), due))
          late.push(clock.exact() - due)
          if (i % 10 === 0) { vm.runInNewContext('gc')(); await new Promise(setImmediate) }
        }
        late.sort((a, b) => a - b)
        clock.unref()
        at(60e6, () => {})
        console.log(late[0] >= 0 && late[25] < 5000)`
    assert.equal(run(body), '0 true\n')
    return undefined
  })

  test('platform randomness: two generators differ', () => {
    assert.notEqual(
      `${platformRandom().int32()} ${platformRandom().int32()}`,
      `${platformRandom().int32()} ${platformRandom().int32()}`,
    )
  })
})

test('a timerfd that is due while the process ends does not abort it (FATAL ERROR of koffi in Node 20)', (t) => {
  if (process.platform !== 'linux') return t.skip('timerfd is Linux')
  const program = `
    const { TimerFd } = await import(${JSON.stringify(import.meta.resolve('../../src/platform/timer-fd.ts'))})
    const { loadLibc } = await import(${JSON.stringify(import.meta.resolve('../../src/platform/libc.ts'))})
    TimerFd.open(await loadLibc(), () => {}).set(1000)
    const end = performance.now() + 5
    while (performance.now() < end);`
  const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', program]
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
})
