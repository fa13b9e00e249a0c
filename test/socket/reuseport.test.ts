/** SO_REUSEPORT: load spread over sockets of one port (socket(7), reuseport_select_sock), and listeners of devices. */
import assert from 'node:assert/strict'
import test from 'node:test'
import * as c from '../../src/socket/constants.ts'
import { A, B, type Net, net } from '../host/net.ts'

const LISTENERS = 4
const CONNECTIONS = 10000
/** At a time, so that no backlog overflows. */
const BATCH = 500

/** Sockets of one port and type on host b. */
function group(
  lab: Net,
  type: number,
  count: number,
): { process: ReturnType<Net['b']['createProcess']>; fds: number[] } {
  const process = lab.b.createProcess()
  process.fileLimit = 20000
  const fds = Array.from({ length: count }, () => {
    const fd = process.socket(c.AF_INET, type | c.SOCK_NONBLOCK)
    process.setsockopt(fd, c.SOL_SOCKET, c.SO_REUSEPORT, 1)
    process.bind(fd, { port: 7777 })
    if (type === c.SOCK_STREAM) process.listen(fd, 4096)
    return fd
  })
  return { process, fds }
}

const within = (counts: readonly number[], total: number, part: number): void => {
  const share = total / counts.length
  for (const n of counts) assert.ok(Math.abs(n - share) <= share * part, `${counts.join(' ')} of ${total}`)
}

test('10,000 connections to four listeners of a port: each gets a quarter, within 10 % (issue 3, SO_REUSEPORT)', async () => {
  const lab = net()
  const { process: server, fds } = group(lab, c.SOCK_STREAM, LISTENERS)
  const client = lab.a.createProcess()
  const counts = new Array<number>(LISTENERS).fill(0)
  for (let done = 0; done < CONNECTIONS; done += BATCH) {
    const open: number[] = []
    for (let i = 0; i < BATCH; i++) {
      const fd = client.socket(c.AF_INET, c.SOCK_STREAM)
      client.setsockopt(fd, c.SOL_SOCKET, c.SO_LINGER, { onoff: 1, linger: 0 })
      void client.connect(fd, { address: B, port: 7777 })
      open.push(fd)
    }
    await lab.clock.runFor(50000)
    for (const [i, fd] of fds.entries()) {
      for (;;) {
        const accepted = server.sys.accept(fd, 0, null)
        if (accepted < 0) break
        counts[i] = (counts[i] as number) + 1
        void server.close(accepted)
      }
    }
    for (const fd of open) void client.close(fd)
    await lab.clock.runFor(50000)
  }
  assert.equal(
    counts.reduce((a, b) => a + b),
    CONNECTIONS,
  )
  within(counts, CONNECTIONS, 0.1)
})

test('10,000 datagrams of as many senders to four sockets of a port: each gets a quarter, one sender always the same', async () => {
  const lab = net()
  const { process: server, fds } = group(lab, c.SOCK_DGRAM, LISTENERS)
  const client = lab.a.createProcess()
  const counts = new Array<number>(LISTENERS).fill(0)
  const chosen = new Map<number, number>()
  const buffer = new Uint8Array(16)
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < CONNECTIONS; i++) {
      const port = 20000 + i
      const fd = client.socket(c.AF_INET, c.SOCK_DGRAM)
      client.bind(fd, { port })
      void client.sendto(fd, Uint8Array.of(1), 0, { address: B, port: 7777 })
      void client.close(fd)
      if (i % 100 !== 99) continue
      await lab.clock.runFor(20000)
      for (const [n, to] of fds.entries()) {
        const from = { port: 0 }
        const receive = (): number => server.recvfrom(to, buffer, 0, from) as number
        for (;;) {
          try {
            receive()
          } catch {
            break
          }
          if (round === 0) {
            counts[n] = (counts[n] as number) + 1
            chosen.set(from.port, n)
          } else assert.equal(chosen.get(from.port), n)
        }
      }
    }
  }
  assert.equal(
    counts.reduce((a, b) => a + b),
    CONNECTIONS,
  )
  within(counts, CONNECTIONS, 0.1)
})

test('a listener bound to a device comes before one that is not, and hears nothing of other devices (SO_BINDTODEVICE)', async () => {
  const lab = net()
  const server = lab.b.createProcess()
  const listen = (device: string): number => {
    const fd = server.socket(c.AF_INET, c.SOCK_STREAM | c.SOCK_NONBLOCK)
    server.setsockopt(fd, c.SOL_SOCKET, c.SO_BINDTODEVICE, device)
    server.setsockopt(fd, c.SOL_SOCKET, c.SO_REUSEPORT, 1)
    server.bind(fd, { port: 7777 })
    server.listen(fd, 5)
    return fd
  }
  const [loopback, ethernet] = [listen('lo'), listen('eth0')]
  const client = lab.a.createProcess()
  void client.connect(client.socket(c.AF_INET, c.SOCK_STREAM), { address: B, port: 7777 })
  await lab.clock.runFor(10000)
  const peer = { address: '' }
  assert.ok((server.accept(ethernet, peer) as number) >= 0)
  assert.equal(peer.address, A)
  assert.throws(() => server.accept(loopback), { code: 'EAGAIN' })
})
