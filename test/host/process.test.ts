import assert from 'node:assert/strict'
import test from 'node:test'
import { Host } from '../../src/host/host.ts'
import type { Process } from '../../src/host/process.ts'
import { turn } from '../../src/platform/turn.ts'
import * as c from '../../src/socket/constants.ts'
import { SystemError } from '../../src/sys/errno.ts'
import { Random } from '../../src/sys/random.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import { awaited, B, bytes, listener, lone, net, outcome, runAll, text } from './net.ts'

const { AF_INET, SOCK_DGRAM, SOCK_STREAM } = c

test('a program runs in a process; its return value is the exit code, nothing counts as 0 (exit(3))', async () => {
  const { clock, host } = lone()
  const seven = host.spawn(() => 7, 'seven')
  const none = host.spawn(async () => {
    await Promise.resolve()
  })
  const big = host.spawn(() => 257)
  assert.equal(seven.exitCode, undefined, 'it starts later')
  await clock.run()
  assert.deepEqual(await Promise.all([seven.exited, none.exited, big.exited]), [7, 0, 1])
  assert.equal(seven.name, 'seven')
  assert.deepEqual([seven.pid, none.pid, big.pid], [3, 4, 5])
})

test('exit ends the program where it stands and closes every descriptor (exit(3))', async () => {
  const { clock, host } = lone()
  let after = false
  const p = host.spawn((process) => {
    process.socket(AF_INET, SOCK_DGRAM)
    process.socket(AF_INET, SOCK_STREAM)
    process.exit(3)
    after = true
  })
  await clock.run()
  assert.equal(await p.exited, 3)
  assert.equal(after, false)
  assert.equal(p.failure, undefined)
  assert.equal(p.files.size, 0)
  assert.equal(host.udp.sockets.size, 0)
  assert.equal(host.processes.has(p.pid), false)
})

test('a program that throws ends with 1 and its error is reported, never an unhandled rejection', async () => {
  const clock = new VirtualClock(turn)
  const failures: [Process, unknown][] = []
  const host = new Host({ clock, random: new Random(1), onProgramFailure: (p, error) => failures.push([p, error]) })
  const boom = new Error('boom')
  const sync = host.spawn(() => {
    throw boom
  })
  const late = host.spawn(async (p) => {
    await p.sleep(5)
    p.recv(99, new Uint8Array(1))
  })
  await clock.run()
  assert.deepEqual([await sync.exited, await late.exited], [1, 1])
  assert.equal(sync.failure, boom)
  assert.ok(late.failure instanceof SystemError && late.failure.code === 'EBADF')
  assert.deepEqual(
    failures.map(([p]) => p.pid),
    [sync.pid, late.pid],
  )
  assert.equal(clock.now(), 5e6)
})

test('ending a process from outside ends its sleeping calls: timers, wait queues and descriptors are given back', async () => {
  const { clock, host } = lone()
  let woke = false
  const p = host.spawn(async (process) => {
    const fd = process.socket(AF_INET, SOCK_DGRAM)
    process.bind(fd, { port: 7 })
    process.setsockopt(fd, c.SOL_SOCKET, c.SO_RCVTIMEO, { sec: 60, usec: 0 })
    await process.recv(fd, new Uint8Array(1))
    woke = true
  })
  await clock.run(() => false, 1000)
  assert.equal(clock.timerCount, 1)
  p.end(9)
  assert.equal(await p.exited, 9)
  await clock.run()
  assert.equal(woke, false)
  assert.equal(clock.timerCount, 0)
  assert.equal(host.udp.sockets.size, 0)
})

test('what is written to descriptors 1 and 2 goes to whoever started the program; 0 is at its end', async () => {
  const { clock, host } = lone()
  let output = ''
  const program = async (p: Process): Promise<void> => {
    p.write(1, bytes('out '))
    p.write(2, bytes('err'))
    assert.equal(p.read(0, new Uint8Array(5)), 0)
    const entry = { fd: 0, events: c.POLLIN | c.POLLOUT, revents: 0 }
    assert.equal(p.poll([entry]), 1)
  }
  const p = host.spawn(program, { output: (b) => (output += text(b)) })
  await clock.run()
  assert.equal(await p.exited, 0)
  assert.equal(output, 'out err')
})

test('bad arguments of our own: TypeError or RangeError naming argument and value', () => {
  const { process: p } = lone()
  const fd = p.socket(AF_INET, SOCK_DGRAM)
  const cases: [() => unknown, typeof TypeError | typeof RangeError, RegExp][] = [
    [() => p.bind(fd, { address: '1.2.3', port: 1 }), RangeError, /^address\.address: .*"1\.2\.3"/],
    [() => p.bind(fd, { port: 65536 }), RangeError, /^address\.port: .*65536/],
    [() => p.connect(fd, { port: 1.5 }), RangeError, /^address\.port: .*1\.5/],
    [() => p.bind(fd, 'x' as never), TypeError, /^address: .*x/],
    [() => p.sendto(fd, new Uint8Array(1), 0, { address: 5 as never }), TypeError, /^to\.address: .*5/],
    [() => p.recv(fd, 'x' as never), TypeError, /^bytes: .*x/],
    [() => p.read(fd, new Uint8Array(4), 3, 2), RangeError, /3, 2.*4 bytes/],
    [() => p.sleep(-1), RangeError, /^seconds: .*-1/],
  ]
  for (const [call, type, message] of cases) {
    assert.throws(call, (error: Error) => error instanceof type && message.test(error.message))
  }
})

