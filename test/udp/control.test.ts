/** Control messages of UDP between two hosts, corked and cut datagrams, time stamps. The kernel's answers: test/differential/scripts/datagrams.txt. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Process } from '../../src/host/process.ts'
import type { ControlMessage } from '../../src/sock/message.ts'
import * as c from '../../src/socket/constants.ts'
import { A, B, bytes, type Net, net, outcome, text } from '../host/net.ts'
import { words } from '../socket/words.ts'

const { AF_INET } = c
const DGRAM = c.SOCK_DGRAM | c.SOCK_NONBLOCK
const B_INT = 0x0a000002

interface Pair extends Net {
  readonly p: Process
  readonly q: Process
  readonly s: number
  readonly r: number
}

/** A sender on host a, and a receiver on host b at port 7. */
function pair(mtu = 1500): Pair {
  const both = net({ mtu })
  const p = both.a.createProcess()
  const q = both.b.createProcess()
  const r = q.socket(AF_INET, DGRAM)
  q.bind(r, { port: 7 })
  return { ...both, p, q, r, s: p.socket(AF_INET, DGRAM) }
}

const TO = { address: B, port: 7 }

function receive(q: Process, r: number, flags = 0): { text: string; control: ControlMessage[] } {
  const into = new Uint8Array(70000)
  const control: ControlMessage[] = []
  const n = outcome(() => q.recvmsg(r, { iov: [into], control }, flags))
  return { text: typeof n === 'number' ? text(into, n) : (n as string), control }
}

test('IP_PKTINFO tells the interface, the address to answer from and the destination; a broadcast’s is the interface’s (ip(7))', () => {
  const { p, q, r, s, clock } = pair()
  q.setsockopt(r, c.SOL_IP, c.IP_PKTINFO, 1)
  p.setsockopt(s, c.SOL_SOCKET, c.SO_BROADCAST, 1)
  p.sendto(s, bytes('one'), 0, TO)
  clock.settle()
  assert.deepEqual(receive(q, r).control[0]?.data, [2, B_INT, B_INT])
  p.sendto(s, bytes('all'), 0, { address: '10.0.0.255', port: 7 })
  clock.settle()
  assert.deepEqual(receive(q, r).control[0]?.data, [2, B_INT, 0x0a0000ff])
})

test('IP_PKTINFO sends from the address given; IP_TTL and IP_TOS hold for one message (ip(7))', () => {
  const { a, p, q, r, s, clock } = pair()
  a.stack.interface('eth0')?.addAddress({ address: 0x0a00004d, prefix: 24 })
  q.setsockopt(r, c.SOL_IP, c.IP_RECVTTL, 1)
  q.setsockopt(r, c.SOL_IP, c.IP_RECVTOS, 1)
  const control: ControlMessage[] = [
    { level: c.SOL_IP, type: c.IP_PKTINFO, data: [0, 0x0a00004d, 0] },
    { level: c.SOL_IP, type: c.IP_TTL, data: 3 },
    { level: c.SOL_IP, type: c.IP_TOS, data: 0x28 },
  ]
  p.sendmsg(s, { name: TO, iov: [bytes('x')], control })
  p.sendto(s, bytes('y'), 0, TO)
  clock.settle()
  const into = { name: {} as { address?: string }, iov: [new Uint8Array(4)], control: [] as ControlMessage[] }
  q.recvmsg(r, into)
  assert.equal(into.name.address, '10.0.0.77')
  assert.deepEqual(
    into.control.map(({ data }) => data),
    [3, 0x28],
  )
  q.recvmsg(r, into)
  assert.equal(into.name.address, A)
  assert.deepEqual(
    into.control.map(({ data }) => data),
    [64, 0],
  )
})

test('what cannot be sent whole with DF is EMSGSIZE at once and on the error queue with the MTU (IP_MTU_DISCOVER, ip(7))', () => {
  const { p, s } = pair()
  p.setsockopt(s, c.SOL_IP, c.IP_MTU_DISCOVER, c.IP_PMTUDISC_DO)
  p.setsockopt(s, c.SOL_IP, c.IP_RECVERR, 1)
  assert.equal(
    outcome(() => p.sendto(s, new Uint8Array(1473), 0, TO)),
    'EMSGSIZE',
  )
  const [error] = receive(p, s, c.MSG_ERRQUEUE).control
  assert.deepEqual(words(error).slice(0, 6), [90, 1, 0, 0, 0, 1500])
})

