/** sendfile(2) to sockets and pipes that block, and the structs of ioctl(2) by their fields. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Process } from '../../src/host/process.ts'
import { RTF_GATEWAY, RTF_UP } from '../../src/host/rtentry.ts'
import * as c from '../../src/socket/constants.ts'
import { A, awaited, B, bytes, lone, net, outcome, runAll } from '../host/net.ts'

const SIZE = 3_000_000

/** A file of SIZE bytes that differ by place. */
function makeFile(p: Process): { fd: number; contents: Uint8Array } {
  const contents = Uint8Array.from({ length: SIZE }, (_, i) => (i * 31) >>> 4)
  const fd = p.open('/tmp/file', c.O_RDWR | c.O_CREAT, 0o600)
  assert.equal(p.write(fd, contents), SIZE)
  p.lseek(fd, 0, c.SEEK_SET)
  return { fd, contents }
}

async function readUntilEnd(p: Process, fd: number): Promise<Uint8Array> {
  const all = new Uint8Array(SIZE + 1)
  let got = 0
  for (let n = 1; n > 0; got += n) n = await p.read(fd, all, got, Math.min(50_000, all.length - got))
  return all.subarray(0, got)
}

test('a blocking TCP socket: sendfile sleeps until 3 MB have gone, every byte arrives, the position moves along (sendfile(2))', async () => {
  const { clock, a, b, pool } = net()
  let received: Uint8Array = new Uint8Array(0)
  let expected: Uint8Array = new Uint8Array(0)
  await runAll(
    clock,
    [
      a,
      async (p) => {
        const { fd, contents } = makeFile(p)
        expected = contents
        const s = p.socket(c.AF_INET, c.SOCK_STREAM)
        await p.connect(s, { address: B, port: 7 })
        const offset = { offset: 1000 }
        assert.equal(await p.sendfile(s, fd, offset, SIZE * 2), SIZE - 1000)
        assert.equal(offset.offset, SIZE)
        assert.equal(p.lseek(fd, 0, c.SEEK_CUR), 0, 'its own position stays')
        await p.close(s)
      },
    ],
    [
      b,
      async (p) => {
        const l = p.socket(c.AF_INET, c.SOCK_STREAM)
        p.bind(l, { port: 7 })
        p.listen(l, 1)
        const s = await p.accept(l)
        received = (await readUntilEnd(p, s)).slice()
      },
    ],
  )
  assert.deepEqual(received, expected.subarray(1000))
  await clock.run(() => false)
  assert.equal(pool.outstanding, 0)
})

test('a blocking pipe: sendfile waits for the reader; without an offset the file position moves (sendfile(2))', async () => {
  const { clock, host } = lone()
  let received: Uint8Array = new Uint8Array(0)
  let expected: Uint8Array = new Uint8Array(0)
  await runAll(clock, [
    host,
    async (p) => {
      const { fd, contents } = makeFile(p)
      expected = contents
      const [r, w] = p.pipe()
      p.fork(async (q) => {
        await q.close(w)
        received = (await readUntilEnd(q, r)).slice()
      })
      assert.equal(await p.sendfile(w, fd, null, SIZE), SIZE)
      assert.equal(p.lseek(fd, 0, c.SEEK_CUR), SIZE)
      await p.close(w)
      await p.wait()
    },
  ])
  assert.deepEqual(received, expected)
})

test('a non-blocking socket takes what it has room for, then EAGAIN; the file position tells how much (sendfile(2))', () => {
  const { process: p } = lone()
  const { fd } = makeFile(p)
  const [one, other] = p.socketpair(c.AF_UNIX, c.SOCK_STREAM | c.SOCK_NONBLOCK)
  const first = p.sendfile(one, fd, null, SIZE) as number
  assert.ok(first > 100_000 && first < SIZE)
  assert.equal(p.lseek(fd, 0, c.SEEK_CUR), first)
  assert.equal(
    outcome(() => p.sendfile(one, fd, null, SIZE)),
    'EAGAIN',
  )
  assert.equal(p.ioctl(other, c.FIONREAD), first)
})

