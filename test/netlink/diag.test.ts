/** NETLINK_SOCK_DIAG (sock_diag(7)): what `ss` asks. The messages are Linux 6.18's, but for cookies, inodes and cgroups. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Process } from '../../src/host/process.ts'
import { sockaddrNl } from '../../src/netlink/address.ts'
import type { NetlinkMessage } from '../../src/netlink/message.ts'
import * as c from '../../src/socket/constants.ts'
import { lone, outcome } from '../host/net.ts'
import { ask, errorOf } from './talk.ts'

const ALL_STATES = 0xffffffff
const ONE = 0x7f000001

/** 127.0.0.1:7000 listens and has one connection from port 7001, not accepted; UDP has 127.0.0.1:9. */
function configured(): { p: Process; fd: number } {
  const { process: p, clock } = lone()
  const tcp = (port: number): number => {
    const fd = p.socket(c.AF_INET, c.SOCK_STREAM | c.SOCK_NONBLOCK)
    p.bind(fd, { address: '127.0.0.1', port })
    return fd
  }
  p.listen(tcp(7000), 5)
  outcome(() => p.connect(tcp(7001), { address: '127.0.0.1', port: 7000 }))
  clock.settle()
  p.bind(p.socket(c.AF_INET, c.SOCK_DGRAM), { address: '127.0.0.1', port: 9 })
  const fd = p.socket(c.AF_NETLINK, c.SOCK_RAW | c.SOCK_NONBLOCK, c.NETLINK_SOCK_DIAG)
  p.bind(fd, sockaddrNl(4242))
  return { p, fd }
}

interface Question {
  readonly family?: number
  readonly protocol: number
  readonly states?: number
  readonly ports?: readonly [number, number]
}

function question(p: Process, fd: number, flags: number, asked: Question): NetlinkMessage[] {
  const { family = c.AF_INET, protocol, states = ALL_STATES, ports = [0, 0] } = asked
  return ask(p, fd, c.SOCK_DIAG_BY_FAMILY, flags, (w) => {
    w.u8(family, protocol, 0, 0).u32(states).be16(ports[0]).be16(ports[1])
    w.be32(ONE).u32(0, 0, 0).be32(ONE).u32(0, 0, 0).u32(0, ALL_STATES, ALL_STATES)
  })
}
const hex = (b: Uint8Array): string => [...b].map((x) => x.toString(16).padStart(2, '0')).join('')
/** Family to destination, then the queues. */
const shown = (m: NetlinkMessage): string => `${hex(m.payload.subarray(0, 40))} ${hex(m.payload.subarray(56, 64))}`

const LISTEN = '020a00001b5800007f0000010000000000000000000000000000000000000000 0100000005000000'
const SERVER = '020100001b581b597f0000010000000000000000000000007f000001000000000000000000000000'
const CLIENT = '020100001b591b587f0000010000000000000000000000007f000001000000000000000000000000'

test('a dump of TCP: the listener with its queue, then both ends of the connection; of UDP, its socket (inet_diag_dump)', () => {
  const { p, fd } = configured()
  const tcp = question(p, fd, c.NLM_F_DUMP, { protocol: c.IPPROTO_TCP })
  assert.equal(tcp.pop()?.type, c.NLMSG_DONE)
  const [listener, ...ends] = tcp.map(shown)
  assert.equal(listener?.slice(0, 64), LISTEN.slice(0, 64))
  assert.equal(listener?.slice(-16), LISTEN.slice(-16))
  assert.deepEqual(ends.map((end) => end.slice(0, 80)).sort(), [SERVER, CLIENT])
  const udp = question(p, fd, c.NLM_F_DUMP, { protocol: c.IPPROTO_UDP })
  assert.deepEqual(
    udp.map((m) => hex(m.payload.subarray(0, 12))),
    ['02070000000900007f000001', '00000000'],
  )
})

test('states and ports filter; one socket by its addresses; ENOENT for what there is not (inet_diag_find_one_icsk)', () => {
  const { p, fd } = configured()
  assert.equal(question(p, fd, c.NLM_F_DUMP, { protocol: c.IPPROTO_TCP, states: 1 << 10 }).length, 2)
  assert.equal(question(p, fd, c.NLM_F_DUMP, { protocol: c.IPPROTO_TCP, ports: [7001, 0] }).length, 2)
  const [one] = question(p, fd, 0, { protocol: c.IPPROTO_TCP, ports: [7001, 7000] })
  assert.equal(one?.flags, 0)
  assert.equal(hex(one?.payload.subarray(0, 8) ?? new Uint8Array(0)), '020100001b591b58')
  assert.equal(errorOf(question(p, fd, 0, { protocol: c.IPPROTO_TCP, ports: [7009, 7000] })), -2)
  assert.equal(errorOf(question(p, fd, c.NLM_F_DUMP, { protocol: c.IPPROTO_TCP, family: 9 })), -2)
  const [done] = question(p, fd, c.NLM_F_DUMP, { protocol: 99 })
  assert.deepEqual([done?.type, hex(done?.payload ?? new Uint8Array(0))], [c.NLMSG_DONE, 'feffffff'])
})
