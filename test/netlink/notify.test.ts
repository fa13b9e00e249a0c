/** What programs change by NETLINK_ROUTE, and the word that goes to groups (rtnetlink(7), CONCEPTS SO9). Seen on Linux 6.18. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Process } from '../../src/host/process.ts'
import { sockaddrNl } from '../../src/netlink/address.ts'
import { MessageWriter } from '../../src/netlink/message.ts'
import { sockaddrLl } from '../../src/packet/address.ts'
import { SockAddr } from '../../src/sock/address.ts'
import * as c from '../../src/socket/constants.ts'
import { bytes, lone, net, outcome } from '../host/net.ts'
import { ask, drain, errorOf, show, socket } from './talk.ts'

const LINK = 1
const NEIGH = 4
const CREATE = c.NLM_F_CREATE | c.NLM_F_EXCL

const link =
  (index: number, flags: number, change: number, more: (w: MessageWriter) => void = () => {}) =>
  (w: MessageWriter): void => {
    more(w.u8(0, 0).u16(0).u32(index, flags, change))
  }
/** Type, flags and the struct of each message. */
const heads = (p: Process, fd: number): string[] => drain(p, fd).map((m) => show(m).slice(0, 35))

test('RTM_NEWLINK: up, down, MTU, promiscuous; each is told with the flags it is about (do_setlink, rtmsg_ifinfo)', () => {
  const { process: p, host } = lone()
  const group = socket(p, LINK)
  const fd = socket(p)
  const change = (body: (w: MessageWriter) => void): number => errorOf(ask(p, fd, c.RTM_NEWLINK, c.NLM_F_ACK, body))
  assert.equal(change(link(1, 0, 0, (w) => w.attribute32(c.IFLA_MTU, 1500))), 0)
  assert.equal(host.stack.lo.mtu, 1500)
  assert.equal(change(link(1, 0x100, 0x100)), 0)
  assert.equal(host.stack.lo.promiscuity, 1)
  assert.equal(change(link(1, 0, 0x100)), 0)
  assert.equal(change(link(1, 0, 1)), 0)
  assert.equal(host.stack.lo.up, false)
  assert.equal(change(link(1, 1, 1)), 0)
  assert.deepEqual(heads(p, group), [
    '16 00000403010000004900010000000000',
    '16 00000403010000004901010000010000',
    '16 00000403010000004900010000010000',
    '16 00000403010000000800000001000000',
    '16 00000403010000004900010001000000',
  ])
  assert.equal(change(link(1, 0, 0, (w) => w.attribute32(c.IFLA_MTU, 67))), -22)
  assert.equal(change(link(9, 0, 0)), -19)
})

