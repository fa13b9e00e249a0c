/** Signed segments, RFC 2385 and TCP_MD5SIG (tcp(7)). */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { parse } from '../../src/addr/ip4.ts'
import { cable } from '../../src/link/cable.ts'
import { impair } from '../../src/link/impair.ts'
import { F_WIRE } from '../../src/link/link.ts'
import { AF_INET, SockAddr } from '../../src/sock/address.ts'
import { SOL_TCP, TCP_MD5SIG, TCP_MD5SIG_EXT } from '../../src/sock/constants.ts'
import { Stack } from '../../src/stack/stack.ts'
import { EINVAL, ENOENT, ETIMEDOUT } from '../../src/sys/errno.ts'
import { Md5 } from '../../src/sys/md5.ts'
import { Random } from '../../src/sys/random.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import { currentMss } from '../../src/tcp/mss.ts'
import type { Tcb } from '../../src/tcp/tcb.ts'
import { Tcp } from '../../src/tcp/tcp.ts'
import { tcp } from './dsl.ts'

const CLIENT = '192.0.2.1'
const SERVER = '192.0.2.2'

/** struct tcp_md5sig. */
function md5sig(address: string, key: string, extended?: { prefix: number }): Uint8Array {
  const bytes = Buffer.alloc(216)
  bytes.writeUInt16LE(AF_INET, 0)
  bytes.writeInt32BE(parse(address) as number, 4)
  if (extended !== undefined) {
    bytes[128] = 1
    bytes[129] = extended.prefix
  }
  bytes.writeUInt16LE(key.length, 130)
  bytes.write(key, 136, 'latin1')
  return bytes
}

class Pair {
  readonly clock: VirtualClock = new VirtualClock()
  readonly client: Tcp
  readonly server: Tcp
  readonly listener: Tcb

  constructor(loss = 0) {
    const random = new Random(3)
    const [near, far] = cable(this.clock, { features: F_WIRE })
    const host = (name: string): Stack => new Stack({ name, clock: this.clock, random: random.fork() })
    const [a, b] = [host('client'), host('server')]
    a.addInterface('eth0', impair(near, { loss }, this.clock, random.fork()), { addresses: [`${CLIENT}/24`] })
    b.addInterface('eth0', impair(far, { loss }, this.clock, random.fork()), { addresses: [`${SERVER}/24`] })
    this.client = new Tcp(a)
    this.server = new Tcp(b)
    this.listener = this.server.createSocket()
    this.listener.bind(new SockAddr(AF_INET, 0, 179))
    this.listener.listen(5)
  }

  sign(t: Tcb, peer: string, key: string, extended?: { prefix: number }): number {
    const name = extended === undefined ? TCP_MD5SIG : TCP_MD5SIG_EXT
    return t.setOption(SOL_TCP, name, md5sig(peer, key, extended))
  }

  open(t: Tcb): Tcb | number {
    t.connect(new SockAddr(AF_INET, parse(SERVER), 179))
    this.clock.runUntilSync(this.clock.now() + 5e6)
    return this.listener.accept() as Tcb | number
  }
}

/** Moves `length` bytes from one end to the other and compares their digests. */
function carry(pair: Pair, from: Tcb, to: Tcb, length: number): void {
  const bytes = Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff)
  const got = new Uint8Array(length)
  let sent = 0
  let received = 0
  const end = pair.clock.now() + 600e6
  while (received < length && pair.clock.now() < end) {
    const n = sent < length ? from.send(bytes, sent, length - sent, 0, null) : 0
    if (n > 0) sent += n
    const m = to.receive(got, received, length - received, 0, null)
    if (m > 0) received += m
    if (n <= 0 && m <= 0 && !pair.clock.stepSync()) break
    pair.clock.settle()
  }
  assert.equal(received, length)
  assert.deepEqual(createHash('sha1').update(got).digest(), createHash('sha1').update(bytes).digest())
}

