/** Memory of all sockets together, tcp_mem, and orphans (tcp(7); __sk_mem_raise_allocated, tcp_check_oom). */
import assert from 'node:assert/strict'
import { EAGAIN } from '../../src/sys/errno.ts'
import { established, finWait1, Host, tcp } from './dsl.ts'

const pagesOf = (bytes: number): number => Math.ceil(bytes / 4096)

tcp('What sockets hold is counted in pages, and given back with what is read, acknowledged or thrown away', () => {
  const c = established()
  const { memory } = c.host.tcp
  assert.equal(memory.pages, 0)
  c.send({ data: 1000 })
  assert.equal(memory.pages, pagesOf(c.t.rmemAlloc))
  c.write(1000)
  assert.equal(memory.pages, pagesOf(c.t.rmemAlloc + c.t.wmemQueued))
  c.read()
  assert.equal(memory.pages, pagesOf(c.t.wmemQueued))
  c.drain()
  c.send({ ack: c.hostEnd })
  assert.equal(memory.pages, pagesOf(c.t.wmemQueued))
  c.close()
})

tcp('Above the second number of tcp_mem there is pressure, until less than the first is used (tcp(7))', () => {
  const c = established({ sysctl: { tcp_mem: [4, 6, 1000] } })
  const { memory } = c.host.tcp
  for (let i = 0; i < 4; i++) c.send({ data: 1460 })
  assert.equal(memory.isTight, false)
  while (memory.pages <= 6) c.send({ data: 1460 })
  assert.equal(memory.isTight, true)
  assert.equal(c.counter('TcpExtTCPMemoryPressures'), 1)
  c.advance(500)
  c.read(4 * 1460)
  assert.ok(memory.pages >= 4 && memory.isTight)
  c.read()
  assert.equal(memory.isTight, false)
  assert.equal(c.counter('TcpExtTCPMemoryPressures'), 1)
  assert.equal(c.counter('TcpExtTCPMemoryPressuresChrono'), 500)
})

tcp(
  'Under pressure the window grows no more, and shrinks to four segments as its half is used (tcp_grow_window, tcp_adjust_rcv_ssthresh)',
  () => {
    const at = (mem: number[]): number => {
      const c = established({ sysctl: { tcp_mem: mem } })
      for (let i = 0; i < 60; i++) {
        c.send({ data: 1460 })
        if (i < 20) c.read()
      }
      c.advance(100)
      return c.t.rcv.ssthresh
    }
    assert.ok(at([1000, 1000, 1000]) > 60000)
    assert.equal(at([0, 0, 1000]), 4 * 1460)
  },
)

tcp(
  'Above the third number of tcp_mem data is dropped and the window closed, but for one segment in an empty queue (tcp_data_queue)',
  () => {
    const c = established({ sysctl: { tcp_mem: [0, 1, 2], tcp_rmem: [1, 131072, 6291456] } })
    for (let i = 0; i < 8; i++) c.send({ data: 1460 })
    assert.ok(c.counter('TcpExtTCPRcvQDrop') > 0)
    // The queues fit the buffer: nothing is copied together (tcp_prune_queue), as the kernel does with tcp_mem of 0 0 0.
    assert.ok(c.counter('TcpExtPruneCalled') > 0)
    assert.equal(c.counter('TcpExtRcvPruned'), 0)
    assert.ok(c.host.tcp.memory.pages <= 3)
    assert.ok(c.drain().some((g) => g.window === 0))
    c.read()
    const dropped = c.counter('TcpExtTCPRcvQDrop')
    c.send({ data: 100, seq: 1461, ack: 1 })
    assert.equal(c.counter('TcpExtTCPRcvQDrop'), dropped)
    assert.equal(c.read(), 100)
  },
)

