/** Signals: dispositions, masks, queues, what they interrupt. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Process } from '../../src/host/process.ts'
import { SIGPENDING_DEFAULT, type SigAction } from '../../src/host/signals.ts'
import { SigSet } from '../../src/host/sigset.ts'
import * as c from '../../src/socket/constants.ts'
import { awaited, lone, outcome, runAll } from './net.ts'

const { AF_UNIX, SOCK_DGRAM, SOCK_STREAM } = c
const one = new Uint8Array(1)

/** Runs one program on a host of its own, to its end. */
async function run(program: (p: Process, now: () => number) => Promise<void>): Promise<void> {
  await ending(program)
}

/** The same; the process when it has ended. */
async function ending(program: (p: Process, now: () => number) => Promise<void>): Promise<Process> {
  const { clock, host } = lone()
  const [process] = await runAll(clock, [host, (p) => program(p, () => clock.now() / 1e6)])
  return process as Process
}

/** Notes the signals caught. */
function recorder(p: Process, action: Omit<SigAction, 'handler'> = {}) {
  const caught: number[] = []
  const on = (...signals: number[]): void => {
    for (const signal of signals) p.sigaction(signal, { ...action, handler: (signo) => void caught.push(signo) })
  }
  return { caught, on }
}

test('a signal that a process sends itself is handled before kill returns (kill(2))', () =>
  run(async (p) => {
    const { caught, on } = recorder(p)
    on(c.SIGUSR1)
    p.kill(p.pid, c.SIGUSR1)
    assert.deepEqual(caught, [c.SIGUSR1])
    p.raise(c.SIGUSR1)
    assert.equal(caught.length, 2)
  }))

test('by default most signals kill, four do nothing; the exit code is 128 and the number, as shells have it (signal(7))', async () => {
  const { clock, host } = lone()
  for (let signal = 1; signal <= 64; signal++) {
    if ([c.SIGSTOP, c.SIGTSTP, c.SIGTTIN, c.SIGTTOU].includes(signal)) continue
    const [p] = await runAll(clock, [
      host,
      (p) => {
        p.kill(p.pid, signal)
        return 0
      },
    ])
    const isIgnored = [c.SIGCHLD, c.SIGCONT, c.SIGURG, c.SIGWINCH].includes(signal)
    assert.equal(p?.exitCode, isIgnored ? 0 : 128 + signal, c.signalName(signal))
  }
})

test('SIGKILL and SIGSTOP cannot be caught, ignored or blocked; what is no signal is EINVAL (sigaction(2))', () =>
  run(async (p) => {
    for (const signal of [c.SIGKILL, c.SIGSTOP, 0, 65, -1]) {
      assert.equal(
        outcome(() => p.sigaction(signal, { handler: c.SIG_IGN })),
        'EINVAL',
      )
    }
    assert.equal(p.sigaction(c.SIGKILL, null).handler, c.SIG_DFL)
    p.sigprocmask(c.SIG_SETMASK, new SigSet().fill())
    const old = new SigSet()
    p.sigprocmask(c.SIG_BLOCK, null, old)
    assert.deepEqual([old.has(c.SIGKILL), old.has(c.SIGSTOP), old.has(c.SIGTERM)], [false, false, true])
    assert.equal(
      outcome(() => p.sigprocmask(9, old)),
      'EINVAL',
    )
  }))

test('blocked standard signals are kept once, real-time ones are queued, and handlers run highest number first (signal(7))', () =>
  run(async (p) => {
    const { caught, on } = recorder(p)
    const { SIGRTMIN } = c
    on(c.SIGUSR1, c.SIGUSR2, SIGRTMIN)
    const set = new SigSet([c.SIGUSR1, c.SIGUSR2, SIGRTMIN])
    p.sigprocmask(c.SIG_BLOCK, set)
    for (const signal of [c.SIGUSR2, c.SIGUSR1, SIGRTMIN, SIGRTMIN, c.SIGUSR1, SIGRTMIN]) p.kill(p.pid, signal)
    assert.deepEqual([...p.sigpending()], [...set])
    assert.deepEqual(caught, [])
    p.sigprocmask(c.SIG_UNBLOCK, set)
    // Frames pile up, lowest number first, so the last one made runs first; one of SIGRTMIN at a time.
    assert.deepEqual(caught, [SIGRTMIN, SIGRTMIN, SIGRTMIN, c.SIGUSR2, c.SIGUSR1])
  }))