tcp('MD5: digests of messages of 0 to 200 bytes in pieces are those of OpenSSL (RFC 1321)', () => {
  const md5 = new Md5()
  const message = Uint8Array.from({ length: 200 }, (_, i) => (i * 7) & 0xff)
  const digest = new Uint8Array(16)
  for (let n = 0; n <= 200; n++) {
    md5.begin()
    md5.update(message, 0, n >> 1)
    md5.update(message, n >> 1, n - (n >> 1))
    md5.digest(digest, 0)
    assert.deepEqual(Buffer.from(digest), createHash('md5').update(message.subarray(0, n)).digest(), `${n} bytes`)
  }
})

tcp(
  'TCP_MD5SIG: both ends with the key carry 300,000 bytes through 3 % loss, every segment signed (RFC 2385 §2.0)',
  () => {
    const pair = new Pair(0.03)
    assert.equal(pair.sign(pair.listener, CLIENT, 'secret'), 0)
    const client = pair.client.createSocket()
    assert.equal(pair.sign(client, SERVER, 'secret'), 0)
    const server = pair.open(client)
    assert.ok(typeof server !== 'number', `accept: ${server}`)
    // As tcp_info has it, which does not know of the signature's room; segments do (tcp_header_len, tcp_current_mss).
    assert.deepEqual(
      [client, server].map((t) => [t.snd.mss, currentMss(t)]),
      [
        [1460, 1440],
        [1460, 1440],
      ],
    )
    carry(pair, client, server, 300000)
    carry(pair, server, client, 300000)
    assert.equal(pair.server.counters.TcpExtTCPMD5Failure + pair.client.counters.TcpExtTCPMD5Failure, 0)
    assert.equal(pair.server.counters.TcpExtTCPMD5NotFound, 0)
  },
)

tcp(
  'TCP_MD5SIG: a SYN with another key, or none, is dropped and counted; connect ends with ETIMEDOUT (tcp_inbound_hash)',
  () => {
    for (const [key, counter] of [
      ['other', 'TcpExtTCPMD5Failure'],
      ['', 'TcpExtTCPMD5NotFound'],
    ] as const) {
      const pair = new Pair()
      pair.sign(pair.listener, CLIENT, 'secret')
      const client = pair.client.createSocket()
      if (key !== '') pair.sign(client, SERVER, key)
      assert.equal(typeof pair.open(client), 'number')
      pair.clock.runUntilSync(pair.clock.now() + 200e6)
      assert.ok(pair.server.counters[counter] >= 7, `${counter} ${pair.server.counters[counter]}`)
      assert.equal(client.takeError(), ETIMEDOUT)
    }
  },
)

tcp('TCP_MD5SIG: a signed segment where there is no key is dropped and counted (tcp_inbound_hash)', () => {
  const pair = new Pair()
  const client = pair.client.createSocket()
  pair.sign(client, SERVER, 'secret')
  assert.equal(typeof pair.open(client), 'number')
  assert.ok(pair.server.counters.TcpExtTCPMD5Unexpected >= 3)
  assert.equal(pair.server.counters.TcpOutRsts, 0)
})

tcp(
  'TCP_MD5SIG_EXT: the key of the longest prefix is the peer’s; deleting what is not there is ENOENT (tcp_md5_do_del)',
  () => {
    const pair = new Pair()
    pair.sign(pair.listener, '192.0.2.0', 'network', { prefix: 24 })
    pair.sign(pair.listener, '192.0.2.1', 'host')
    const client = pair.client.createSocket()
    pair.sign(client, SERVER, 'host')
    assert.ok(typeof pair.open(client) !== 'number')
    assert.equal(pair.sign(pair.listener, '192.0.2.1', ''), 0)
    assert.equal(pair.sign(pair.listener, '192.0.2.1', ''), -ENOENT)
    const second = pair.client.createSocket()
    pair.sign(second, SERVER, 'network')
    assert.ok(typeof pair.open(second) !== 'number')
    assert.equal(pair.listener.setOption(SOL_TCP, TCP_MD5SIG, new Uint8Array(215)), -EINVAL)
  },
)
