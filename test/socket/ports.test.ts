import assert from 'node:assert/strict'
import test from 'node:test'
import {
  type PortBucket,
  type PortRange,
  PortTable,
  type PortUser,
  tcpConflict,
  udpConflict,
} from '../../src/sock/ports.ts'
import {
  SF_REUSEADDR,
  SF_REUSEPORT,
  TCP_CLOSE,
  TCP_ESTABLISHED,
  TCP_LISTEN,
  TCP_TIME_WAIT,
} from '../../src/sock/sock.ts'
import { EADDRINUSE, EADDRNOTAVAIL } from '../../src/sys/errno.ts'
import { Random } from '../../src/sys/random.ts'

class User implements PortUser {
  localAddress = 0
  localPort = 0
  remoteAddress = 0
  remotePort = 0
  boundInterface = 0
  flags = 0
  state: number = TCP_CLOSE
  uid = 0
  portBucket: PortBucket | null = null
  portNext: PortUser | null = null
  portPrevious: PortUser | null = null
  constructor(flags = 0, state: number = TCP_CLOSE) {
    this.flags = flags
    this.state = state
  }
}

const LO = 0x7f000001
const range = (low = 32768, high = 60999): PortRange => ({
  ip_local_port_range: [low, high],
  ip_local_reserved_ports: '',
})
const tcp = (low?: number, high?: number): PortTable => new PortTable(range(low, high), new Random(1), tcpConflict)
const udp = (low?: number, high?: number): PortTable => new PortTable(range(low, high), new Random(1), udpConflict)

test('a port in use at the wildcard or the same address is EADDRINUSE, another address is free (bind(2))', () => {
  for (const table of [tcp(), udp()]) {
    assert.equal(table.bind(new User(), LO, 80), 0)
    assert.equal(table.bind(new User(), LO, 80), -EADDRINUSE)
    assert.equal(table.bind(new User(), 0, 80), -EADDRINUSE)
    assert.equal(table.bind(new User(), LO + 1, 80), 0)
    assert.equal(table.size, 1)
  }
})

test('sockets bound to different devices share a port (inet_bind_conflict)', () => {
  const table = udp()
  const one = new User()
  const two = new User()
  const any = new User()
  one.boundInterface = 2
  two.boundInterface = 3
  assert.equal(table.bind(one, 0, 53), 0)
  assert.equal(table.bind(two, 0, 53), 0)
  assert.equal(table.bind(any, 0, 53), -EADDRINUSE)
})

test('TCP: SO_REUSEADDR on both allows a port unless the other listens (socket(7))', () => {
  const table = tcp()
  const first = new User(SF_REUSEADDR)
  assert.equal(table.bind(first, 0, 80), 0)
  assert.equal(table.bind(new User(SF_REUSEADDR), 0, 80), 0)
  assert.equal(table.bind(new User(), 0, 80), -EADDRINUSE)
  first.state = TCP_LISTEN
  assert.equal(table.recheck(first), 0)
  assert.equal(table.bind(new User(SF_REUSEADDR), 0, 80), -EADDRINUSE)
})

test('TCP: what is known of a port counts, not what its sockets changed later (inet_csk_update_fastreuse)', () => {
  const table = tcp()
  const first = new User()
  table.bind(first, LO, 80)
  first.flags = SF_REUSEPORT
  assert.equal(table.bind(new User(SF_REUSEPORT), LO, 80), 0, 'both have it now')
  first.flags = 0
  assert.equal(table.bind(new User(SF_REUSEPORT), LO, 80), 0, 'the second vouches for the third')
  assert.equal(table.bind(new User(SF_REUSEPORT), 0, 80), -EADDRINUSE, 'at its address only')
  assert.equal(table.bind(new User(), LO, 80), -EADDRINUSE)
})

test('TCP: two bound with SO_REUSEADDR, the second to listen is refused (inet_csk_listen_start)', () => {
  const table = tcp()
  const first = new User(SF_REUSEADDR)
  const second = new User(SF_REUSEADDR)
  table.bind(first, 0, 80)
  table.bind(second, 0, 80)
  first.state = TCP_LISTEN
  assert.equal(table.recheck(first), 0)
  second.state = TCP_LISTEN
  assert.equal(table.recheck(second), -EADDRINUSE)
})

test('a restarted server needs SO_REUSEADDR while its old connections are in TIME_WAIT (CONCEPTS SO6)', () => {
  const table = tcp()
  const listener = new User(SF_REUSEADDR)
  table.bind(listener, 0, 80)
  listener.state = TCP_LISTEN
  const child = new User(listener.flags, TCP_ESTABLISHED)
  child.localAddress = LO
  table.inherit(child, listener)
  assert.equal(child.localPort, 80)
  const left = new User(child.flags, TCP_TIME_WAIT)
  left.localAddress = LO
  left.localPort = 80
  table.replace(child, left)
  table.release(listener)
  assert.equal(table.bind(new User(), 0, 80), -EADDRINUSE)
  assert.equal(table.bind(new User(SF_REUSEADDR), 0, 80), 0)
  table.release(left)
})

