import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FunctionTask, FunctionTimer } from '../../src/sys/clock.ts'
import { Random } from '../../src/sys/random.ts'
import { DEFAULT_EPOCH, VirtualClock } from '../../src/sys/virtual-clock.ts'

/** A clock and what its timers and tasks wrote down. */
function bench(): { clock: VirtualClock; log: string[]; timer: (name: string) => FunctionTimer } {
  const clock = new VirtualClock()
  const log: string[] = []
  const timer = (name: string) => new FunctionTimer((now) => log.push(`${name}@${now}`))
  return { clock, log, timer }
}

describe('timers', () => {
  test('several timers: fire by time, and at one instant in the order in which they were started', () => {
    const { clock, log, timer } = bench()
    for (const [name, at] of [
      ['a', 30],
      ['b', 10],
      ['c', 20],
      ['d', 10],
      ['e', 30],
      ['f', 10],
    ] as const)
      clock.start(timer(name), at)
    clock.runUntilSync(100)
    assert.deepEqual(log, ['b@10', 'd@10', 'f@10', 'c@20', 'a@30', 'e@30'])
    assert.equal(clock.now(), 100)
    assert.equal(clock.epoch, DEFAULT_EPOCH)
  })

  test('random starts, stops, restarts and removals: as a sorted list would have it', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = new Random(seed)
      const { clock, log, timer } = bench()
      const timers = Array.from({ length: 20 }, (_, i) => timer(String(i)))
      const twin = new Map<number, number>()
      const expected: [number, number][] = []
      for (let step = 0; step < 200; step++) {
        const i = random.below(20)
        const at = clock.now() + random.below(50)
        const action = random.below(5)
        if (action < 3) {
          clock.start(timers[i] as FunctionTimer, at)
          twin.set(i, at)
        } else if (action === 3) {
          if (random.chance(0.5)) clock.stop(timers[i] as FunctionTimer)
          else clock.remove(timers[i] as FunctionTimer)
          twin.delete(i)
        } else {
          const until = clock.now() + random.below(20)
          clock.runUntilSync(until)
          for (const [n, due] of [...twin]) {
            if (due > until) continue
            expected.push([due, n])
            twin.delete(n)
          }
        }
      }
      // The order at one instant is another test's: with lazy timers it is that of the queue's entries.
      const sort = (list: [number, number][]) => list.map(([due, n]) => due * 100 + n).sort((a, b) => a - b)
      const fired = log.map((line) => line.split('@').map(Number).reverse() as [number, number])
      assert.deepEqual(sort(fired), sort(expected), `seed ${seed}`)
      assert.ok(
        fired.every(([due], i) => i === 0 || due >= (fired[i - 1] as [number, number])[0]),
        `seed ${seed}`,
      )
    }
  })

  test('postponed a million times: the queue does not grow, it fires once at the last deadline', () => {
    const { clock, log, timer } = bench()
    const t = timer('t')
    for (let i = 1; i <= 1e6; i++) clock.start(t, i)
    assert.equal(clock.timerCount, 1)
    clock.runUntilSync(2e6)
    assert.deepEqual(log, ['t@1000000'])
    assert.equal(clock.timerCount, 0)
  })

  test('brought forward a million times: the queue does not grow, it fires once at the last deadline', () => {
    const { clock, log, timer } = bench()
    const t = timer('t')
    for (let i = 1e6; i >= 1; i--) clock.start(t, i)
    assert.equal(clock.timerCount, 1)
    clock.runUntilSync(2e6)
    assert.deepEqual(log, ['t@1'])
  })

  test('started and stopped a million times: one stale entry at most, gone once its time has come', () => {
    const { clock, log, timer } = bench()
    const t = timer('t')
    for (let i = 1; i <= 1e6; i++) {
      clock.start(t, i)
      clock.stop(t)
    }
    assert.equal(clock.timerCount, 1)
    assert.equal(clock.earliest(), Infinity)
    assert.equal(clock.timerCount, 0)
    clock.runUntilSync(2e6)
    assert.deepEqual(log, [])
  })

  test('removed: its entry is out of the queue at once, others are not disturbed', () => {
    const { clock, log, timer } = bench()
    const timers = Array.from({ length: 100 }, (_, i) => timer(String(i)))
    for (const [i, t] of timers.entries()) clock.start(t, (i * 37) % 100)
    for (const [i, t] of timers.entries()) if (i % 3 !== 0) clock.remove(t)
    assert.equal(clock.timerCount, 34)
    clock.remove(timers[1] as FunctionTimer)
    clock.runUntilSync(1000)
    assert.equal(log.length, 34)
    assert.ok(timers.every((t) => t.slot === -1 && t.queuedAt === Infinity))
  })

  test('started again while it fires: fires again, time goes on', () => {
    const clock = new VirtualClock()
    let count = 0
    const t = new FunctionTimer((now) => {
      if (++count < 5) clock.start(t, now + 10)
    })
    clock.start(t, 10)
    clock.runUntilSync(1000)
    assert.equal(count, 5)
  })

  test('due in the past: fires at the present, time never goes back', () => {
    const { clock, log, timer } = bench()
    clock.runUntilSync(50)
    clock.start(timer('t'), 10)
    clock.runUntilSync(60)
    assert.deepEqual(log, ['t@50'])
  })
})

