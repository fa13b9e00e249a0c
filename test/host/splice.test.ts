/** splice(2) and tee(2) where scripts do not reach: signals, much data. Otherwise: test/differential/scripts/splice.txt. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Process } from '../../src/host/process.ts'
import * as c from '../../src/socket/constants.ts'
import { A, awaited, B, bytes, lone, net, outcome, runAll } from './net.ts'

const SIZE = 1_000_000
/** A pattern whose period is no page. */
const pattern = (i: number): number => (i * 31) >>> 4

function listener(p: Process, port: number): number {
  const l = p.socket(c.AF_INET, c.SOCK_STREAM)
  p.bind(l, { port })
  p.listen(l, 1)
  return l
}

async function connected(p: Process, address: string, port: number): Promise<number> {
  const s = p.socket(c.AF_INET, c.SOCK_STREAM)
  await p.connect(s, { address, port })
  return s
}

/** Socket to pipe to socket until the end. */
async function relay(p: Process, from: number, to: number): Promise<void> {
  const [r, w] = p.pipe()
  for (;;) {
    const n = await p.splice(from, null, w, null, SIZE)
    if (n === 0) return
    for (let left = n; left > 0; ) left -= await p.splice(r, null, to, null, left, c.SPLICE_F_MORE)
  }
}

test('a proxy splices a megabyte from one TCP connection through a pipe to another: every byte, nothing left behind (splice(2))', async () => {
  const { clock, a, b, pool } = net()
  const sent = Uint8Array.from({ length: SIZE }, (_, i) => pattern(i))
  const received = new Uint8Array(SIZE + 1)
  let got = 0
  await runAll(
    clock,
    [
      a,
      async (p) => {
        const l = listener(p, 8)
        p.fork(async (q) => {
          const s = await connected(q, B, 7)
          await q.write(s, sent)
        })
        const s = await p.accept(l)
        for (let n = 1; n > 0; got += n) n = await p.read(s, received, got)
      },
    ],
    [
      b,
      async (p) => {
        const from = await p.accept(listener(p, 7))
        await relay(p, from, await connected(p, A, 8))
      },
    ],
  )
  assert.equal(got, SIZE)
  assert.deepEqual(received.subarray(0, SIZE), sent)
  await clock.run(() => false)
  assert.equal(pool.outstanding, 0)
})

test('SIGPIPE comes with EPIPE of a pipe and of a stream, not of datagrams (as this kernel does)', () => {
  const { process: p } = lone()
  let signals = 0
  p.signal(c.SIGPIPE, () => {
    signals++
  })
  const [r, w] = p.pipe()
  const [q, v] = p.pipe()
  p.write(w, bytes('abc'))
  p.close(q)
  const stream = p.socket(c.AF_INET, c.SOCK_STREAM)
  const [local, peer] = p.socketpair(c.AF_UNIX, c.SOCK_STREAM)
  p.close(peer)
  const [datagrams] = p.socketpair(c.AF_UNIX, c.SOCK_DGRAM)
  p.shutdown(datagrams, c.SHUT_WR)
  const calls: readonly (readonly [() => unknown, number])[] = [
    [() => p.splice(r, null, v, null, 3), 1],
    [() => p.tee(r, v, 3), 1],
    [() => p.splice(p.open('/dev/zero', c.O_RDONLY), null, v, null, 3), 1],
    [() => p.splice(r, null, stream, null, 3), 1],
    [() => p.splice(r, null, local, null, 3), 1],
    [() => p.splice(r, null, datagrams, null, 3), 0],
  ]
  for (const [call, expected] of calls) {
    signals = 0
    assert.equal(outcome(call), 'EPIPE', String(call))
    assert.equal(signals, expected, String(call))
  }
})

test('a signal ends a splice that sleeps with EINTR, or with SA_RESTART does not; what was moved counts (signal(7))', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const [r, w] = p.pipe()
      const [a] = p.socketpair(c.AF_UNIX, c.SOCK_STREAM)
      p.sigaction(c.SIGALRM, { handler: () => {}, flags: 0 })
      p.alarm(1)
      assert.equal(await awaited(() => p.splice(r, null, a, null, 10)), 'EINTR')
      p.sigaction(c.SIGALRM, { handler: () => {}, flags: c.SA_RESTART })
      p.alarm(1)
      p.fork(async (q) => {
        await q.sleep(2)
        await q.write(w, bytes('abc'))
      })
      assert.equal(await awaited(() => p.splice(r, null, a, null, 10)), 3)
      // More than the socket takes: what went counts.
      await p.fcntl(a, c.F_SETFL, c.O_NONBLOCK)
      while ((await awaited(() => p.write(a, new Uint8Array(1000)))) !== 'EAGAIN');
      await p.fcntl(a, c.F_SETFL, 0)
      await p.write(w, bytes('def'))
      p.sigaction(c.SIGALRM, { handler: () => {}, flags: 0 })
      p.alarm(1)
      assert.equal(await awaited(() => p.splice(r, null, a, null, 10)), 'EINTR')
      assert.equal(await p.read(r, new Uint8Array(10)), 3)
    },
  ])
})