test('SO_REUSEPORT on both shares a port among sockets of one user only (socket(7))', () => {
  for (const table of [tcp(), udp()]) {
    const listener = new User(SF_REUSEPORT, TCP_LISTEN)
    assert.equal(table.bind(listener, 0, 80), 0)
    assert.equal(table.bind(new User(SF_REUSEPORT), 0, 80), 0)
    assert.equal(table.bind(new User(SF_REUSEADDR), 0, 80), -EADDRINUSE)
    const stranger = new User(SF_REUSEPORT)
    stranger.uid = 1000
    assert.equal(table.bind(stranger, 0, 80), -EADDRINUSE)
  }
})

test('UDP: SO_REUSEADDR on both allows any number of sockets at one port (udp_lib_lport_inuse)', () => {
  const table = udp()
  for (let i = 0; i < 3; i++) assert.equal(table.bind(new User(SF_REUSEADDR), LO, 5353), 0)
  assert.equal(table.bind(new User(), LO, 5353), -EADDRINUSE)
  assert.equal(table.bucket(5353)?.count, 3)
})

test('bind to port 0 takes ports of ip_local_port_range, odd offsets first, until none is left (inet_csk_find_open_port)', () => {
  const table = tcp(40000, 40009)
  const ports: number[] = []
  for (let i = 0; i < 10; i++) {
    const user = new User()
    assert.equal(table.autobind(user), 0)
    ports.push(user.localPort)
  }
  assert.deepEqual(
    ports.slice(0, 5).map((p) => p & 1),
    [1, 1, 1, 1, 1],
  )
  assert.deepEqual([...ports].sort(), [40000, 40001, 40002, 40003, 40004, 40005, 40006, 40007, 40008, 40009])
  assert.equal(table.autobind(new User()), -EADDRINUSE)
})

test('connect picks even offsets and shares a port between different destinations (__inet_hash_connect)', () => {
  const table = tcp(40000, 40003)
  const tuples = new Set<string>()
  const key = (u: User, port: number): string => `${port} ${u.remoteAddress} ${u.remotePort}`
  const taken = (u: User, port: number): boolean => tuples.has(key(u, port))
  const connect = (remote: number): number => {
    const user = new User()
    user.localAddress = LO
    user.remoteAddress = remote
    user.remotePort = 80
    const result = table.connect(user, taken)
    if (result === 0) tuples.add(key(user, user.localPort))
    return result < 0 ? result : user.localPort
  }
  const first = [connect(1), connect(1)]
  assert.deepEqual(
    first.map((p) => p & 1),
    [0, 0],
  )
  assert.deepEqual(
    [connect(1), connect(1)].map((p) => p & 1),
    [1, 1],
  )
  assert.equal(connect(1), -EADDRNOTAVAIL)
  assert.ok(connect(2) >= 40000)
})

test('connect leaves alone ports that bind took, and bind those that connections have (fastreuse)', () => {
  const table = tcp(40000, 40000)
  const bound = new User()
  assert.equal(table.bind(bound, LO, 40000), 0)
  const user = new User()
  user.localAddress = LO + 1
  assert.equal(
    table.connect(user, () => false),
    -EADDRNOTAVAIL,
  )
  table.release(bound)
  assert.equal(table.size, 0)
  assert.equal(
    table.connect(user, () => false),
    0,
  )
  assert.equal(table.bind(new User(), 0, 40000), -EADDRINUSE)
  assert.equal(table.bind(new User(SF_REUSEADDR), 0, 40000), -EADDRINUSE)
})

test('the ports chosen for one destination do not tell those for another (RFC 6056 §3.3.4)', () => {
  const table = tcp()
  const steps = new Set<number>()
  let last = 0
  for (let i = 0; i < 50; i++) {
    const user = new User()
    user.remoteAddress = 0x0a000000 + i
    user.remotePort = 80
    table.connect(user, () => false)
    steps.add(user.localPort - last)
    last = user.localPort
  }
  assert.ok(steps.size > 40)
})

test('a released port is free and the table empty: nothing is kept but spare buckets', () => {
  const table = udp()
  for (let round = 0; round < 3; round++) {
    const users = Array.from({ length: 200 }, () => new User())
    for (const user of users) assert.equal(table.autobind(user), 0)
    assert.equal(table.size, 200)
    for (const user of users) table.release(user)
    for (const user of users) table.release(user)
    assert.equal(table.size, 0)
  }
})
