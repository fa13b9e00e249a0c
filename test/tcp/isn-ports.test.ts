/** Initial sequence numbers (RFC 6528), ephemeral ports (RFC 6056), and who may have which port. */
import assert from 'node:assert/strict'
import { AF_INET, SockAddr } from '../../src/sock/address.ts'
import { SF_REUSEADDR } from '../../src/sock/sock.ts'
import { EADDRINUSE, EADDRNOTAVAIL, EINPROGRESS, EISCONN } from '../../src/sys/errno.ts'
import type { Tcb } from '../../src/tcp/tcb.ts'
import { Host, REMOTE, tcp } from './dsl.ts'

function connect(host: Host, port: number, local = 0): Tcb {
  const t = host.socket()
  if (local !== 0) {
    t.setFlag(SF_REUSEADDR, true)
    assert.equal(t.bind(new SockAddr(AF_INET, 0, local)), 0)
  }
  assert.equal(t.connect(new SockAddr(AF_INET, REMOTE, port)), -EINPROGRESS)
  return t
}

tcp('ISN: differs per four-tuple at the same instant (RFC 6528 §3)', () => {
  const host = new Host({ realIsn: true })
  const seen = new Set<number>()
  for (let i = 0; i < 200; i++) seen.add(connect(host, 1000 + i).snd.iss)
  assert.equal(seen.size, 200)
})

tcp('ISN: of one four-tuple grows with time, 15.625 a microsecond (RFC 6528 §3; secure_seq.c)', () => {
  const host = new Host({ realIsn: true })
  const first = connect(host, 1000, 5000)
  const iss = first.snd.iss
  first.close()
  host.advance(100)
  const second = connect(host, 1000, 5000)
  assert.equal((second.snd.iss - iss) | 0, 1562500)
})

tcp(
  'ISN: two hosts with different secrets choose differently; one seed repeats itself (RFC 6528 §3; DESIGN.md)',
  () => {
    const a = connect(new Host({ realIsn: true }), 1000, 5000).snd.iss
    const b = connect(new Host({ realIsn: true }), 1000, 5000).snd.iss
    assert.equal(a, b)
  },
)

tcp('Timestamp offset: differs per peer, so that uptime is not told (RFC 7323 §7.1)', () => {
  const host = new Host({ realIsn: true })
  const t = connect(host, 1000)
  const other = host.socket()
  assert.equal(other.connect(new SockAddr(AF_INET, REMOTE + 1, 1000)), -EINPROGRESS)
  assert.notEqual(t.tsOffset, other.tsOffset)
})

tcp('Ephemeral ports: of the range, different for connections to one peer (RFC 6056; ip_local_port_range)', () => {
  const host = new Host({ sysctl: { ip_local_port_range: [40000, 40099] } })
  const ports = new Set<number>()
  for (let i = 0; i < 100; i++) ports.add(connect(host, 80).localPort)
  assert.equal(ports.size, 100)
  assert.ok(Math.min(...ports) >= 40000 && Math.max(...ports) <= 40099)
  assert.equal(host.socket().connect(new SockAddr(AF_INET, REMOTE, 80)), -EADDRNOTAVAIL)
  // Another peer may be reached from the same ports.
  assert.ok(connect(host, 81).localPort >= 40000)
})

tcp('Ephemeral ports: the next one cannot be told from the last (RFC 6056 §3.3)', () => {
  const host = new Host()
  const steps = new Set<number>()
  let last = connect(host, 80).localPort
  for (let i = 0; i < 30; i++) {
    const port = connect(host, 80 + i * 7).localPort
    steps.add(port - last)
    last = port
  }
  assert.ok(steps.size > 15, `${steps.size} different steps`)
})

tcp('Ports: a port with a listener is EADDRINUSE even with SO_REUSEADDR (bind(2))', () => {
  const host = new Host()
  host.listen()
  const t = host.socket()
  t.setFlag(SF_REUSEADDR, true)
  assert.equal(t.bind(new SockAddr(AF_INET, 0, 80)), -EADDRINUSE)
})

tcp(
  "Ports: an accepted connection keeps its listener's port; with SO_REUSEADDR the server can start again (socket(7))",
  () => {
    const host = new Host()
    const listener = host.listen()
    const c = host.peer()
    c.sendSyn()
    c.drain()
    c.send({ seq: 1, ack: 1 })
    c.acceptFrom(listener)
    listener.close()
    assert.equal(host.tcp.ports.size, 1)
    const plain = host.socket()
    assert.equal(plain.bind(new SockAddr(AF_INET, 0, 80)), -EADDRINUSE)
    host.listen()
  },
)

tcp('Ports: a socket may not connect twice, nor two the same four-tuple (connect(2))', () => {
  const host = new Host()
  const t = connect(host, 80, 5000)
  const other = host.socket()
  other.setFlag(SF_REUSEADDR, true)
  assert.equal(other.bind(new SockAddr(AF_INET, 0, 5000)), 0)
  assert.equal(other.connect(new SockAddr(AF_INET, REMOTE, 80)), -EADDRNOTAVAIL)
  const c = host.peer(80, 5000)
  c.socket = t
  c.expect({ flags: 'S' })
  c.sendSyn({ flags: 'S.', ack: 1 })
  assert.equal(t.connect(new SockAddr(AF_INET, REMOTE, 80)), 0)
  assert.equal(t.connect(new SockAddr(AF_INET, REMOTE, 80)), -EISCONN)
})

tcp('Loopback: a host connects to itself and talks, both ends on one table (RFC 1122 §3.2.1.3)', () => {
  const host = new Host()
  const listener = host.listen(10, 7000)
  const client = host.socket()
  assert.equal(client.connect(new SockAddr(AF_INET, 0x7f000001, 7000)), -EINPROGRESS)
  host.advance(1)
  const server = listener.accept() as Tcb
  assert.equal(typeof server, 'object')
  const b = new Uint8Array(100000).fill(7)
  let sent = 0
  let got = 0
  const into = new Uint8Array(100000)
  for (let i = 0; i < 200 && got < 1000000; i++) {
    const n = client.send(b, 0, b.length, 0, null)
    if (n > 0) sent += n
    host.advance(1)
    for (
      let m = server.receive(into, 0, into.length, 0, null);
      m > 0;
      m = server.receive(into, 0, into.length, 0, null)
    )
      got += m
  }
  host.advance(300)
  for (let m = server.receive(into, 0, into.length, 0, null); m > 0; m = server.receive(into, 0, into.length, 0, null))
    got += m
  assert.equal(got, sent)
  assert.ok(got >= 1000000)
})

tcp('Self-connect: a socket that connects to its own port meets itself (RFC 9293 §3.5, simultaneous open)', () => {
  const host = new Host()
  const t = host.socket()
  assert.equal(t.bind(new SockAddr(AF_INET, 0x7f000001, 7001)), 0)
  assert.equal(t.connect(new SockAddr(AF_INET, 0x7f000001, 7001)), -EINPROGRESS)
  host.advance(10)
  assert.equal(t.state, 1)
  const b = new TextEncoder().encode('echo')
  assert.equal(t.send(b, 0, 4, 0, null), 4)
  host.advance(10)
  const into = new Uint8Array(10)
  assert.equal(t.receive(into, 0, 10, 0, null), 4)
  assert.equal(new TextDecoder().decode(into.subarray(0, 4)), 'echo')
})