describe('tasks', () => {
  test('deferred: run in order, once each however often they were deferred, never inside the caller', () => {
    const clock = new VirtualClock()
    const log: string[] = []
    const task = (name: string) =>
      new FunctionTask(() => {
        log.push(name)
        return false
      })
    const [a, b] = [task('a'), task('b')]
    clock.defer(a)
    clock.defer(b)
    clock.defer(a)
    assert.deepEqual(log, [])
    clock.settle()
    assert.deepEqual(log, ['a', 'b'])
    assert.equal(clock.hasTasks, false)
  })

  test('returns true: has its turn again after the others', () => {
    const clock = new VirtualClock()
    const log: string[] = []
    const task = (name: string, times: number) =>
      new FunctionTask(() => {
        log.push(name)
        return --times > 0
      })
    clock.defer(task('a', 3))
    clock.defer(task('b', 2))
    clock.settle()
    assert.deepEqual(log, ['a', 'b', 'a', 'b', 'a'])
  })

  test('deferred while tasks run: runs before time goes on, and before timers of the same instant', () => {
    const { clock, log, timer } = bench()
    clock.start(timer('timer'), 5)
    clock.start(
      new FunctionTimer(() => {
        clock.defer(
          new FunctionTask(() => {
            log.push(`task@${clock.now()}`)
            return false
          }),
        )
      }),
      4,
    )
    clock.runUntilSync(5)
    assert.deepEqual(log, ['task@4', 'timer@5'])
  })

  test('a budget: no more than a batch beyond it, the rest waits', () => {
    const clock = new VirtualClock()
    let count = 0
    const task = new FunctionTask(() => {
      count++
      return true
    })
    clock.defer(task)
    assert.equal(clock.runTasks(10), true)
    assert.equal(count, 10)
  })

  test('a task that throws: the others still run afterwards', () => {
    const clock = new VirtualClock()
    let ran = 0
    clock.defer(
      new FunctionTask(() => {
        throw new Error('bug')
      }),
    )
    clock.defer(
      new FunctionTask(() => {
        ran++
        return false
      }),
    )
    assert.throws(() => clock.settle(), /bug/)
    assert.equal(clock.hasTasks, true)
    clock.settle()
    assert.equal(ran, 1)
  })
})

describe('virtual time', () => {
  test('nothing left that could settle a promise: an error, not a hang', async () => {
    const clock = new VirtualClock()
    await assert.rejects(clock.runUntil(new Promise(() => {})), /nothing left to happen/)
  })

  test('a program that waits: goes on at the instant its timer fires', async () => {
    const clock = new VirtualClock()
    const wait = (at: number) =>
      new Promise<number>((resolve) => clock.start(new FunctionTimer((now) => resolve(now)), at))
    const program = async () => [await wait(1e9), await wait(3e9), clock.now()]
    assert.deepEqual(await clock.runUntil(program()), [1e9, 3e9, 3e9])
  })
})
