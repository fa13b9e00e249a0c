import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { PacketPool } from '../../src/buf/pool.ts'
import { cable } from '../../src/link/cable.ts'
import { impair } from '../../src/link/impair.ts'
import {
  DIRECTION_IN,
  DIRECTION_OUT,
  LINKTYPE_ETHERNET,
  LINKTYPE_RAW,
  MemorySink,
  PcapngWriter,
  PcapWriter,
} from '../../src/link/pcap.ts'
import { CaptureReader, MAX_INTERFACES } from '../../src/link/pcap-reader.ts'
import { capture, sniff } from '../../src/link/sniffer.ts'
import { Random } from '../../src/sys/random.ts'
import { DEFAULT_EPOCH, VirtualClock } from '../../src/sys/virtual-clock.ts'
import { checksumsAreRight, tcpFrame, udpFrame } from './frames.ts'

/** A capture of both ends of an impaired cable, with drops as comments, large segments and checksums left to devices. */
function makeCapture(): Uint8Array {
  const clock = new VirtualClock()
  const pool = new PacketPool()
  const sink = new MemorySink()
  const writer = new PcapngWriter(sink, clock)
  const [a, b] = cable(clock)
  const bad = impair(a, { dropNth: [2] }, clock, new Random(1))
  const drops = writer.addInterface('ethernet', 'wire')
  bad.onDrop = (packet, reason) => writer.write(drops, packet, DIRECTION_OUT, reason)
  const near = capture(bad, writer, 'host-a/eth0')
  const far = capture(b, writer, 'host-b/eth0')
  far.attach((p) => p.release())
  near.attach((p) => p.release())
  near.send(udpFrame(pool, { partial: true }))
  near.send(tcpFrame(pool, { partial: true, slices: 3 }))
  clock.runUntilSync(1500000)
  near.send(tcpFrame(pool, { payload: 4001, gsoSize: 1448, slices: 2, seq: 100 }))
  far.send(udpFrame(pool, { payload: 1 }))
  clock.settle()
  assert.equal(pool.outstanding, 0)
  return sink.toBytes()
}

const read = (bytes: Uint8Array) => {
  const reader = new CaptureReader(bytes)
  return { packets: [...reader], error: reader.error, reader }
}

describe('pcapng', () => {
  test('written and read: interfaces, times, directions, comments, bytes (draft-ietf-opsawg-pcapng)', () => {
    const { packets, error, reader } = read(makeCapture())
    assert.equal(error, null)
    assert.equal(reader.format, 'pcapng')
    assert.deepEqual(
      reader.interfaces.map((i) => [i.name, i.linkType, i.ticks]),
      [
        ['wire', LINKTYPE_ETHERNET, 1e6],
        ['host-a/eth0', LINKTYPE_ETHERNET, 1e6],
        ['host-b/eth0', LINKTYPE_ETHERNET, 1e6],
      ],
    )
    const rows = packets.map((p) => [p.interface.name, p.direction, p.time - DEFAULT_EPOCH, p.bytes.length, p.comment])
    assert.deepEqual(rows, [
      ['host-a/eth0', DIRECTION_OUT, 0, 142, ''],
      ['host-a/eth0', DIRECTION_OUT, 0, 166, ''],
      ['wire', DIRECTION_OUT, 0, 166, 'impair.nth'],
      ['host-b/eth0', DIRECTION_IN, 0, 142, ''],
      ['host-a/eth0', DIRECTION_OUT, 1500000, 4067, ''],
      ['host-b/eth0', DIRECTION_OUT, 1500000, 43, ''],
      ...[1514, 1514, 66 + 4001 - 2896].map((n) => ['host-b/eth0', DIRECTION_IN, 1500000, n, '']),
      ['host-a/eth0', DIRECTION_IN, 1500000, 43, ''],
    ])
  })

  test('checksums left to a device: right in the copy, for large segments too; the packet itself is untouched', () => {
    const { packets } = read(makeCapture())
    for (const p of packets) assert.ok(checksumsAreRight(p.bytes))
    const clock = new VirtualClock()
    const pool = new PacketPool()
    const writer = new PcapngWriter(new MemorySink(), clock)
    const [a] = cable(clock)
    const packet = tcpFrame(pool, { partial: true, slices: 2 })
    const kept = packet.toBytes()
    sniff(capture(a, writer), (p) => assert.deepEqual(p.toBytes(), kept)).send(packet)
    writer.write(0, packet, DIRECTION_OUT)
    assert.deepEqual(packet.toBytes(), kept)
  })

  test('the same packets twice: the same file, byte for byte', () => {
    assert.deepEqual(makeCapture(), makeCapture())
  })

  test('a packet longer than the snap length: cut, its true length kept', () => {
    const clock = new VirtualClock()
    const sink = new MemorySink()
    const writer = new PcapngWriter(sink, clock, { snaplen: 61 })
    writer.addInterface('ip')
    writer.writeBytes(0, new Uint8Array(100).fill(7), DIRECTION_IN)
    const [p] = read(sink.toBytes()).packets
    assert.equal(p?.bytes.length, 61)
    assert.equal(p?.originalLength, 100)
    assert.equal(p?.interface.linkType, LINKTYPE_RAW)
  })

  test('both byte orders, nanoseconds, simple and unknown blocks, two sections: read', () => {
    for (const little of [true, false]) {
      const file = concat(
        section(little),
        block(little, 1, [
          u16(little, 1),
          u16(little, 0),
          u32(little, 0),
          option(little, 9, [9]),
          option(little, 0, []),
        ]),
        block(little, 0x0bad, [u32(little, 1)]),
        // 1767225600.123456789 s in nanoseconds is 0x18867d86_8c8fcd15.
        block(little, 6, [...nanoseconds(little, 1767225600123456789n), u32(little, 3), u32(little, 9), [1, 2, 3, 0]]),
        block(little, 3, [u32(little, 2), [4, 5, 0, 0]]),
        section(!little),
        block(!little, 1, [u16(!little, 101), u16(!little, 0), u32(!little, 0)]),
        block(!little, 6, [
          u32(!little, 0),
          u32(!little, 0),
          u32(!little, 5),
          u32(!little, 1),
          u32(!little, 1),
          [6, 0, 0, 0],
        ]),
      )
      const { packets, error } = read(file)
      assert.equal(error, null)
      assert.deepEqual(
        packets.map((p) => [...p.bytes]),
        [[1, 2, 3], [4, 5], [6]],
      )
      assert.ok(Math.abs((packets[0]?.time ?? 0) - 1767225600123456) < 1)
      assert.ok(Number.isNaN(packets[1]?.time))
      assert.equal(packets[2]?.time, 5)
      assert.equal(packets[2]?.interface.linkType, 101)
    }
  })
})