test('a packet socket that wants everything is told of too, without IFF_PROMISC in the flags (dev_set_promiscuity)', () => {
  const { process: p } = lone()
  const group = socket(p, LINK)
  const fd = p.socket(c.AF_PACKET, c.SOCK_RAW, 0)
  p.bind(fd, sockaddrLl(0, 1))
  p.setsockopt(fd, c.SOL_PACKET, c.PACKET_ADD_MEMBERSHIP, Uint8Array.of(1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
  p.close(fd)
  const message = '16 00000403010000004900010000010000'
  assert.deepEqual(heads(p, group), [message, message])
})

test('a link renamed, and deleted: DELLINK last, lo stays (rtnl_dellink)', () => {
  const { a } = net()
  const p = a.createProcess()
  const group = socket(p, LINK)
  const fd = socket(p)
  const name = (w: MessageWriter): void => void w.attributeText(c.IFLA_IFNAME, 'uplink')
  assert.equal(errorOf(ask(p, fd, c.RTM_NEWLINK, c.NLM_F_ACK, link(2, 0, 0, name))), 0)
  assert.equal(a.stack.interface('uplink')?.index, 2)
  assert.equal(errorOf(ask(p, fd, c.RTM_NEWLINK, c.NLM_F_ACK, link(1, 0, 0, name))), -17)
  drain(p, group)
  assert.equal(errorOf(ask(p, fd, c.RTM_DELLINK, c.NLM_F_ACK, link(1, 0, 0))), -95)
  assert.equal(errorOf(ask(p, fd, c.RTM_DELLINK, c.NLM_F_ACK, link(2, 0, 0))), 0)
  assert.equal(a.stack.interfaces.length, 1)
  assert.deepEqual(heads(p, group), ['16 00000100020000000210000001000000', '17 000001000200000002100000ffffffff'])
})

const neighbor =
  (state: number, address: number, lladdr?: number) =>
  (w: MessageWriter): void => {
    w.u8(2, 0, 0, 0).u32(2).u16(state).u8(0, 0).attributeAddress(c.NDA_DST, address)
    if (lladdr !== undefined) w.attributeBytes(c.NDA_LLADDR, Uint8Array.of(2, 0, 0, 0, 0, lladdr))
  }

test('RTM_NEWNEIGH and RTM_DELNEIGH: EEXIST, ENOENT, EINVAL; failed before it goes (neigh_add, neigh_delete)', () => {
  const { a } = net()
  const p = a.createProcess()
  const group = socket(p, NEIGH)
  const fd = socket(p)
  const change = (type: number, flags: number, body: (w: MessageWriter) => void): number =>
    errorOf(ask(p, fd, type, flags | c.NLM_F_ACK, body))
  const address = 0xc0000209
  assert.equal(change(c.RTM_NEWNEIGH, CREATE, neighbor(0x80, address, 9)), 0)
  assert.equal(change(c.RTM_NEWNEIGH, CREATE, neighbor(0x80, address, 9)), -17)
  assert.equal(change(c.RTM_NEWNEIGH, c.NLM_F_REPLACE, neighbor(2, address, 8)), 0)
  assert.equal(change(c.RTM_NEWNEIGH, c.NLM_F_CREATE, neighbor(0x80, 0xc000020a)), -22)
  assert.equal(change(c.RTM_NEWNEIGH, 0, neighbor(0x80, 0xc000020b, 9)), -2)
  assert.equal(change(c.RTM_DELNEIGH, 0, neighbor(0, address)), 0)
  assert.equal(change(c.RTM_DELNEIGH, 0, neighbor(0, address)), -2)
  assert.deepEqual(
    drain(p, group).map((m) => show(m).replace(/ 4=.*/, '')),
    [
      '28 020000000200000080000001 1=c0000209 2=020000000009',
      '28 020000000200000002000001 1=c0000209 2=020000000008',
      '28 020000000200000020000001 1=c0000209',
      '29 020000000200000020000001 1=c0000209',
    ],
  )
})

test('ARP tells of a neighbour found and of one that does not answer (neigh_update_notify)', async () => {
  const { a, clock } = net()
  const p = a.createProcess()
  const group = socket(p, NEIGH)
  a.ipv4.icmp.sendEcho(0x0a000002, 1, 1, bytes(''))
  a.ipv4.icmp.sendEcho(0x0a000063, 1, 1, bytes(''))
  await clock.runFor(5_000_000)
  const seen = drain(p, group).map((m) => show(m).replace(/ [24]=.*/, ''))
  assert.deepEqual(seen, ['28 020000000200000002000001 1=0a000002', '28 020000000200000020000001 1=0a000063'])
})

test('who does not read hears ENOBUFS, and of nothing more until all is read (netlink_overrun)', () => {
  const { a } = net()
  const p = a.createProcess()
  const group = socket(p, NEIGH)
  const deaf = socket(p, NEIGH)
  p.setsockopt(deaf, c.SOL_NETLINK, c.NETLINK_NO_ENOBUFS, 1)
  for (const fd of [group, deaf]) p.setsockopt(fd, c.SOL_SOCKET, c.SO_RCVBUF, 1)
  const eth0 = a.stack.interface('eth0')
  assert.ok(eth0)
  for (let i = 1; i < 9; i++) a.stack.arp.addPermanent(eth0, 0x0a000064 + i, Uint8Array.of(2, 0, 0, 0, 0, i))
  assert.equal(
    outcome(() => p.recv(group, new Uint8Array(200))),
    'ENOBUFS',
  )
  assert.equal(drain(p, group).length, 2)
  assert.equal(drain(p, deaf).length, 2)
  const [first] = [...a.netlink.sockets]
  assert.equal(first?.drops, 6)
  a.stack.arp.addPermanent(eth0, 0x0a000070, Uint8Array.of(2, 0, 0, 0, 0, 9))
  assert.equal(drain(p, group).length, 1)
})

test('answers of the kernel that find no room are lost: ENOBUFS, then those that fitted (netlink_overrun)', () => {
  const { process: p, host } = lone()
  const fd = socket(p)
  p.setsockopt(fd, c.SOL_SOCKET, c.SO_RCVBUF, 2304)
  for (let i = 0; i < 40; i++) {
    const writer = new MessageWriter().begin({
      type: c.RTM_NEWLINK,
      flags: c.NLM_F_REQUEST | c.NLM_F_ACK,
      seq: i,
      pid: 0,
    })
    link(0, 0, 0)(writer)
    p.send(fd, writer.end())
  }
  assert.equal(
    outcome(() => p.recv(fd, new Uint8Array(200))),
    'ENOBUFS',
  )
  assert.deepEqual(
    drain(p, fd).map(({ seq }) => seq),
    [0, 1, 2, 3, 4],
  )
  const [sock] = [...host.netlink.sockets]
  assert.equal(sock?.drops, 35)
})

test('the name of a message: the kernel is 0, a group its bit; NETLINK_PKTINFO tells the group (netlink_recvmsg)', () => {
  const { a } = net()
  const p = a.createProcess()
  const group = socket(p, NEIGH)
  const eth0 = a.stack.interface('eth0')
  assert.ok(eth0)
  a.stack.arp.addPermanent(eth0, 0x0a000065, Uint8Array.of(2, 0, 0, 0, 0, 1))
  const name = new SockAddr()
  p.recvfrom(group, new Uint8Array(200), 0, name)
  assert.deepEqual(name.netlink, { pid: 0, groups: NEIGH })
  assert.equal(
    outcome(() => p.bind(group, sockaddrNl(77))),
    'EINVAL',
  )
})

test('a dump longer than the receive buffer goes on as it is read (netlink_dump)', () => {
  const { a } = net()
  const p = a.createProcess()
  for (let i = 0; i < 20_000; i++)
    a.stack.routes.add({ destination: 0x20000000 + i * 256, prefix: 24, gateway: 0x0a000002 })
  const fd = socket(p)
  const answers = ask(p, fd, c.RTM_GETROUTE, c.NLM_F_DUMP, (w) => w.u8(2, 0, 0, 0, 0, 0, 0, 0).u32(0))
  assert.equal(answers.length, a.stack.routes.size + 1)
  assert.equal(answers[answers.length - 1]?.type, c.NLMSG_DONE)
  const [sock] = [...a.netlink.sockets]
  assert.equal(sock?.rmemAlloc, 0)
  assert.equal(sock?.isDumping, false)
})
