/** What options of IPPROTO_IP do, beside being kept: ports, routes, distances, MTUs (ip(7)). */
import assert from 'node:assert/strict'
import test from 'node:test'
import { htonl } from '../../src/addr/byte-order.ts'
import { Host } from '../../src/host/host.ts'
import { cable } from '../../src/link/cable.ts'
import { turn } from '../../src/platform/turn.ts'
import * as c from '../../src/socket/constants.ts'
import { Random } from '../../src/sys/random.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import { A, B, bytes, lone, net, outcome } from '../host/net.ts'

const range = (low: number, high: number): number => (high << 16) | low | 0

test('IP_LOCAL_PORT_RANGE cuts the ports that bind and connect choose from; what lies outside the host’s does not count', async () => {
  const { clock, a, b } = net()
  const [client, server] = [a.createProcess(), b.createProcess()]
  const listener = server.socket(c.AF_INET, c.SOCK_STREAM)
  server.bind(listener, { port: 7777 })
  server.listen(listener, 5)
  const ports: number[] = []
  for (let i = 0; i < 4; i++) {
    const fd = client.socket(c.AF_INET, c.SOCK_STREAM)
    client.setsockopt(fd, c.IPPROTO_IP, c.IP_LOCAL_PORT_RANGE, range(40000, 40003))
    if (i < 2) client.bind(fd, { address: A })
    void client.connect(fd, { address: B, port: 7777 })
    await clock.runFor(10000)
    ports.push(client.getsockname(fd).port)
  }
  assert.deepEqual(ports.sort(), [40000, 40001, 40002, 40003])
  const fd = client.socket(c.AF_INET, c.SOCK_DGRAM)
  client.setsockopt(fd, c.IPPROTO_IP, c.IP_LOCAL_PORT_RANGE, range(1000, 2000))
  client.bind(fd, {})
  assert.ok(client.getsockname(fd).port >= 32768)
  assert.equal(
    outcome(() => client.setsockopt(fd, c.IPPROTO_IP, c.IP_LOCAL_PORT_RANGE, range(2000, 1000))),
    'EINVAL',
  )
})

test('IP_MINTTL: segments from farther away are dropped and counted (RFC 5082)', async () => {
  const { clock, a, b } = net()
  const [client, server] = [a.createProcess(), b.createProcess()]
  const listener = server.socket(c.AF_INET, c.SOCK_STREAM)
  server.bind(listener, { port: 7777 })
  server.listen(listener, 5)
  const fd = client.socket(c.AF_INET, c.SOCK_STREAM)
  void client.connect(fd, { address: B, port: 7777 })
  await clock.runFor(10000)
  const connection = await server.accept(listener)
  server.setsockopt(connection, c.IPPROTO_IP, c.IP_MINTTL, 64)
  await client.write(fd, bytes('near'))
  await clock.runFor(10000)
  assert.equal(server.ioctl(connection, c.FIONREAD), 4)
  server.setsockopt(connection, c.IPPROTO_IP, c.IP_MINTTL, 65)
  await client.write(fd, bytes('far'))
  await clock.runFor(10000)
  assert.equal(server.ioctl(connection, c.FIONREAD), 4)
  assert.ok(b.counters.TcpExtTCPMinTTLDrop > 0)
})

test('IP_MTU is at most 65535, also where the device takes 65536 (ip(7))', async () => {
  const { clock, process } = lone()
  const listener = process.socket(c.AF_INET, c.SOCK_STREAM)
  process.bind(listener, { port: 7777 })
  process.listen(listener, 5)
  for (const type of [c.SOCK_STREAM, c.SOCK_DGRAM]) {
    const fd = process.socket(c.AF_INET, type)
    assert.equal(
      outcome(() => process.getsockopt(fd, c.IPPROTO_IP, c.IP_MTU)),
      'ENOTCONN',
    )
    void process.connect(fd, { address: '127.0.0.1', port: 7777 })
    await clock.runFor(10000)
    assert.equal(process.getsockopt(fd, c.IPPROTO_IP, c.IP_MTU), 65535)
  }
})

