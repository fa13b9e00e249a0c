/**
 * Dumps of NETLINK_ROUTE (rtnetlink(7), CONCEPTS SO9). What is expected was dumped by Linux 6.18 in a network namespace with the
 * same configuration; numbers that depend on the moment (time stamps, reference counts) are left out.
 */
import assert from 'node:assert/strict'
import test from 'node:test'
import { PacketPool } from '../../src/buf/pool.ts'
import { Host } from '../../src/host/host.ts'
import type { Process } from '../../src/host/process.ts'
import { cable } from '../../src/link/cable.ts'
import { parseAttributes } from '../../src/netlink/message.ts'
import { turn } from '../../src/platform/turn.ts'
import * as c from '../../src/socket/constants.ts'
import { Random } from '../../src/sys/random.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import { ask, errorOf, HEADERS, show, socket } from './talk.ts'

/**
 * ip link set lo up; ip link add eth0 type veth; ip link set eth0 up; ip addr add 192.0.2.1/24 brd + dev eth0; ip addr add
 * 192.0.2.7/24 dev eth0; ip route add default via 192.0.2.254; … proto boot. As index 2 (3 on Linux, where the peer was 2).
 */
function configured(): Process {
  const clock = new VirtualClock(turn)
  const host = new Host({ name: 'h', clock, random: new Random(1), pool: new PacketPool() })
  const [end] = cable(clock)
  const eth0 = host.addInterface('eth0', end, { mac: '02:00:00:00:00:01' })
  const p = host.createProcess()
  const fd = socket(p)
  const request = (type: number, flags: number, body: Parameters<typeof ask>[4]): void =>
    assert.equal(errorOf(ask(p, fd, type, flags | c.NLM_F_ACK, body)), 0)
  const create = c.NLM_F_CREATE | c.NLM_F_EXCL
  const address = (local: number, broadcast: number): void =>
    request(c.RTM_NEWADDR, create, (w) => {
      w.u8(2, 24, 0, 0).u32(eth0.index).attributeAddress(c.IFA_LOCAL, local).attributeAddress(c.IFA_ADDRESS, local)
      if (broadcast !== 0) w.attributeAddress(c.IFA_BROADCAST, broadcast)
    })
  address(0xc0000201, 0xc00002ff)
  address(0xc0000207, 0)
  const route = (
    prefix: number,
    type: number,
    scope: number,
    attributes: (w: Parameters<Parameters<typeof ask>[4]>[0]) => void,
  ): void =>
    request(c.RTM_NEWROUTE, create, (w) => {
      w.u8(2, prefix, 0, 0, 254, 3, scope, type).u32(0)
      attributes(w)
    })
  const gateway = 0xc00002fe
  route(0, 1, 0, (w) => w.attributeAddress(c.RTA_GATEWAY, gateway))
  route(24, 1, 0, (w) =>
    w.attributeAddress(c.RTA_DST, 0xc6336400).attributeAddress(c.RTA_GATEWAY, gateway).attribute32(c.RTA_PRIORITY, 7),
  )
  route(24, 1, 253, (w) =>
    w
      .attributeAddress(c.RTA_DST, 0xcb007100)
      .attribute32(c.RTA_OIF, eth0.index)
      .attributeAddress(c.RTA_PREFSRC, 0xc0000207)
      .attribute(c.RTA_METRICS, () => w.attribute32(c.RTAX_MTU, 1400)),
  )
  route(15, 7, 0, (w) => w.attributeAddress(c.RTA_DST, 0xc6120000))
  request(c.RTM_NEWNEIGH, create, (w) =>
    w
      .u8(2, 0, 0, 0)
      .u32(eth0.index)
      .u16(0x80)
      .u8(0, 0)
      .attributeAddress(c.NDA_DST, 0xc0000209)
      .attributeBytes(c.NDA_LLADDR, Uint8Array.of(2, 0, 0, 0, 0, 9)),
  )
  return p
}

/** A dump's messages as text without the last, which must be NLMSG_DONE; all of one number, marked as parts. */
function dump(p: Process, type: number, family: number, size: number): string[] {
  const fd = socket(p)
  const answers = ask(p, fd, type, c.NLM_F_DUMP, (w) => {
    w.u8(family)
    for (let i = 1; i < size; i++) w.u8(0)
  })
  const last = answers.pop()
  assert.equal(last?.type, c.NLMSG_DONE)
  assert.ok([...answers, last].every((m) => m.flags === c.NLM_F_MULTI && m.seq === 5 && m.pid !== 0))
  return answers.map(show)
}

test('RTM_GETADDR: lo and eth0, the secondary one marked, without broadcast unless given (inet_dump_ifaddr)', () => {
  assert.deepEqual(
    dump(configured(), c.RTM_GETADDR, 2, 8).map((line) => line.replace(/ 6=.*/, '')),
    [
      '20 020880fe01000000 1=7f000001 2=7f000001 3=6c6f00 8=80000000',
      '20 0218800002000000 1=c0000201 2=c0000201 4=c00002ff 3=6574683000 8=80000000',
      '20 0218810002000000 1=c0000207 2=c0000207 3=6574683000 8=81000000',
    ],
  )
})