test('sa_mask blocks while the handler runs, SA_NODEFER lets the signal itself in, SA_RESETHAND is for once (sigaction(2))', () =>
  run(async (p) => {
    const order: string[] = []
    const nested = (flags: number, mask?: SigSet): string => {
      order.length = 0
      const handler = (signo: number): void => {
        const name = c.signalName(signo)
        order.push(`+${name}`)
        if (order.length === 1) p.kill(p.pid, c.SIGUSR1)
        if (order.length === 1) p.kill(p.pid, c.SIGUSR2)
        order.push(`-${name}`)
      }
      p.sigaction(c.SIGUSR1, { handler, flags, ...(mask === undefined ? {} : { mask }) })
      p.sigaction(c.SIGUSR2, { handler })
      p.kill(p.pid, c.SIGUSR1)
      return order.join(' ')
    }
    assert.equal(nested(0), '+SIGUSR1 +SIGUSR2 -SIGUSR2 -SIGUSR1 +SIGUSR1 -SIGUSR1')
    assert.equal(nested(0, new SigSet([c.SIGUSR2])), '+SIGUSR1 -SIGUSR1 +SIGUSR1 -SIGUSR1 +SIGUSR2 -SIGUSR2')
    assert.equal(nested(c.SA_NODEFER), '+SIGUSR1 +SIGUSR1 -SIGUSR1 -SIGUSR1')
    p.sigaction(c.SIGUSR1, { handler: () => {}, flags: c.SA_RESETHAND })
    p.kill(p.pid, c.SIGUSR1)
    assert.equal(p.sigaction(c.SIGUSR1, null).handler, c.SIG_DFL)
  }))

test('a signal that becomes ignored is no longer pending (sigaction(2), POSIX)', () =>
  run(async (p) => {
    p.sigprocmask(c.SIG_BLOCK, new SigSet([c.SIGUSR1]))
    p.kill(p.pid, c.SIGUSR1)
    p.sigaction(c.SIGUSR1, { handler: c.SIG_IGN })
    assert.ok(p.sigpending().isEmpty)
    p.kill(p.pid, c.SIGUSR1)
    assert.ok(p.sigpending().has(c.SIGUSR1), 'a blocked one is kept even if ignored')
  }))

test('sigqueue carries a value; beyond RLIMIT_SIGPENDING it is EAGAIN, and kill still makes the signal pending (sigqueue(3))', () =>
  run(async (p) => {
    const { SIGRTMIN } = c
    const values: number[] = []
    p.sigaction(SIGRTMIN, { handler: (_signo, info) => void values.push(info.code === c.SI_QUEUE ? info.value : -1) })
    p.sigprocmask(c.SIG_BLOCK, new SigSet([SIGRTMIN]))
    p.signals.limit = 3
    for (let i = 1; i <= 3; i++) p.sigqueue(p.pid, SIGRTMIN, i)
    assert.equal(
      outcome(() => p.sigqueue(p.pid, SIGRTMIN, 4)),
      'EAGAIN',
    )
    p.kill(p.pid, SIGRTMIN)
    p.sigprocmask(c.SIG_UNBLOCK, new SigSet([SIGRTMIN]))
    assert.deepEqual(values, [1, 2, 3])
    assert.equal(SIGPENDING_DEFAULT, 1024)
  }))

