/** Processes: fork, exit, wait, groups. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Process } from '../../src/host/process.ts'
import { exitLine, signalLine } from '../../src/host/strace.ts'
import { WEXITSTATUS, WIFEXITED, WIFSIGNALED, WTERMSIG } from '../../src/host/wait.ts'
import * as c from '../../src/socket/constants.ts'
import { awaited, bytes, lone, outcome, runAll, text } from './net.ts'

const one = new Uint8Array(1)

test('fork gives the child the descriptions of its parent, its own id and its parent’s; wait gives the exit code (fork(2), wait(2))', async () => {
  const { clock, host } = lone()
  const seen: string[] = []
  await runAll(clock, [
    host,
    async (p) => {
      const [r, w] = p.pipe()
      const pid = p.fork(async (child) => {
        seen.push(`child ${child.getpid() === pid} of ${child.getppid() === p.pid}`)
        await child.close(r)
        await child.write(w, bytes('hello'))
        return 7
      })
      await p.close(w)
      const into = new Uint8Array(10)
      assert.equal(text(into, await p.read(r, into)), 'hello')
      assert.equal(await p.read(r, into), 0, 'the last writer is gone')
      const status = { status: 0 }
      assert.equal(await p.wait(status), pid)
      assert.deepEqual([WIFEXITED(status.status), WEXITSTATUS(status.status)], [true, 7])
      assert.equal(await awaited(() => p.wait()), 'ECHILD')
    },
  ])
  assert.deepEqual(seen, ['child true of true'])
  assert.equal(host.processes.size, 1, 'only the process of `lone` is left')
})

test('a child that has ended is a zombie until it is waited for; kill still finds it (wait(2), NOTES)', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const pid = p.fork((child) => child.exit(3))
      assert.equal(p.waitpid(pid, null, c.WNOHANG), 0, 'it has not run yet')
      await p.sleep(1)
      assert.equal(host.processes.get(pid)?.exitCode, 3)
      assert.equal(p.kill(pid, 0), 0)
      assert.equal(p.waitpid(-1, null, c.WNOHANG), pid)
      assert.equal(
        outcome(() => p.kill(pid, 0)),
        'ESRCH',
      )
    },
  ])
})

test('an orphan has init as its parent, which reaps it (wait(2), NOTES)', async () => {
  const { clock, host } = lone()
  let orphan: Process | undefined
  await runAll(clock, [
    host,
    (p) => {
      p.fork(async (child) => {
        orphan = child
        await child.sleep(10)
        return child.getppid()
      })
    },
  ])
  await clock.run()
  assert.equal(orphan?.exitCode, 1)
  assert.equal(host.processes.size, 1)
})

test('SIGCHLD ignored or SA_NOCLDWAIT: children are no zombies, and wait waits for all of them, then ECHILD (wait(2))', async () => {
  const { clock, host } = lone()
  for (const action of [{ handler: c.SIG_IGN }, { handler: c.SIG_DFL, flags: c.SA_NOCLDWAIT }] as const) {
    await runAll(clock, [
      host,
      async (p) => {
        p.sigaction(c.SIGCHLD, action)
        p.fork((child) => child.sleep(1))
        p.fork((child) => child.sleep(5))
        const began = clock.now()
        await assert.rejects(p.wait() as Promise<number>, { code: 'ECHILD' })
        assert.equal(clock.now() - began, 5e6)
      },
    ])
    assert.equal(host.processes.size, 1)
  }
})

test('SIGCHLD tells which child and how it ended; a wait asleep in accept is interrupted (sigaction(2), signal(7))', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const told: unknown[] = []
      p.sigaction(c.SIGCHLD, { handler: (signo, { code, pid, status }) => void told.push([signo, code, pid, status]) })
      const listener = p.socket(c.AF_INET, c.SOCK_STREAM)
      p.listen(listener, 5)
      const first = p.fork((child) => child.exit(9))
      assert.equal(await awaited(() => p.accept(listener)), 'EINTR')
      const second = p.fork(async (child) => void (await child.pause()))
      await p.sleep(1)
      p.kill(second, c.SIGTERM)
      assert.equal(await p.sleep(10), 10, 'interrupted at once')
      assert.deepEqual(told, [
        [c.SIGCHLD, c.CLD_EXITED, first, 9],
        [c.SIGCHLD, c.CLD_KILLED, second, c.SIGTERM],
      ])
      const status = { status: 0 }
      assert.equal(await p.waitpid(second, status), second)
      assert.deepEqual([WIFSIGNALED(status.status), WTERMSIG(status.status)], [true, c.SIGTERM])
      assert.equal(await p.waitpid(first, status), first)
    },
  ])
})

test('waitpid waits for one child, any, or one of a group; unknown options are EINVAL (waitpid(2))', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const a = p.fork(async (child) => void (await child.sleep(3)))
      const b = p.fork(async (child) => {
        child.setpgid()
        await child.sleep(2)
      })
      const d = p.fork(async (child) => void (await child.sleep(1)))
      assert.equal(await p.waitpid(a), a)
      assert.equal(await awaited(() => p.waitpid(-d)), 'ECHILD')
      assert.equal(await p.waitpid(-b), b)
      assert.equal(await p.waitpid(0), d)
      assert.equal(await awaited(() => p.waitpid(-1, null, 0x100)), 'EINVAL')
      assert.equal(await awaited(() => p.waitpid(1)), 'ECHILD')
    },
  ])
})

test('waitid tells without reaping if WNOWAIT is given (waitid(2))', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const pid = p.fork(() => 4)
      const seen = await p.waitid(c.P_PID, pid, c.WEXITED | c.WNOWAIT)
      assert.deepEqual([seen?.pid, seen?.code, seen?.status], [pid, c.CLD_EXITED, 4])
      assert.equal((await p.waitid(c.P_ALL, 0, c.WEXITED))?.pid, pid)
      await assert.rejects(p.waitid(c.P_ALL, 0, c.WEXITED), { code: 'ECHILD' })
      await assert.rejects(p.waitid(c.P_ALL, 0, 0), { code: 'EINVAL' })
      await assert.rejects(p.waitid(c.P_PID, 0, c.WEXITED), { code: 'EINVAL' })
    },
  ])
})

test('stopped by SIGSTOP a child makes no progress until SIGCONT; both are told to waitpid (wait(2), WUNTRACED, WCONTINUED)', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const pid = p.fork(async (child) => void (await child.sleep(1)))
      p.kill(pid, c.SIGSTOP)
      const status = { status: 0 }
      assert.equal(await p.waitpid(pid, status, c.WUNTRACED), pid)
      assert.equal(status.status, (c.SIGSTOP << 8) | 0x7f)
      await p.sleep(10)
      assert.equal(p.waitpid(pid, null, c.WNOHANG), 0, 'its second is over, but it stands still')
      p.kill(pid, c.SIGCONT)
      assert.equal(await p.waitpid(pid, status, c.WCONTINUED), pid)
      assert.equal(status.status, 0xffff)
      assert.equal(await p.waitpid(pid, status), pid)
      assert.equal(status.status, 0)
    },
  ])
})

test('kill: one, a group, everybody; ESRCH, EINVAL and EPERM as Linux tests them (kill(2))', async () => {
  const { clock, host, process: root } = lone()
  const user = host.createProcess({ euid: 1000 })
  assert.equal(
    outcome(() => root.kill(9999, 99)),
    'ESRCH',
  )
  assert.equal(
    outcome(() => root.kill(user.pid, 99)),
    'EINVAL',
  )
  assert.equal(
    outcome(() => user.kill(root.pid, c.SIGTERM)),
    'EPERM',
  )
  assert.equal(
    outcome(() => user.kill(1, 0)),
    'EPERM',
  )
  assert.equal(root.kill(1, c.SIGKILL), 0, 'init does not mind')
  assert.equal(
    outcome(() => root.kill(-9999, 0)),
    'ESRCH',
  )
  const leader = host.spawn(async (p) => {
    for (let i = 0; i < 3; i++) p.fork(async (child) => void (await child.pause()))
    p.signal(c.SIGTERM, () => {})
    assert.equal(await awaited(() => p.pause()), 'EINTR')
    for (let i = 0; i < 3; i++) await p.wait()
    return 5
  })
  await clock.run()
  root.kill(-leader.pid, c.SIGTERM)
  await clock.run()
  assert.equal(leader.exitCode, 5)
  root.kill(-1, c.SIGTERM)
  await clock.run()
  assert.equal(user.exitCode, 128 + c.SIGTERM)
  assert.equal(root.exitCode, undefined, 'the caller is left out')
})

test('setpgid, setsid and their errors (setpgid(2), setsid(2))', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      assert.deepEqual([p.getpgrp(), p.getsid(), p.getppid()], [p.pid, p.pid, 1])
      assert.equal(
        outcome(() => p.setsid()),
        'EPERM',
      )
      assert.equal(
        outcome(() => p.setpgid(0, 0)),
        'EPERM',
      )
      const pid = p.fork(async (child) => {
        assert.equal(child.getpgrp(), p.pid)
        child.setpgid(0, 0)
        assert.equal(child.getpgrp(), child.pid)
        child.setpgid(0, p.pid)
        assert.equal(child.setsid(), child.pid)
        assert.equal(
          outcome(() => child.setpgid(0, p.pid)),
          'EPERM',
        )
        await child.sleep(1)
      })
      await p.sleep(0.5)
      assert.equal(
        outcome(() => p.setpgid(pid, p.pid)),
        'EPERM',
      )
      assert.equal(
        outcome(() => p.setpgid(9999, 0)),
        'ESRCH',
      )
      assert.equal(p.getsid(pid), pid)
      await p.wait()
    },
  ])
})

test('fork fails with EAGAIN when kernel.pid_max processes are there, and goes on when one was reaped (fork(2))', async () => {
  const { clock, host } = lone()
  host.setSysctl('kernel.pid_max', 301)
  await runAll(clock, [
    host,
    async (p) => {
      let made = 0
      while (outcome(() => p.fork(() => 0)) !== 'EAGAIN') made++
      assert.equal(made, 301 - 4)
      const freed = await p.wait()
      // Numbers start over at 300, so only that one is found again.
      assert.equal(typeof freed, 'number')
      while (outcome(() => p.wait()) !== 'ECHILD') await undefined
      assert.equal(
        p.fork(() => 0),
        300,
      )
      await p.wait()
    },
  ])
})

test('a child that throws ends with 1; the parent goes on (EXIT_THREW)', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      p.fork(() => {
        throw new Error('lost')
      })
      const status = { status: 0 }
      await p.wait(status)
      assert.equal(WEXITSTATUS(status.status), 1)
    },
  ])
})

test('the connection of a fork server lives until parent and child have closed it (CONCEPTS SO7)', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const [ours, theirs] = p.socketpair(c.AF_UNIX, c.SOCK_STREAM)
      p.fork(async (child) => {
        await child.close(theirs)
        await child.sleep(2)
      })
      await p.close(ours)
      assert.equal(p.files.get(theirs)?.refs, 1)
      const began = clock.now()
      assert.equal(await p.read(theirs, one), 0)
      assert.equal(clock.now() - began, 2e6)
      await p.wait()
    },
  ])
})

test('a process runs, sleeps, is stopped or a zombie: rows for ps(1)', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const asleep = p.fork(async (child) => void (await child.sleep(9)))
      const stopped = p.fork(async (child) => void (await child.sleep(9)))
      const zombie = p.fork(() => 0)
      p.kill(stopped, c.SIGSTOP)
      await p.sleep(1)
      const rows = host.table.rows().slice(1)
      assert.deepEqual(
        rows.map(({ pid, ppid, state }) => [pid, ppid, state]),
        [
          [p.pid, 1, 'R'],
          [asleep, p.pid, 'S'],
          [stopped, p.pid, 'T'],
          [zombie, p.pid, 'Z'],
        ],
      )
      for (const pid of [asleep, stopped]) p.kill(pid, c.SIGKILL)
    },
  ])
})

test('strace: signals and ends are shown as strace(1) shows them', async () => {
  const { clock, host } = lone()
  const lines: string[] = []
  host.trace.syscall = (pid, name, _args, result) => void lines.push(`[${pid}] ${name} = ${result}`)
  host.trace.signal = (pid, info) => void lines.push(`[${pid}] ${signalLine(info)}`)
  host.trace.exit = (pid, status) => void lines.push(`[${pid}] ${exitLine(status)}`)
  await runAll(clock, [
    host,
    async (p) => {
      p.fork((child) => child.exit(3))
      await p.wait()
      p.alarm(1)
      p.fork(async (child) => void (await child.pause()))
      await p.pause()
    },
  ]).catch(() => {})
  assert.deepEqual(lines, [
    '[3] fork = 4',
    '[4] +++ exited with 3 +++',
    '[3] --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=4, si_uid=0, si_status=3, si_utime=0, si_stime=0} ---',
    '[3] wait = 4',
    '[3] alarm = 0',
    '[3] fork = 5',
    '[3] --- SIGALRM {si_signo=SIGALRM, si_code=SI_KERNEL} ---',
    '[3] +++ killed by SIGALRM +++',
  ])
})