describe('classic pcap', () => {
  test('written and read', () => {
    const clock = new VirtualClock()
    const pool = new PacketPool()
    const sink = new MemorySink()
    const writer = new PcapWriter(sink, clock)
    const [a, b] = cable(clock)
    const near = capture(a, writer, 'a')
    b.attach((p) => p.release())
    clock.runUntilSync(2000001)
    near.send(udpFrame(pool, { partial: true }))
    assert.throws(() => writer.addInterface('ip'), TypeError)
    const { packets, error, reader } = read(sink.toBytes())
    assert.equal(error, null)
    assert.equal(reader.format, 'pcap')
    assert.equal(packets[0]?.time, DEFAULT_EPOCH + 2000001)
    assert.ok(checksumsAreRight(packets[0]?.bytes ?? new Uint8Array(0)))
  })

  test('both byte orders, micro- and nanoseconds: read', () => {
    for (const little of [true, false]) {
      for (const [magic, fraction] of [
        [0xa1b2c3d4, 250000],
        [0xa1b23c4d, 250000000],
      ] as const) {
        const header = [
          u32(little, magic),
          u16(little, 2),
          u16(little, 4),
          ...[0, 0, 65535, 1].map((n) => u32(little, n)),
        ]
        const record = [...[7, fraction, 2, 9].map((n) => u32(little, n)), [1, 2]]
        const { packets, error } = read(concat(...[...header, ...record].map((b) => Uint8Array.from(b))))
        assert.equal(error, null)
        assert.equal(packets[0]?.time, 7250000)
        assert.equal(packets[0]?.originalLength, 9)
      }
    }
  })
})

describe('hostile capture files', () => {
  test('what is no capture: says so', () => {
    for (const [bytes, error] of [
      [[], /empty/],
      [[1, 2], /magic/],
      [[1, 2, 3, 4, 5, 6, 7, 8], /neither pcap nor pcapng: magic number 0x01020304/],
    ] as const) {
      const result = read(Uint8Array.from(bytes))
      assert.deepEqual(result.packets, [])
      assert.match(result.error ?? '', error)
    }
  })

  test('every truncation: packets before it are given, then an error or a clean end; never an exception', () => {
    const whole = makeCapture()
    let clean = 0
    for (let n = 0; n < whole.length; n += n < 600 ? 1 : 37) {
      const { packets, error } = read(whole.subarray(0, n))
      assert.ok(packets.length <= 10)
      if (error === null) clean++
    }
    assert.ok(clean < 20)
  })

  test('every bit of the first 400 bytes flipped, and 20,000 random changes: a value, never an exception', () => {
    const whole = makeCapture()
    for (let bit = 0; bit < 3200; bit++) {
      const file = whole.slice()
      file[bit >> 3] = (file[bit >> 3] as number) ^ (1 << (bit & 7))
      read(file)
    }
    const random = new Random(4)
    for (let round = 0; round < 20000; round++) {
      const file = whole.slice(0, 200 + random.below(whole.length - 200))
      for (let n = 1 + random.below(8); n > 0; n--) file[random.below(file.length)] = random.below(256)
      read(file)
    }
  })

  for (const [what, bytes, error] of [
    ['packet of an interface that is not described', enhanced(5, 0), /interface 5, which is not described/],
    ['packet longer than its block', enhanced(0, 100), /leaves its block/],
    ['packet of 4 GiB', enhanced(0, 0xffffffff), /more than 262144/],
  ] as const)
    test(`${what}: told, with the place`, () => {
      const file = concat(section(true), block(true, 1, [u16(true, 1), u16(true, 0), u32(true, 0)]), bytes)
      const { packets, error: told } = read(file)
      assert.equal(packets.length, 0)
      assert.match(told ?? '', error)
      assert.match(told ?? '', /at byte \d+$/)
    })

  test('interfaces without end: given up at a limit', () => {
    const one = block(true, 1, [u16(true, 1), u16(true, 0), u32(true, 0)])
    const file = new Uint8Array(28 + one.length * (MAX_INTERFACES + 1))
    file.set(section(true))
    for (let i = 0; i <= MAX_INTERFACES; i++) file.set(one, 28 + i * one.length)
    assert.match(read(file).error ?? '', /more than 65536 interfaces/)
  })
})