test('SO_SNDTIMEO ends a sendfile that waits: what has gone counts, nothing is EAGAIN (socket(7))', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const { fd } = makeFile(p)
      const [one] = p.socketpair(c.AF_UNIX, c.SOCK_STREAM)
      p.setsockopt(one, c.SOL_SOCKET, c.SO_SNDTIMEO, { sec: 1, usec: 0 })
      const first = await p.sendfile(one, fd, null, SIZE)
      assert.ok(first > 0 && first < SIZE)
      assert.equal(await awaited(() => p.sendfile(one, fd, null, SIZE)), 'EAGAIN')
    },
  ])
})

test('ioctl with structs by their fields: names, indices, addresses, flags, hardware address (netdevice(7))', () => {
  const { a } = net()
  const p = a.createProcess()
  const s = p.socket(c.AF_INET, c.SOCK_DGRAM)
  const ask = (request: number, ifr: { name: string; [field: string]: unknown }): unknown => {
    p.ioctl(s, request, ifr)
    return ifr
  }
  assert.deepEqual(ask(c.SIOCGIFINDEX, { name: 'eth0' }), { name: 'eth0', ifindex: 2 })
  assert.deepEqual(ask(c.SIOCGIFNAME, { name: '', ifindex: 2 }), { name: 'eth0', ifindex: 2 })
  assert.deepEqual(ask(c.SIOCGIFADDR, { name: 'eth0' }), { name: 'eth0', addr: A })
  assert.deepEqual(ask(c.SIOCGIFNETMASK, { name: 'eth0' }), { name: 'eth0', addr: '255.255.255.0' })
  assert.deepEqual(ask(c.SIOCGIFBRDADDR, { name: 'eth0' }), { name: 'eth0', addr: '10.0.0.255' })
  assert.deepEqual(ask(c.SIOCGIFFLAGS, { name: 'lo' }), { name: 'lo', flags: 0x49 })
  assert.deepEqual(ask(c.SIOCGIFHWADDR, { name: 'eth0' }), {
    name: 'eth0',
    hwtype: 1,
    hwaddr: a.stack.interface('eth0')?.mac,
  })
  assert.deepEqual(ask(c.SIOCSIFMTU, { name: 'eth0', mtu: 1400 }), { name: 'eth0', mtu: 1400 })
  assert.equal(a.stack.interface('eth0')?.mtu, 1400)
  const conf = { len: 0, buf: null as Uint8Array | null }
  p.ioctl(s, c.SIOCGIFCONF, conf)
  assert.equal(conf.len, 80)
  const filled = { len: 0, buf: new Uint8Array(60) }
  p.ioctl(s, c.SIOCGIFCONF, filled)
  assert.equal(filled.len, 40, 'what fits')
  assert.deepEqual(
    [...filled.buf.subarray(0, 3), ...filled.buf.subarray(16, 24)],
    [...bytes('lo'), 0, 2, 0, 0, 0, 127, 0, 0, 1],
  )
})

test('SIOCADDRT and SIOCDELRT: root adds and takes away routes; EEXIST, ENETUNREACH, ESRCH, EPERM (route(8))', () => {
  const { a } = net()
  const p = a.createProcess()
  const s = p.socket(c.AF_INET, c.SOCK_DGRAM)
  const route = { dst: '192.0.2.0', genmask: '255.255.255.0', gateway: B, flags: RTF_UP | RTF_GATEWAY }
  assert.equal(p.ioctl(s, c.SIOCADDRT, route), 0)
  assert.equal(
    a.stack.routes.lookup((192 << 24) | 0x020a)?.gateway,
    a.stack.routes.lookup((192 << 24) | 0x020b)?.gateway,
  )
  const add = (entry: object) => (): unknown => p.ioctl(s, c.SIOCADDRT, { ...route, ...entry })
  assert.equal(outcome(add({})), 'EEXIST')
  assert.equal(outcome(add({ dst: '192.0.3.0', gateway: '172.16.0.1' })), 'ENETUNREACH')
  assert.equal(outcome(add({ dst: '192.0.3.1' })), 'EINVAL')
  assert.equal(outcome(add({ dst: '192.0.3.0', dev: 'eth9' })), 'ENODEV')
  assert.equal(p.ioctl(s, c.SIOCDELRT, route), 0)
  assert.equal(
    outcome(() => p.ioctl(s, c.SIOCDELRT, route)),
    'ESRCH',
  )
  p.seteuid(1000)
  assert.equal(outcome(add({})), 'EPERM')
})
