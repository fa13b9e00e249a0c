/** Packet filters (SO_ATTACH_FILTER, socket(7), Linux Documentation/networking/filter.rst). Verdicts are those of Linux 6.18. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { htons } from '../../src/addr/byte-order.ts'
import type { Process } from '../../src/host/process.ts'
import * as c from '../../src/socket/constants.ts'
import { bytes, lone, net, outcome } from '../host/net.ts'

type Row = readonly [code: number, jt: number, jf: number, k: number]

function program(...rows: readonly Row[]): Uint8Array {
  const b = new Uint8Array(rows.length * 8)
  const view = new DataView(b.buffer)
  for (const [i, [code, jt, jf, k]] of rows.entries()) {
    view.setUint16(i * 8, code, true)
    view.setUint8(i * 8 + 2, jt)
    view.setUint8(i * 8 + 3, jf)
    view.setUint32(i * 8 + 4, k, true)
  }
  return b
}

const LDH_ABS = 0x28
const LDB_ABS = 0x30
const JEQ = 0x15
const RET = 0x06
/** `tcpdump -d icmp` */
const ICMP = program(
  [LDH_ABS, 0, 0, 12],
  [JEQ, 0, 3, 0x800],
  [LDB_ABS, 0, 0, 23],
  [JEQ, 0, 1, 1],
  [RET, 0, 0, 262144],
  [RET, 0, 0, 0],
)

const socket = (p: Process, type: number): number => p.socket(c.AF_PACKET, type | c.SOCK_NONBLOCK, htons(c.ETH_P_ALL))
const attach = (p: Process, fd: number, filter: Uint8Array): unknown =>
  outcome(() => p.setsockopt(fd, c.SOL_SOCKET, c.SO_ATTACH_FILTER, filter))
function lengths(p: Process, fd: number): number[] {
  const all: number[] = []
  for (;;) {
    const n = outcome(() => p.recv(fd, new Uint8Array(70000)))
    if (typeof n !== 'number') return all
    all.push(n)
  }
}

test('tcpdump’s filter for ICMP: ARP and UDP pass by, on Ethernet and on lo (packet_rcv, run_filter)', () => {
  const { a, clock } = net()
  const p = a.createProcess()
  const fd = socket(p, c.SOCK_RAW)
  assert.equal(attach(p, fd, ICMP), undefined)
  a.ipv4.icmp.sendEcho(0x0a000002, 1, 1, bytes('12345678'))
  clock.settle()
  assert.deepEqual(lengths(p, fd), [50, 50])
  a.ipv4.icmp.sendEcho(0x7f000001, 1, 1, bytes('12345678'))
  clock.settle()
  assert.deepEqual(lengths(p, fd), [50, 50, 50, 50])
  assert.deepEqual([...(p.getsockopt(fd, c.SOL_SOCKET, c.SO_GET_FILTER) as Uint8Array)], [...ICMP])
})

test('what a program returns is how much is kept; SOCK_DGRAM’s programs begin at the network header', () => {
  const { process: p, clock, host } = lone()
  const raw = socket(p, c.SOCK_RAW)
  const cooked = socket(p, c.SOCK_DGRAM)
  attach(p, raw, program([RET, 0, 0, 20]))
  // Version and header length at 0; the EtherType as it is known beside the bytes.
  const SKF_AD_PROTOCOL = 0xfffff000
  attach(
    p,
    cooked,
    program(
      [LDB_ABS, 0, 0, 0],
      [JEQ, 0, 3, 0x45],
      [LDH_ABS, 0, 0, SKF_AD_PROTOCOL],
      [JEQ, 0, 1, 0x800],
      [RET, 0, 0, 7],
      [RET, 0, 0, 0],
    ),
  )
  host.ipv4.icmp.sendEcho(0x7f000001, 1, 1, bytes(''))
  clock.settle()
  assert.deepEqual(lengths(p, raw), [20, 20, 20, 20])
  assert.deepEqual(lengths(p, cooked), [7, 7, 7, 7])
})

test('attached twice, detached, locked: EPERM, ENOENT (sk_attach_filter, sk_detach_filter)', () => {
  const { process: p } = lone()
  const fd = socket(p, c.SOCK_RAW)
  const detach = (): unknown => outcome(() => p.setsockopt(fd, c.SOL_SOCKET, c.SO_DETACH_FILTER, 0))
  const lock = (on: number): unknown => outcome(() => p.setsockopt(fd, c.SOL_SOCKET, c.SO_LOCK_FILTER, on))
  assert.equal(detach(), 'ENOENT')
  assert.equal(attach(p, fd, ICMP), undefined)
  assert.equal(attach(p, fd, program([RET, 0, 0, 1])), undefined)
  assert.equal(detach(), undefined)
  assert.equal(lock(0), undefined)
  assert.equal(lock(1), undefined)
  assert.equal(p.getsockopt(fd, c.SOL_SOCKET, c.SO_LOCK_FILTER), 1)
  assert.equal(lock(0), 'EPERM')
  assert.equal(attach(p, fd, ICMP), 'EPERM')
  assert.equal(detach(), 'EPERM')
})