test('a handler without SA_RESTART makes slow calls fail with EINTR, one with it lets them sleep on (signal(7))', async () => {
  const calls: Record<string, (p: Process) => unknown> = {
    read: (p) => p.read(p.pipe()[0], one),
    recv: (p) => p.recv(p.socketpair(AF_UNIX, SOCK_STREAM)[0], one),
    recvfrom: (p) => p.recvfrom(p.socket(c.AF_INET, SOCK_DGRAM), one),
    accept: (p) => {
      const fd = p.socket(c.AF_INET, SOCK_STREAM)
      p.listen(fd, 1)
      return p.accept(fd)
    },
    wait: (p) => {
      p.fork(async (child) => void (await child.sleep(100)))
      return p.wait()
    },
  }
  for (const [name, call] of Object.entries(calls)) {
    await run(async (p, now) => {
      p.sigaction(c.SIGALRM, { handler: () => {} })
      p.alarm(1)
      assert.equal(await awaited(() => call(p)), 'EINTR', name)
      assert.equal(now(), 1)
      p.sigaction(c.SIGALRM, { handler: () => {}, flags: c.SA_RESTART })
      p.sigaction(c.SIGTERM, { handler: () => {} })
      p.fork(async (child) => {
        await child.sleep(2)
        child.kill(p.pid, c.SIGALRM)
        await child.sleep(2)
        child.kill(p.pid, c.SIGTERM)
        await child.sleep(200)
      })
      assert.equal(await awaited(() => call(p)), 'EINTR', name)
      assert.equal(now(), 5, `${name} was restarted after SIGALRM and ended by SIGTERM`)
    })
  }
})

test('some calls are never restarted: poll, select, epoll_wait, sleep, pause, sigtimedwait, and those with SO_RCVTIMEO (signal(7))', async () => {
  const never: Record<string, (p: Process) => unknown> = {
    poll: (p) => p.poll([], -1),
    select: (p) => p.select(0, null, null, null),
    epoll_wait: (p) => p.epoll_wait(p.epoll_create1(), [], 1),
    nanosleep: (p) => p.nanosleep({ sec: 10, nsec: 0 }),
    pause: (p) => p.pause(),
    sigsuspend: (p) => p.sigsuspend(new SigSet()),
    sigtimedwait: (p) => p.sigtimedwait(new SigSet([c.SIGUSR1]), null),
    'recv with SO_RCVTIMEO': (p) => {
      const [fd] = p.socketpair(AF_UNIX, SOCK_STREAM)
      p.setsockopt(fd, c.SOL_SOCKET, c.SO_RCVTIMEO, { sec: 9, usec: 0 })
      return p.recv(fd, one)
    },
  }
  for (const [name, call] of Object.entries(never)) {
    await run(async (p, now) => {
      p.signal(c.SIGALRM, () => {})
      p.alarm(1)
      assert.equal(await awaited(() => call(p)), 'EINTR', name)
      assert.equal(now(), 1)
    })
  }
})

test('an ignored signal interrupts nothing; a write that has written a part returns it (signal(7))', () =>
  run(async (p, now) => {
    p.sigaction(c.SIGUSR1, { handler: c.SIG_IGN })
    p.signal(c.SIGALRM, () => {})
    const [r, w] = p.pipe()
    p.fork(async (child) => {
      await child.sleep(1)
      child.kill(p.pid, c.SIGUSR1)
      await child.close(w)
      await child.sleep(9)
    })
    p.alarm(2)
    assert.equal(await p.write(w, new Uint8Array(70_000)), 65536)
    assert.equal(now(), 2)
    assert.equal(p.ioctl(r, c.FIONREAD), 65536)
  }))

test('data and a signal at the same instant: the call returns the data, and the handler has run (kernel loops look at the queue first)', () =>
  run(async (p) => {
    const { caught, on } = recorder(p)
    on(c.SIGUSR1)
    const [a, b] = p.socketpair(AF_UNIX, SOCK_STREAM)
    p.fork(async (child) => {
      await child.sleep(1)
      child.kill(p.pid, c.SIGUSR1)
      await child.write(b, one)
    })
    assert.equal(await p.read(a, one), 1)
    assert.deepEqual(caught, [c.SIGUSR1])
  }))