tcp('Data out of order is not kept when there is no memory (tcp_data_queue_ofo)', () => {
  const c = established({ sysctl: { tcp_mem: [0, 0, 0], tcp_rmem: [1, 131072, 6291456] } })
  c.send({ seq: 1461, data: 1460, ack: 1 })
  assert.equal(c.counter('TcpExtTCPOFODrop'), 1)
  assert.equal(c.host.tcp.memory.pages, 0)
})

tcp(
  'A sender gets what tcp_wmem grants each when there is no memory, and more as that is acknowledged (tcp_wmem_schedule)',
  () => {
    const c = established({ sysctl: { tcp_mem: [0, 0, 0] }, sndbuf: 200000, window: 65535 })
    // What tcp_wmem's first number leaves beside a segment's own cost; the kernel of this machine takes as many.
    assert.equal(c.write(100000), 3264)
    // The rest of the pages that are paid for.
    while (c.write(1000) > 0);
    assert.equal(c.write(1000), -EAGAIN)
    assert.ok(c.t.wmemQueued <= 8192)
    c.woken()
    c.drain()
    c.send({ ack: c.hostEnd })
    assert.ok((c.woken() & 4) !== 0)
    assert.ok(c.write(100000) > 0)
  },
)

tcp(
  'A send buffer that chose its size itself shrinks when there is no memory, and does not grow under pressure (sk_stream_moderate_sndbuf)',
  () => {
    const c = established({ sysctl: { tcp_mem: [4, 5, 6] }, window: 65535 })
    const before = c.t.sndbuf
    c.write(100000)
    assert.ok(c.t.sndbuf < before, `${c.t.sndbuf} of ${before}`)
    // What was begun is filled (sk_stream_memory_free is asked for each new segment).
    assert.ok(c.host.tcp.memory.pages <= 6 + 65536 / 4096, String(c.host.tcp.memory.pages))
  },
)

tcp('One more orphan than tcp_max_orphans is reset, and said so in the log (tcp_close, tcp_check_oom)', () => {
  const host = new Host({ sysctl: { tcp_max_orphans: 2 } })
  const log: string[] = []
  host.tcp.warn = (text) => void log.push(text)
  const listener = host.listen()
  const peers = [40001, 40002, 40003].map((port) => {
    const c = host.peer(port)
    c.sendSyn()
    c.send({ seq: 1, ack: 1 })
    c.next = 1
    c.acceptFrom(listener)
    c.drain()
    return c
  })
  for (const c of peers) c.close()
  assert.deepEqual(
    peers.map((c) =>
      c
        .drain()
        .map((g) => g.flags)
        .join(' '),
    ),
    ['F.', 'F.', 'F. R.'],
  )
  assert.equal(host.tcp.memory.orphans, 2)
  assert.deepEqual(log, ['TCP: too many orphaned sockets'])
  assert.equal(peers[0]?.counter('TcpExtTCPAbortOnMemory'), 1)
})

tcp('An orphan that holds more than 4,608 bytes while memory is out is reset (tcp_out_of_memory)', () => {
  const c = established({ sysctl: { tcp_mem: [1000, 1000, 1000] }, window: 65535 })
  const log: string[] = []
  c.host.tcp.warn = (text) => void log.push(text)
  c.write(10000)
  c.drain()
  c.host.stack.sysctl.tcp_mem = [0, 0, 0]
  c.close()
  assert.equal(c.drain().at(-1)?.flags, 'R.')
  assert.deepEqual(log, ['TCP: out of memory -- consider tuning tcp_mem'])
})

tcp(
  'An orphan that did not answer for long counts twice, four times after an ICMP error (tcp_out_of_resources)',
  () => {
    const c = finWait1({ sysctl: { tcp_max_orphans: 1 } }, true)
    c.drain()
    assert.equal(c.host.tcp.memory.orphans, 1)
    c.sendIcmp(1, 3, 1)
    c.advance(3000)
    assert.equal(c.drain().at(-1)?.flags, 'R.')
    assert.equal(c.state, 'CLOSED')
    assert.equal(c.counter('TcpExtTCPAbortOnMemory'), 1)
  },
)