const hasTshark = spawnSync('tshark', ['--version']).status === 0

describe('tshark', () => {
  test('on a capture of a link with offloads: nothing malformed, no bad checksum, comments and directions there', (t) => {
    if (!hasTshark) {
      assert.equal(process.env.CI, undefined, 'tshark is not installed, and CI is set')
      console.log('skipped: tshark is not installed')
      t.skip('tshark is not installed')
      return
    }
    const directory = mkdtempSync(join(tmpdir(), 'sockeye-pcap-'))
    try {
      const file = join(directory, 'x.pcapng')
      writeFileSync(file, makeCapture())
      const fields = [
        'frame.interface_name',
        'frame.packet_flags_direction',
        'frame.time_epoch',
        'frame.len',
        'frame.comment',
      ]
      const checks = ['ip', 'tcp', 'udp'].flatMap((protocol) => ['-o', `${protocol}.check_checksum:TRUE`])
      const sums = ['ip.checksum.status', 'tcp.checksum.status', 'udp.checksum.status', '_ws.malformed']
      const shown = [...fields, ...sums].flatMap((field) => ['-e', field])
      const result = spawnSync('tshark', ['-r', file, ...checks, '-T', 'fields', ...shown], { encoding: 'utf8' })
      assert.equal(result.status, 0, result.stderr)
      const rows = result.stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split('\t'))
      assert.equal(rows.length, 10)
      const dropped = rows[2] ?? []
      assert.deepEqual(
        [dropped[0], Number(dropped[1]), ...dropped.slice(2, 5)],
        ['wire', 2, '1767225600.000000000', '166', 'impair.nth'],
      )
      for (const row of rows) {
        // 1 is "Good".
        assert.equal(row[5], '1')
        assert.equal(`${row[6]}${row[7]}`, '1')
        assert.equal(row[8] ?? '', '')
      }
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})

function concat(...parts: Uint8Array[]): Uint8Array {
  const sink = new MemorySink()
  for (const part of parts) sink.write(part)
  return sink.toBytes()
}

function u32(little: boolean, n: number): number[] {
  const bytes = [n & 255, (n >>> 8) & 255, (n >>> 16) & 255, n >>> 24]
  return little ? bytes : bytes.reverse()
}

function u16(little: boolean, n: number): number[] {
  return little ? [n & 255, n >>> 8] : [n >>> 8, n & 255]
}

function option(little: boolean, code: number, value: number[]): number[] {
  return [
    ...u16(little, code),
    ...u16(little, value.length),
    ...value,
    ...new Array((4 - (value.length & 3)) & 3).fill(0),
  ]
}

function block(little: boolean, type: number, parts: number[][]): Uint8Array {
  const body = parts.flat()
  const length = u32(little, body.length + 12)
  return Uint8Array.from([...u32(little, type), ...length, ...body, ...length])
}

function section(little: boolean): Uint8Array {
  return block(little, 0x0a0d0d0a, [
    u32(little, 0x1a2b3c4d),
    u16(little, 1),
    u16(little, 0),
    u32(little, -1),
    u32(little, -1),
  ])
}

function nanoseconds(little: boolean, time: bigint): number[][] {
  return [u32(little, 0), u32(little, Number(time >> 32n) | 0), u32(little, Number(time & 0xffffffffn) | 0)]
}

function enhanced(interfaceId: number, kept: number): Uint8Array {
  return block(true, 6, [
    u32(true, interfaceId),
    u32(true, 0),
    u32(true, 0),
    u32(true, kept),
    u32(true, kept),
    [0, 0, 0, 0],
  ])
}