test('IP_UNICAST_IF and SO_BINDTODEVICE say by which interface datagrams leave (ip(7))', async () => {
  const clock = new VirtualClock(turn)
  const host = new Host({ name: 'h', clock, random: new Random(1) })
  const [[one], [two]] = [cable(clock), cable(clock)]
  const first = host.addInterface('eth0', one, { addresses: ['10.0.0.1/24'] })
  const second = host.addInterface('eth1', two, { addresses: ['10.0.1.1/24'] })
  for (const at of [first, second])
    host.stack.routes.add({ destination: 0, prefix: 0, interface: at, metric: at.index })
  const process = host.createProcess()
  const leavesBy = async (...options: [number, number, number | string][]): Promise<string> => {
    const fd = process.socket(c.AF_INET, c.SOCK_DGRAM)
    for (const [level, name, value] of options) process.setsockopt(fd, level, name, value)
    await process.connect(fd, { address: '192.0.2.1', port: 9 })
    return process.getsockname(fd).address
  }
  assert.equal(await leavesBy(), '10.0.0.1')
  assert.equal(await leavesBy([c.IPPROTO_IP, c.IP_UNICAST_IF, htonl(second.index)]), '10.0.1.1')
  assert.equal(await leavesBy([c.SOL_SOCKET, c.SO_BINDTODEVICE, 'eth1']), '10.0.1.1')
  assert.equal(
    await leavesBy(
      [c.IPPROTO_IP, c.IP_UNICAST_IF, htonl(second.index)],
      [c.SOL_SOCKET, c.SO_BINDTOIFINDEX, first.index],
    ),
    '10.0.0.1',
  )
})

test('IP_OPTIONS of a datagram socket go with every datagram, and IP_RECVOPTS tells them (ip(7))', async () => {
  const { clock, a, b } = net()
  const [client, server] = [a.createProcess(), b.createProcess()]
  const at = server.socket(c.AF_INET, c.SOCK_DGRAM | c.SOCK_NONBLOCK)
  server.bind(at, { port: 7777 })
  server.setsockopt(at, c.IPPROTO_IP, c.IP_RECVOPTS, 1)
  const fd = client.socket(c.AF_INET, c.SOCK_DGRAM)
  const alert = Uint8Array.of(0x94, 4, 0, 0)
  client.setsockopt(fd, c.IPPROTO_IP, c.IP_OPTIONS, alert)
  client.sendto(fd, bytes('x'), 0, { address: B, port: 7777 })
  await clock.runFor(10000)
  const message = { iov: [new Uint8Array(8)], control: [] }
  assert.equal(server.recvmsg(at, message), 1)
  assert.deepEqual(message.control, [{ level: c.IPPROTO_IP, type: c.IP_RECVOPTS, data: alert }])
})

test('net.ipv4.ip_local_reserved_ports: such a port is given to who asks, but never chosen (ip-sysctl.rst)', () => {
  const { host, process } = lone()
  host.setSysctl('net.ipv4.ip_local_port_range', [40000, 40003])
  host.setSysctl('net.ipv4.ip_local_reserved_ports', '40000-40001,40003')
  const bound = (port: number): unknown =>
    outcome(() => {
      const fd = process.socket(c.AF_INET, c.SOCK_STREAM)
      process.bind(fd, { port })
      return process.getsockname(fd).port
    })
  assert.deepEqual([bound(0), bound(0), bound(40001)], [40002, 'EADDRINUSE', 40001])
})

test('net.ipv4.ip_nonlocal_bind lets programs bind to addresses that are not the host’s (ip-sysctl.rst)', () => {
  const { host, process } = lone()
  const bind = (): unknown =>
    outcome(() => process.bind(process.socket(c.AF_INET, c.SOCK_STREAM), { address: '192.0.2.9', port: 80 }))
  assert.equal(bind(), 'EADDRNOTAVAIL')
  host.setSysctl('net.ipv4.ip_nonlocal_bind', 1)
  assert.equal(bind(), undefined)
})