test('a handler may make calls, also ones that wait: the call it interrupted goes on after it', () =>
  run(async (p, now) => {
    p.signal(c.SIGALRM, async () => void (await p.sleep(3)))
    p.alarm(1)
    const [r, w] = p.pipe()
    p.fork(async (child) => {
      await child.sleep(2)
      await child.write(w, one)
      await child.sleep(9)
    })
    assert.equal(await p.read(r, one), 1)
    assert.equal(now(), 4)
  }))

test('a handler that throws ends the call it interrupted with what it throws, as siglongjmp(3) out of it', () =>
  run(async (p) => {
    p.signal(c.SIGALRM, () => {
      throw new Error('out of time')
    })
    p.alarm(1)
    await assert.rejects(p.read(p.pipe()[0], one) as Promise<number>, /out of time/)
    assert.equal(p.signals.blocked.isEmpty, true)
  }))

test('sigsuspend and ppoll wait under another mask, in one step with going to sleep (sigsuspend(2), ppoll(2))', () =>
  run(async (p) => {
    const { caught, on } = recorder(p)
    on(c.SIGUSR1)
    p.sigprocmask(c.SIG_BLOCK, new SigSet([c.SIGUSR1]))
    p.kill(p.pid, c.SIGUSR1)
    assert.equal(await awaited(() => p.sigsuspend(new SigSet())), 'EINTR')
    assert.deepEqual(caught, [c.SIGUSR1])
    assert.ok(p.signals.blocked.has(c.SIGUSR1), 'the mask is back')
    p.kill(p.pid, c.SIGUSR1)
    const [r, w] = p.pipe()
    await p.write(w, one)
    assert.equal(await p.ppoll([{ fd: r, events: c.POLLIN }], null, new SigSet()), 1, 'what is ready comes first')
    assert.equal(caught.length, 1)
    assert.equal(await awaited(() => p.ppoll([], null, new SigSet())), 'EINTR')
    assert.equal(await awaited(() => p.epoll_pwait(p.epoll_create1(), [], 1, 10, new SigSet())), 0)
    assert.equal(caught.length, 2)
    p.kill(p.pid, c.SIGUSR1)
    assert.equal(await awaited(() => p.epoll_pwait(p.epoll_create1(), [], 1, -1, new SigSet())), 'EINTR')
    assert.equal(await awaited(() => p.pselect(0, null, null, null, { sec: 1, nsec: 0 }, new SigSet())), 0)
    assert.ok(p.signals.blocked.has(c.SIGUSR1))
  }))

test('sigtimedwait takes a pending signal at once, sleeps for one, or is EAGAIN when the time is over (sigwaitinfo(2))', () =>
  run(async (p, now) => {
    const set = new SigSet([c.SIGUSR1, c.SIGRTMIN])
    p.sigprocmask(c.SIG_BLOCK, set)
    p.kill(p.pid, c.SIGUSR1)
    assert.equal((await p.sigwaitinfo(set)).signo, c.SIGUSR1)
    assert.equal(await awaited(() => p.sigtimedwait(set, { sec: 2, nsec: 0 })), 'EAGAIN')
    assert.equal(now(), 2)
    p.fork(async (child) => {
      await child.sleep(1)
      child.sigqueue(p.pid, c.SIGRTMIN, 42)
      child.sigqueue(p.pid, c.SIGRTMIN, 43)
      await child.sleep(1)
    })
    assert.equal((await p.sigwaitinfo(set)).value, 42)
    assert.equal((await p.sigtimedwait(set, { sec: 0, nsec: 0 })).value, 43)
    assert.equal(now(), 3)
    assert.equal(await awaited(() => p.sigtimedwait(set, { sec: 0, nsec: 0 })), 'EAGAIN')
  }))