test('programs that are not safe are refused: EINVAL (bpf_check_classic, check_load_and_stores)', () => {
  const { process: p } = lone()
  const fd = socket(p, c.SOCK_RAW)
  const end: Row = [RET, 0, 0, 1]
  const wrong: readonly (readonly Row[])[] = [
    [],
    [[LDH_ABS, 0, 0, 12]],
    [[0x0e, 0, 0, 0], end],
    [[0x34, 0, 0, 0], end],
    [[0x94, 0, 0, 0], end],
    [[0x64, 0, 0, 32], end],
    [[JEQ, 0, 1, 0], end],
    [[0x05, 0, 0, 1], end],
    [[0x02, 0, 0, 16], end],
    [[0x60, 0, 0, 0], end],
    [[JEQ, 0, 1, 0], [0x02, 0, 0, 3], [0x61, 0, 0, 3], end],
    [[0x20, 0, 0, 0xfffff000 + 68], end],
  ]
  for (const rows of wrong) assert.equal(attach(p, fd, program(...rows)), 'EINVAL', JSON.stringify(rows))
  assert.equal(attach(p, fd, program(end).subarray(0, 7)), 'EINVAL')
  assert.equal(attach(p, fd, program(...new Array<Row>(4097).fill(end))), 'EINVAL')
  assert.equal(attach(p, fd, program(...new Array<Row>(4096).fill(end))), undefined)
  assert.equal(attach(p, fd, program([0x02, 0, 0, 3], [JEQ, 0, 0, 0], [0x61, 0, 0, 3], end)), undefined)
})

test('arithmetic is of 32 unsigned bits; a division by zero or a load beyond the frame keeps nothing', () => {
  const { process: p, clock, host } = lone()
  const kept = (...rows: readonly Row[]): number => {
    const fd = p.socket(c.AF_INET, c.SOCK_RAW | c.SOCK_NONBLOCK, c.IPPROTO_ICMP)
    attach(p, fd, program(...rows))
    host.ipv4.icmp.sendEcho(0x7f000001, 1, 1, bytes('x'.repeat(100)))
    clock.settle()
    const [length = 0] = lengths(p, fd)
    p.close(fd)
    return length
  }
  const retA: Row = [0x16, 0, 0, 0]
  assert.equal(kept([0x00, 0, 0, 0xffffffff], [0x74, 0, 0, 26], retA), 63, 'logical shift')
  assert.equal(kept([0x00, 0, 0, 0xfffffff0], [0x34, 0, 0, 0x10000000], retA), 15, 'unsigned division')
  assert.equal(kept([0x00, 0, 0, 40], [0x84, 0, 0, 0], [0x84, 0, 0, 0], retA), 40, 'negated twice')
  assert.equal(
    kept([0x00, 0, 0, 0x80000000], [0x25, 0, 1, 1], [RET, 0, 0, 9], [RET, 0, 0, 0]),
    9,
    'unsigned comparison',
  )
  assert.equal(kept([0x01, 0, 0, 0], [0x3c, 0, 0, 0], [RET, 0, 0, 9]), 0, 'division by X')
  assert.equal(kept([0x20, 0, 0, 125], [RET, 0, 0, 9]), 0, 'four bytes from 125 of 128')
  assert.equal(kept([0x20, 0, 0, 124], [RET, 0, 0, 9]), 9)
  assert.equal(kept([0xb1, 0, 0, 0], [0x87, 0, 0, 0], retA), 20, 'LDX MSH: the IP header’s length')
  assert.equal(kept([0x80, 0, 0, 0], retA), 128, 'LD LEN')
  assert.equal(kept([0x30, 0, 0, 0xfff00009], retA), 1, 'SKF_NET_OFF: the protocol')
  assert.equal(kept([0x00, 0, 0, 33], [0x02, 0, 0, 15], [0x00, 0, 0, 0], [0x60, 0, 0, 15], retA), 33, 'memory')
})

test('UDP, TCP and local datagram sockets have filters too: what is not kept never was (udp_queue_rcv_skb, tcp_filter, unix)', async () => {
  const { process: p, clock } = lone()
  const none = program([RET, 0, 0, 0])
  const four = program([RET, 0, 0, 12])
  const udp = p.socket(c.AF_INET, c.SOCK_DGRAM | c.SOCK_NONBLOCK)
  p.bind(udp, { address: '127.0.0.1', port: 7 })
  const say = (): number[] => {
    p.sendto(udp, bytes('hello'), 0, { address: '127.0.0.1', port: 7 })
    clock.settle()
    return lengths(p, udp)
  }
  attach(p, udp, four)
  assert.deepEqual(say(), [4], 'the header counts')
  attach(p, udp, none)
  assert.deepEqual(say(), [])
  const [one, other] = p.socketpair(c.AF_UNIX, c.SOCK_DGRAM | c.SOCK_NONBLOCK)
  attach(p, other, program([RET, 0, 0, 3]))
  assert.equal(p.send(one, bytes('hello')), 5)
  assert.deepEqual(lengths(p, other), [3])
  attach(p, other, none)
  assert.equal(p.send(one, bytes('hello')), 5)
  assert.deepEqual(lengths(p, other), [])
  const listener = p.socket(c.AF_INET, c.SOCK_STREAM | c.SOCK_NONBLOCK)
  p.bind(listener, { address: '127.0.0.1', port: 8 })
  p.listen(listener, 1)
  const client = p.socket(c.AF_INET, c.SOCK_STREAM | c.SOCK_NONBLOCK)
  outcome(() => p.connect(client, { address: '127.0.0.1', port: 8 }))
  clock.settle()
  const accepted = p.accept4(listener, null, c.SOCK_NONBLOCK) as number
  attach(p, accepted, none)
  p.send(client, bytes('lost'))
  clock.settle()
  assert.deepEqual(lengths(p, accepted), [])
  p.setsockopt(accepted, c.SOL_SOCKET, c.SO_DETACH_FILTER, 0)
  await clock.runFor(1_000_000)
  assert.deepEqual(lengths(p, accepted).slice(0, 1), [4], 'until it is sent again')
})