test('RTM_GETROUTE: table main before local, by destination, attributes in order (inet_dump_fib, fib_dump_info)', () => {
  assert.deepEqual(dump(configured(), c.RTM_GETROUTE, 2, 12), [
    '24 02000000fe03000100000000 15=fe000000 5=c00002fe 4=02000000',
    '24 02180000fe02fd0100000000 15=fe000000 1=c0000200 7=c0000201 4=02000000',
    '24 020f0000fe03000700000000 15=fe000000 1=c6120000',
    '24 02180000fe03000100000000 15=fe000000 1=c6336400 6=07000000 5=c00002fe 4=02000000',
    '24 02180000fe03fd0100000000 15=fe000000 1=cb007100 8=0800020078050000 7=c0000207 4=02000000',
    '24 02080000ff02fe0200000000 15=ff000000 1=7f000000 7=7f000001 4=01000000',
    '24 02200000ff02fe0200000000 15=ff000000 1=7f000001 7=7f000001 4=01000000',
    '24 02200000ff02fd0300000000 15=ff000000 1=7fffffff 7=7f000001 4=01000000',
    '24 02200000ff02fe0200000000 15=ff000000 1=c0000201 7=c0000201 4=02000000',
    '24 02200000ff02fe0200000000 15=ff000000 1=c0000207 7=c0000201 4=02000000',
    '24 02200000ff02fd0300000000 15=ff000000 1=c00002ff 7=c0000201 4=02000000',
  ])
})

test('RTM_GETNEIGH: the permanent entry (neigh_fill_info)', () => {
  assert.deepEqual(dump(configured(), c.RTM_GETNEIGH, 2, 12), [
    '28 020000000200000080000001 1=c0000209 2=020000000009 4=00000000 3=00000000000000000000000000000000',
  ])
})

test('RTM_GETRULE: local, main, default (fib_nl_fill_rule)', () => {
  assert.deepEqual(dump(configured(), c.RTM_GETRULE, 2, 12), [
    '32 02000000ff00000100000000 15=ff000000 14=ffffffff 21=02',
    '32 02000000fe00000100000000 15=fe000000 14=ffffffff 21=02 6=fe7f0000',
    '32 02000000fd00000100000000 15=fd000000 14=ffffffff 21=02 6=ff7f0000',
  ])
})

test('RTM_GETLINK: type, flags and the attributes iproute2 reads, as the kernel has them (rtnl_fill_ifinfo)', () => {
  const kernel = {
    lo: '16 00000403010000004900010000000000 3=6c6f00 13=e8030000 16=00 17=00 4=00000100 50=00000000 51=00000000 27=00000000 30=00000000 61=00000000 31=01000000 40=ffff0000 41=00000100 32=01000000 33=01 39=00 1=000000000000 2=000000000000',
    eth0: '16 00000100020000004310010000000000 3=6574683000 13=e8030000 16=06 17=00 4=dc050000 50=44000000 51=ffff0000 27=00000000 30=00000000 61=00000000 31=01000000 40=ffff0000 41=00000100 32=01000000 33=01 39=00 1=020000000001 2=ffffffffffff',
  }
  assert.deepEqual(
    dump(configured(), c.RTM_GETLINK, 0, 16).map((line) => line.replace(/ 23=.*/, '')),
    [kernel.lo, kernel.eth0],
  )
})

test('RTM_GETROUTE of one destination: the way, its source and gateway; local ones by lo; EHOSTUNREACH (inet_rtm_getroute)', () => {
  const p = configured()
  const fd = socket(p)
  const lookup = (address: number): string => {
    const [answer] = ask(p, fd, c.RTM_GETROUTE, 0, (w) =>
      w.u8(2, 32, 0, 0, 0, 0, 0, 0).u32(0).attributeAddress(c.RTA_DST, address),
    )
    assert.ok(answer)
    return answer.type === c.NLMSG_ERROR ? String(errorOf([answer])) : show(answer).replace(/ 12=.*/, '')
  }
  assert.equal(
    lookup(0xc0000209),
    '24 02200000fe00000100020000 15=fe000000 1=c0000209 4=02000000 7=c0000201 25=00000000',
  )
  assert.equal(
    lookup(0x08080808),
    '24 02200000fe00000100020000 15=fe000000 1=08080808 4=02000000 7=c0000201 5=c00002fe 25=00000000',
  )
  assert.equal(
    lookup(0xc0000201),
    '24 02200000fe00000200020080 15=fe000000 1=c0000201 4=01000000 7=c0000201 25=00000000',
  )
  assert.equal(lookup(0xc6120001), '-113')
})

test('RTM_GETLINK of one: by index, by name, ENODEV, EINVAL (rtnl_getlink)', () => {
  const p = configured()
  const fd = socket(p)
  const get = (index: number, name?: string): number | string => {
    const [answer] = ask(p, fd, c.RTM_GETLINK, 0, (w) => {
      w.u8(0, 0).u16(0).u32(index, 0, 0)
      if (name !== undefined) w.attributeText(c.IFLA_IFNAME, name)
    })
    assert.ok(answer)
    if (answer.type === c.NLMSG_ERROR) return errorOf([answer])
    const value = parseAttributes(answer.payload.subarray(HEADERS[c.RTM_NEWLINK])).get(c.IFLA_IFNAME)
    return new TextDecoder().decode(value).slice(0, -1)
  }
  assert.equal(get(1), 'lo')
  assert.equal(get(0, 'eth0'), 'eth0')
  assert.equal(get(99), -19)
  assert.equal(get(0), -22)
})
