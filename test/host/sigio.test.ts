/** Signal-driven I/O: what was seen of Linux 6.18 for the same calls, event by event. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Process } from '../../src/host/process.ts'
import * as c from '../../src/socket/constants.ts'
import { awaited, lone, outcome } from './net.ts'

const { AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM } = c
const one = new Uint8Array(1)
const LOCAL = '127.0.0.1'
const names = ['', 'IN', 'OUT', 'MSG', 'ERR', 'PRI', 'HUP']
const bands = [0, 0x41, 0x304, 0, 0x8, 0x82, 0x18]

/** A process, signal-driven files of it, and what their signals said since last asked. */
function stage() {
  const { clock, host, process: p } = lone()
  let told: string[] = []
  const on = (signal: number): void => {
    p.sigaction(signal, {
      handler: (signo, { code, fd, band }) => {
        const isTold = signo === c.SIGRTMIN
        if (isTold) assert.equal(band, bands[code], 'si_band goes with si_code')
        told.push(isTold ? `${names[code]} ${fd}` : `${c.signalName(signo)} ${code}`)
      },
    })
  }
  for (const signal of [c.SIGRTMIN, c.SIGIO, c.SIGURG]) on(signal)
  const drive = (fd: number): number => {
    p.fcntl(fd, c.F_SETOWN, p.pid)
    p.fcntl(fd, c.F_SETSIG, c.SIGRTMIN)
    p.fcntl(fd, c.F_SETFL, p.fcntl(fd, c.F_GETFL) | c.O_ASYNC | c.O_NONBLOCK)
    return fd
  }
  const news = async (): Promise<string> => {
    await clock.run(() => false, clock.now() + 1e5)
    const seen = told.join(', ')
    told = []
    return seen
  }
  return { clock, host, p, drive, news }
}

/** Writes until there is no more room. */
async function fill(p: Process, fd: number): Promise<void> {
  while ((await awaited(() => p.write(fd, new Uint8Array(65536)))) !== 'EAGAIN');
}

test('a local stream: data is POLL_IN each time, room after a full queue POLL_OUT, the other end’s close POLL_HUP (F_SETSIG)', async () => {
  const { p, drive, news } = stage()
  const [ours, theirs] = p.socketpair(AF_UNIX, SOCK_STREAM)
  drive(ours)
  assert.equal(await news(), '')
  p.write(theirs, one)
  assert.equal(await news(), `IN ${ours}`)
  p.write(theirs, one)
  assert.equal(await news(), `IN ${ours}`)
  p.read(ours, new Uint8Array(2))
  p.write(ours, one)
  p.read(theirs, one)
  assert.equal(await news(), '', 'room is no news if there was some')
  await fill(p, ours)
  assert.equal(await news(), '')
  while ((await awaited(() => p.recv(theirs, new Uint8Array(65536), c.MSG_DONTWAIT))) !== 'EAGAIN');
  assert.equal(await news(), `OUT ${ours}`)
  p.shutdown(theirs, c.SHUT_WR)
  assert.equal(await news(), `IN ${ours}`)
  p.close(theirs)
  assert.equal(await news(), `HUP ${ours}`)
})

test('who shuts down is not told; datagrams are POLL_IN (inet_shutdown, unix_shutdown)', async () => {
  const { p, drive, news } = stage()
  const [a] = p.socketpair(AF_UNIX, SOCK_STREAM)
  drive(a)
  p.shutdown(a, c.SHUT_RDWR)
  assert.equal(await news(), '')
  const [d, e] = p.socketpair(AF_UNIX, SOCK_DGRAM)
  drive(d)
  p.write(e, one)
  assert.equal(await news(), `IN ${d}`)
  p.write(d, one)
  p.read(e, one)
  assert.equal(await news(), '')
})

test('a pipe: its reader hears POLL_IN of data and of the last close, its writer POLL_OUT (pipe_write, pipe_release)', async () => {
  const { p, drive, news } = stage()
  const [r, w] = p.pipe()
  drive(r)
  p.write(w, one)
  assert.equal(await news(), `IN ${r}`)
  p.close(w)
  assert.equal(await news(), `IN ${r}`)
  const [r2, w2] = p.pipe()
  drive(w2)
  await fill(p, w2)
  p.read(r2, new Uint8Array(65536))
  assert.equal(await news(), `OUT ${w2}`)
  p.close(r2)
  assert.equal(await news(), `OUT ${w2}`)
})

test('TCP: a connection to accept, data, urgent data with SIGURG, FIN, reset (sk_wake_async, sk_send_sigurg)', async () => {
  const { p, drive, news } = stage()
  const listener = p.socket(AF_INET, SOCK_STREAM)
  p.listen(listener, 5)
  const { port } = p.getsockname(listener)
  drive(listener)
  const client = drive(p.socket(AF_INET, SOCK_STREAM))
  assert.equal(
    outcome(() => p.connect(client, { address: LOCAL, port })),
    'EINPROGRESS',
  )
  assert.equal(await news(), `OUT ${client}, IN ${listener}`)
  const server = drive((await p.accept(listener)) as number)
  p.write(client, one)
  assert.equal(await news(), `IN ${server}`)
  p.send(client, one, c.MSG_OOB)
  assert.equal(await news(), `PRI ${server}, IN ${server}, IN ${server}, SIGURG 128`)
  p.shutdown(client, c.SHUT_WR)
  assert.match(await news(), new RegExp(`^IN ${server}`))
  p.setsockopt(client, c.SOL_SOCKET, c.SO_LINGER, { onoff: 1, linger: 0 })
  p.close(client)
  assert.equal(await news(), `ERR ${server}`)
  const refused = drive(p.socket(AF_INET, SOCK_STREAM))
  assert.equal(
    outcome(() => p.connect(refused, { address: LOCAL, port: 1 })),
    'EINPROGRESS',
  )
  assert.equal(await news(), `ERR ${refused}`)
})