test('bad calls: SystemError with code, errno and syscall, and address and port where there are some (as in Node)', () => {
  const { process: p } = lone()
  const fd = p.socket(AF_INET, SOCK_DGRAM)
  const error = (call: () => unknown): SystemError => {
    try {
      call()
    } catch (e) {
      if (e instanceof SystemError) return e
    }
    throw new Error('no SystemError')
  }
  const bind = error(() => p.bind(fd, { address: '192.0.2.1', port: 80 }))
  assert.equal(bind.message, 'bind EADDRNOTAVAIL 192.0.2.1:80')
  assert.deepEqual(
    [bind.code, bind.errno, bind.syscall, bind.address, bind.port],
    ['EADDRNOTAVAIL', -99, 'bind', '192.0.2.1', 80],
  )
  assert.equal(error(() => p.close(50)).message, 'close EBADF')
})

test('a descriptor duplicated is one description: the socket lives until the last is closed (CONCEPTS SO7)', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const fd = p.socket(AF_INET, SOCK_DGRAM)
      p.bind(fd, { port: 7 })
      const copy = p.dup(fd)
      assert.equal(copy, 4)
      p.close(fd)
      const s = p.socket(AF_INET, SOCK_DGRAM)
      assert.equal(s, 3)
      p.sendto(s, bytes('still here'), 0, { address: '127.0.0.1', port: 7 })
      const into = new Uint8Array(20)
      assert.equal(text(into, await p.recv(copy, into)), 'still here')
      p.close(copy)
      p.bind(s, { port: 0 } as never)
    },
  ]).catch((error: unknown) => assert.equal((error as SystemError).code, 'EINVAL'))
  assert.equal(host.udp.ports.size, 0)
})

test('closing a descriptor on which a call sleeps: the call goes on, the socket lives until it returns (close(2))', async () => {
  const { clock, a, b } = net()
  const q = b.createProcess()
  const fd = q.socket(AF_INET, SOCK_DGRAM)
  q.bind(fd, { port: 7 })
  const into = new Uint8Array(10)
  const pending = q.recv(fd, into)
  q.close(fd)
  assert.equal(
    outcome(() => q.getsockname(fd)),
    'EBADF',
  )
  assert.equal(b.udp.sockets.size, 1)
  const p = a.createProcess()
  p.sendto(p.socket(AF_INET, SOCK_DGRAM), bytes('late'), 0, { address: B, port: 7 })
  assert.equal(await clock.runUntil(Promise.resolve(pending)), 4)
  assert.equal(b.udp.sockets.size, 0)
})

test('two hosts with the same seeds do the same things at the same times (DESIGN.md, Time and chance)', async () => {
  const run = async (): Promise<string> => {
    const { clock, a, b } = net()
    let log = ''
    a.stack.interface('eth0')?.taps.push((packet, outgoing) => {
      log += `${clock.now()} ${outgoing} ${Buffer.from(packet.toBytes()).toString('hex')}\n`
    })
    await runAll(
      clock,
      [
        b,
        async (p) => {
          const l = listener(p, 80, 1)
          const fd = await p.accept(l)
          await p.write(fd, new Uint8Array(3000))
          await p.close(fd)
        },
      ],
      [
        a,
        async (p) => {
          const fd = p.socket(AF_INET, SOCK_STREAM)
          await p.connect(fd, { address: B, port: 80 })
          while ((await p.read(fd, new Uint8Array(1000))) > 0);
        },
      ],
    )
    return log
  }
  const first = await run()
  assert.ok(first.length > 1000)
  assert.equal(await run(), first)
})

test('system calls are told with arguments and results when somebody listens (Trace.syscall, strace(1))', async () => {
  const { clock, host } = lone()
  const told: string[] = []
  host.trace.syscall = (pid, name, args, result, where) => {
    told.push(`${where} ${pid} ${name}(${args.filter((x) => typeof x === 'number').join()}) = ${result}`)
  }
  const p = host.spawn(async (self) => {
    const fd = self.socket(AF_INET, SOCK_DGRAM)
    self.bind(fd, { port: 7 })
    outcome(() => self.accept(fd))
    self.setsockopt(fd, c.SOL_SOCKET, c.SO_RCVTIMEO, { sec: 1, usec: 0 })
    await awaited(() => self.recv(fd, new Uint8Array(1)))
    assert.equal(self.pid, p.pid)
    self.exit(5)
  })
  await clock.run()
  assert.equal(await p.exited, 5)
  assert.deepEqual(told, [
    'h 3 socket(2,2) = 3',
    'h 3 bind(3) = 0',
    'h 3 accept(3) = -95',
    'h 3 setsockopt(3,1,20) = 0',
    'h 3 recv(3) = -11',
  ])
})