test('a corked datagram is one on the wire, and the pieces are charged until it leaves (UDP_CORK, MSG_MORE, udp(7))', () => {
  const { p, q, r, s, clock, pool } = pair()
  p.setsockopt(s, c.SOL_UDP, c.UDP_CORK, 1)
  for (let i = 0; i < 40; i++) p.sendto(s, bytes(`${i},`), 0, TO)
  assert.ok((p.ioctl(s, c.SIOCOUTQ) as number) > 800)
  clock.settle()
  assert.equal(receive(q, r).text, 'EAGAIN')
  p.setsockopt(s, c.SOL_UDP, c.UDP_CORK, 0)
  clock.settle()
  assert.equal(receive(q, r).text, Array.from({ length: 40 }, (_, i) => `${i},`).join(''))
  assert.equal(p.ioctl(s, c.SIOCOUTQ), 0)
  p.sendto(s, bytes('left'), c.MSG_MORE, TO)
  p.close(s)
  assert.equal(pool.outstanding, 0)
})

test('UDP_SEGMENT cuts one call into datagrams, UDP_GRO joins them again and tells their size (udp(7))', () => {
  const { b, p, q, r, s, clock, pool } = pair()
  const whole = new Uint8Array(5000).fill(65)
  const control: ControlMessage[] = [{ level: c.SOL_UDP, type: c.UDP_SEGMENT, data: 1400 }]
  assert.equal(p.sendmsg(s, { name: TO, iov: [whole.subarray(0, 3000), whole.subarray(3000)], control }), 5000)
  clock.settle()
  assert.deepEqual(
    [1, 2, 3, 4].map(() => receive(q, r).text.length),
    [1400, 1400, 1400, 800],
  )
  q.setsockopt(r, c.SOL_UDP, c.UDP_GRO, 1)
  p.sendmsg(s, { name: TO, iov: [whole], control })
  clock.settle()
  const joined = receive(q, r)
  assert.equal(joined.text.length, 5000)
  assert.deepEqual(joined.control, [{ level: c.SOL_UDP, type: c.UDP_GRO, data: 1400 }])
  assert.equal(b.stack.counters.UdpInDatagrams, 5)
  assert.equal(pool.outstanding, 0)
  assert.equal(
    outcome(() => p.sendmsg(s, { name: TO, iov: [whole], control: [{ level: 17, type: 103, data: 30 }] })),
    'EINVAL',
  )
})

test('time stamps: when a datagram came, and when one left, numbered (SO_TIMESTAMP, SO_TIMESTAMPING, socket(7))', async () => {
  const { p, q, r, s, clock } = pair()
  q.setsockopt(r, c.SOL_SOCKET, c.SO_TIMESTAMP, 1)
  // TX_SOFTWARE, SOFTWARE, OPT_ID, OPT_TSONLY.
  p.setsockopt(s, c.SOL_SOCKET, c.SO_TIMESTAMPING, 2 | 16 | 128 | 2048)
  await clock.runFor(3_500_000)
  for (const word of ['a', 'b']) p.sendto(s, bytes(word), 0, TO)
  clock.settle()
  const [came] = receive(q, r).control
  assert.equal(came?.type, c.SO_TIMESTAMP)
  const wall = clock.epoch + clock.now()
  assert.deepEqual(came?.data, [Math.floor(wall / 1e6), wall % 1e6])
  receive(p, s, c.MSG_ERRQUEUE)
  const [left, record] = receive(p, s, c.MSG_ERRQUEUE).control
  assert.equal(words(left)[0], Math.floor(wall / 1e6))
  assert.deepEqual(words(record).slice(0, 7), [42, 4, 0, 0, 0, 0, 1])
})

test('lost datagrams are told with the next one that came in, and in the counters (SO_RXQ_OVFL, socket(7))', () => {
  const { b, p, q, r, s, clock } = pair()
  q.setsockopt(r, c.SOL_SOCKET, c.SO_RXQ_OVFL, 1)
  q.setsockopt(r, c.SOL_SOCKET, c.SO_RCVBUF, 1)
  for (let i = 0; i < 6; i++) p.sendto(s, bytes('x'), 0, TO)
  clock.settle()
  assert.deepEqual(receive(q, r).control, [])
  while (receive(q, r).text !== 'EAGAIN');
  p.sendto(s, bytes('y'), 0, TO)
  clock.settle()
  const lost = b.stack.counters.UdpRcvbufErrors
  assert.ok(lost > 0)
  assert.deepEqual(receive(q, r).control, [{ level: c.SOL_SOCKET, type: c.SO_RXQ_OVFL, data: lost }])
})