test('UDP: a datagram is POLL_IN, a refusal to a connected socket POLL_ERR; without F_SETSIG it is plain SIGIO (fcntl(2))', async () => {
  const { p, drive, news } = stage()
  const a = drive(p.socket(AF_INET, SOCK_DGRAM))
  p.bind(a, { address: LOCAL, port: 7 })
  const b = drive(p.socket(AF_INET, SOCK_DGRAM))
  p.sendto(b, one, 0, { address: LOCAL, port: 7 })
  assert.equal(await news(), `IN ${a}`)
  p.connect(b, { address: LOCAL, port: 1 })
  p.send(b, one)
  assert.equal(await news(), `ERR ${b}`)
  assert.equal(p.getsockopt(b, c.SOL_SOCKET, c.SO_ERROR), 111)
  p.fcntl(a, c.F_SETSIG, 0)
  p.sendto(b, one, 0, { address: LOCAL, port: 7 })
  assert.equal(await news(), 'SIGIO 128')
})

test('SIGURG goes to the owner without O_ASYNC, and by default does nothing (socket(7))', async () => {
  const { p, host, clock } = stage()
  const told: number[] = []
  host.trace.signal = (_pid, { signo }) => void told.push(signo)
  const listener = p.socket(AF_INET, SOCK_STREAM)
  p.listen(listener, 5)
  const client = p.socket(AF_INET, SOCK_STREAM)
  const connected = p.connect(client, { address: LOCAL, port: p.getsockname(listener).port })
  await clock.runUntil(Promise.resolve(connected))
  const server = (await p.accept(listener)) as number
  p.fcntl(server, c.F_SETOWN, p.pid)
  p.sigaction(c.SIGURG, { handler: c.SIG_DFL })
  p.send(client, one, c.MSG_OOB)
  await clock.run(() => false, clock.now() + 1e5)
  assert.deepEqual(told, [c.SIGURG])
})

test('owners: a process, a group, nobody; ESRCH, EINVAL; ioctl says the same (fcntl(2), F_SETOWN, FIOSETOWN, SIOCSPGRP, FIOASYNC)', async () => {
  const { p, host, news } = stage()
  const [a, b] = p.socketpair(AF_UNIX, SOCK_STREAM)
  assert.equal(p.fcntl(a, c.F_GETOWN), 0)
  assert.equal(p.fcntl(a, c.F_SETOWN, -p.getpgrp()), 0)
  assert.equal(p.fcntl(a, c.F_GETOWN), -p.getpgrp())
  assert.equal(
    outcome(() => p.fcntl(a, c.F_SETOWN, 9999)),
    'ESRCH',
  )
  assert.equal(
    outcome(() => p.fcntl(a, c.F_SETSIG, 65)),
    'EINVAL',
  )
  assert.equal(p.fcntl(a, c.F_GETSIG), 0)
  p.ioctl(a, c.FIOASYNC, 1)
  assert.ok((p.fcntl(a, c.F_GETFL) & c.O_ASYNC) !== 0)
  p.write(b, one)
  assert.equal(await news(), 'SIGIO 128')
  p.fcntl(a, c.F_SETOWN, 0)
  p.write(b, one)
  assert.equal(await news(), '')
  const stranger = host.createProcess({ euid: 1000 })
  p.ioctl(a, c.SIOCSPGRP, stranger.pid)
  assert.equal(p.ioctl(a, c.FIOGETOWN), stranger.pid)
  stranger.end(0)
  assert.equal(p.fcntl(a, c.F_GETOWN), 0, 'the owner is gone')
  const [r] = p.pipe()
  assert.equal(
    outcome(() => p.ioctl(r, c.FIOSETOWN, p.pid)),
    'ENOTTY',
  )
  p.ioctl(r, c.FIOASYNC, 1)
  assert.ok((p.fcntl(r, c.F_GETFL) & c.O_ASYNC) !== 0)
  const e = p.eventfd(0)
  p.fcntl(e, c.F_SETFL, c.O_ASYNC)
  assert.equal(p.fcntl(e, c.F_GETFL) & c.O_ASYNC, 0, 'eventfd has no such thing')
  assert.equal(
    outcome(() => p.ioctl(e, c.FIOASYNC, 1)),
    'ENOTTY',
  )
})

test('a user may not make root’s process hear signals: nothing is sent (sigio_perm)', async () => {
  const { p, host, news } = stage()
  const user = host.createProcess({ euid: 1000 })
  const [a, b] = user.socketpair(AF_UNIX, SOCK_STREAM)
  user.fcntl(a, c.F_SETOWN, p.pid)
  user.fcntl(a, c.F_SETFL, c.O_ASYNC)
  user.write(b, one)
  assert.equal(await news(), '')
})
