/** Hostile requests: whatever bytes a program sends, the kernel answers or is silent, and nothing breaks (netlink_rcv_skb). */
import assert from 'node:assert/strict'
import test from 'node:test'
import { MessageWriter } from '../../src/netlink/message.ts'
import * as c from '../../src/socket/constants.ts'
import { Random } from '../../src/sys/random.ts'
import { net, outcome } from '../host/net.ts'
import { drain, socket } from './talk.ts'

/** One good request of every type there is. */
function requests(): Uint8Array[] {
  const w = new MessageWriter()
  const begin = (type: number, flags: number): MessageWriter =>
    w.begin({ type, flags: flags | c.NLM_F_REQUEST | c.NLM_F_ACK, seq: 1, pid: 0 })
  const create = c.NLM_F_CREATE
  const all: Uint8Array[] = []
  for (const type of [c.RTM_GETLINK, c.RTM_GETADDR, c.RTM_GETROUTE, c.RTM_GETNEIGH, c.RTM_GETRULE])
    all.push(begin(type, c.NLM_F_DUMP).u32(2, 0, 0, 0).end())
  all.push(
    begin(c.RTM_NEWLINK, 0)
      .u8(0, 0)
      .u16(0)
      .u32(2, 1, 1)
      .attribute32(c.IFLA_MTU, 1400)
      .attributeText(c.IFLA_IFNAME, 'e')
      .end(),
  )
  all.push(begin(c.RTM_NEWADDR, create).u8(2, 24, 0, 0).u32(2).attributeAddress(c.IFA_LOCAL, 0x0a010101).end())
  all.push(begin(c.RTM_DELADDR, 0).u8(2, 24, 0, 0).u32(2).attributeAddress(c.IFA_LOCAL, 0x0a010101).end())
  for (const type of [c.RTM_NEWROUTE, c.RTM_DELROUTE, c.RTM_GETROUTE]) {
    begin(type, create).u8(2, 24, 0, 0, 254, 4, 0, 1).u32(0).attributeAddress(c.RTA_DST, 0x0b000000)
    w.attributeAddress(c.RTA_GATEWAY, 0x0a000002).attribute(c.RTA_METRICS, () => w.attribute32(c.RTAX_MTU, 1000))
    all.push(w.end())
  }
  for (const type of [c.RTM_NEWNEIGH, c.RTM_DELNEIGH, c.RTM_GETNEIGH]) {
    begin(type, create).u8(2, 0, 0, 0).u32(2).u16(0x80).u8(0, 0).attributeAddress(c.NDA_DST, 0x0a000003)
    all.push(w.attributeBytes(c.NDA_LLADDR, new Uint8Array(6)).end())
  }
  return all
}

test('20,000 requests with changed, missing and doubled bytes: no exception, no answer without end, nothing leaks', () => {
  const { a, pool, clock } = net()
  const p = a.createProcess()
  const fd = socket(p)
  const group = socket(p, 0x7fffffff)
  const random = new Random(5)
  const good = requests()
  for (let i = 0; i < 20_000; i++) {
    let request = (good[random.below(good.length)] as Uint8Array).slice()
    for (let n = random.below(4); n > 0; n--) request[random.below(request.length)] = random.below(256)
    if (random.below(4) === 0) request = request.subarray(0, 1 + random.below(request.length))
    if (random.below(8) === 0) request = Uint8Array.from([...request, ...request])
    assert.equal(
      outcome(() => p.send(fd, request)),
      request.length,
    )
    if (i % 50 === 0) {
      assert.ok(drain(p, fd).length < 20_000)
      drain(p, group)
    }
  }
  for (const each of a.stack.interfaces) each.setUp(false)
  p.close(fd)
  p.close(group)
  clock.settle()
  assert.equal(pool.outstanding, 0)
})