test('alarm counts whole seconds and gives back what was left; setitimer repeats (alarm(2), setitimer(2))', () =>
  run(async (p, now) => {
    const at: number[] = []
    p.signal(c.SIGALRM, () => void at.push(now()))
    assert.equal(p.alarm(10), 0)
    assert.equal(await p.sleep(2.4), 0)
    assert.equal(p.alarm(0), 8)
    const second = { sec: 1, usec: 0 }
    p.setitimer(c.ITIMER_REAL, { value: { sec: 0, usec: 500000 }, interval: second })
    assert.deepEqual(p.getitimer(c.ITIMER_REAL), { value: { sec: 0, usec: 500000 }, interval: second })
    const end = now() + 3
    while (now() < end) await p.sleep(end - now())
    assert.deepEqual(at, [2.9, 3.9, 4.9])
    assert.equal(
      outcome(() => p.setitimer(c.ITIMER_PROF, { value: second, interval: second })),
      'EINVAL',
    )
    p.alarm(0)
  }))

test('nanosleep tells what is left when it is interrupted; clock_nanosleep until a time (nanosleep(2))', () =>
  run(async (p, now) => {
    p.signal(c.SIGALRM, () => {})
    p.alarm(3)
    const left = { sec: 0, nsec: 0 }
    assert.equal(await awaited(() => p.nanosleep({ sec: 5, nsec: 500 }, left)), 'EINTR')
    assert.deepEqual(left, { sec: 2, nsec: 1000 })
    const { sec, nsec } = p.clock_gettime(c.CLOCK_REALTIME)
    await p.clock_nanosleep(c.CLOCK_REALTIME, c.TIMER_ABSTIME, { sec: sec + 1, nsec })
    assert.equal(now(), 4)
    assert.equal(await awaited(() => p.nanosleep({ sec: 0, nsec: 1e9 })), 'EINVAL')
    assert.equal(await awaited(() => p.clock_nanosleep(99, 0, { sec: 0, nsec: 1 })), 'EINVAL')
  }))

test('writing to a pipe or stream nobody reads: SIGPIPE kills; ignored, or with MSG_NOSIGNAL, EPIPE (pipe(7), send(2))', async () => {
  const write = async (p: Process): Promise<void> => {
    const [a, b] = p.socketpair(AF_UNIX, SOCK_STREAM)
    await p.close(b)
    await p.write(a, one)
    assert.fail('it lives')
  }
  assert.equal((await ending(write)).exitCode, 128 + c.SIGPIPE)
  await run(async (p) => {
    const [r, w] = p.pipe()
    await p.close(r)
    const [a, b] = p.socketpair(AF_UNIX, SOCK_STREAM)
    await p.close(b)
    assert.equal(
      outcome(() => p.send(a, one, c.MSG_NOSIGNAL)),
      'EPIPE',
    )
    const { caught, on } = recorder(p)
    on(c.SIGPIPE)
    assert.equal(
      outcome(() => p.write(w, one)),
      'EPIPE',
    )
    assert.equal(
      outcome(() => p.send(a, one)),
      'EPIPE',
    )
    const [d, e] = p.socketpair(AF_UNIX, c.SOCK_SEQPACKET)
    await p.close(e)
    assert.equal(
      outcome(() => p.send(d, one)),
      'EPIPE',
    )
    assert.equal(caught.length, 2, 'not for messages')
    p.sigaction(c.SIGPIPE, { handler: c.SIG_IGN })
    assert.equal(
      outcome(() => p.write(w, one)),
      'EPIPE',
    )
  })
})

test('a writer asleep on a full pipe whose reader goes dies of SIGPIPE (pipe(7))', async () => {
  const { clock, host } = lone()
  const [p] = await runAll(clock, [
    host,
    async (p) => {
      const [r, w] = p.pipe()
      p.fork(async (child) => {
        await child.close(w)
        await child.sleep(1)
      })
      await p.close(r)
      await p.write(w, new Uint8Array(100_000))
    },
  ])
  assert.equal(p?.exitCode, 128 + c.SIGPIPE)
})

test('calls of a process that was killed never return: a program that catches everything does no harm', async () => {
  const { clock, host } = lone()
  let rounds = 0
  const p = host.spawn(async (process) => {
    for (;;) {
      try {
        rounds++
        await process.read(process.pipe()[0], one)
      } catch {
        await process.read(0, one).valueOf()
      }
    }
  })
  await clock.run()
  host.createProcess().kill(p.pid, c.SIGKILL)
  await clock.run()
  assert.deepEqual([p.exitCode, rounds, p.files.size], [137, 1, 0])
})

test('signalfd gives blocked signals as struct signalfd_siginfo, and is ready while there are some (signalfd(2))', () =>
  run(async (p) => {
    const set = new SigSet([c.SIGUSR1, c.SIGCHLD, c.SIGRTMIN])
    p.sigprocmask(c.SIG_BLOCK, set)
    const fd = p.signalfd(-1, set, c.SFD_NONBLOCK)
    const into = new Uint8Array(300)
    assert.equal(
      outcome(() => p.read(fd, into)),
      'EAGAIN',
    )
    assert.equal(
      outcome(() => p.read(fd, one)),
      'EINVAL',
    )
    const fds = [{ fd, events: c.POLLIN, revents: 0 }]
    p.fork((child) => {
      child.sigqueue(p.pid, c.SIGRTMIN, -7)
      return 5
    })
    assert.equal(await p.poll(fds), 1)
    await p.sleep(1)
    assert.equal(p.read(fd, into), 256)
    const view = new DataView(into.buffer)
    const word = (n: number): number => view.getInt32(n * 4, true)
    assert.deepEqual([word(0), word(2), word(10)], [c.SIGCHLD, c.CLD_EXITED, 5])
    assert.deepEqual([word(32), word(34), word(43)], [c.SIGRTMIN, c.SI_QUEUE, -7])
    assert.equal(p.poll(fds, 0), 0)
    p.kill(p.pid, c.SIGUSR1)
    assert.equal(p.poll(fds, 0), 1)
    assert.equal(p.signalfd(fd, new SigSet([c.SIGUSR2])), fd)
    assert.equal(p.poll(fds, 0), 0, 'another mask')
    assert.equal(
      outcome(() => p.signalfd(0, set)),
      'EINVAL',
    )
    assert.equal(
      outcome(() => p.signalfd(99, set)),
      'EBADF',
    )
    assert.equal(
      outcome(() => p.signalfd(-1, set, 1)),
      'EINVAL',
    )
    await p.wait()
  }))

test('a handler may end the process: the call it interrupted never returns (exit(3))', async () => {
  let isBack = false
  const p = await ending(async (process) => {
    process.signal(c.SIGALRM, () => process.exit(5))
    process.alarm(1)
    await process.pause().catch(() => {})
    isBack = true
  })
  assert.deepEqual([p.exitCode, isBack], [5, false])
})

test('exit closes descriptors lowest first, then the parent is told (do_exit)', () =>
  run(async (p) => {
    const order: string[] = []
    const watched = [p.pipe(), p.pipe(), p.pipe()]
    p.signal(c.SIGCHLD, () => void order.push('SIGCHLD'))
    p.fork(async (child) => {
      await child.sleep(1)
    })
    for (const [, w] of watched) await p.close(w)
    const ends = watched.map(async ([r]) => {
      assert.equal(await p.read(r, one), 0)
      order.push(`end of ${r}`)
    })
    await Promise.all(ends)
    await p.wait()
    assert.deepEqual(
      order.filter((what) => what !== 'SIGCHLD'),
      watched.map(([r]) => `end of ${r}`),
    )
    assert.ok(order.includes('SIGCHLD'))
  }))
