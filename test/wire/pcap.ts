/** Classic pcap files in memory, and tcpdump and tshark run over them: how expected texts are made and checked. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** LINKTYPE_ETHERNET. */
export const ETHERNET = 1
/** LINKTYPE_RAW: frames begin with an IP header. */
export const RAW = 101

/** A frame, and how long it was on the wire if the capture kept fewer bytes. */
export interface Frame {
  readonly bytes: Uint8Array
  readonly wireLength?: number
}

/** A little-endian microsecond pcap; frame i has the time stamp i seconds. */
export function writePcap(frames: readonly Frame[], linktype: number): Buffer {
  const head = Buffer.alloc(24)
  head.writeUInt32LE(0xa1b2c3d4, 0)
  head.writeUInt16LE(2, 4)
  head.writeUInt16LE(4, 6)
  head.writeUInt32LE(262144, 16)
  head.writeUInt32LE(linktype, 20)
  const parts = [head]
  for (const [i, f] of frames.entries()) {
    const record = Buffer.alloc(16)
    record.writeUInt32LE(i, 0)
    record.writeUInt32LE(f.bytes.length, 8)
    record.writeUInt32LE(f.wireLength ?? f.bytes.length, 12)
    parts.push(record, Buffer.from(f.bytes))
  }
  return Buffer.concat(parts)
}

/** The frames of a little-endian pcap. */
export function readPcap(file: Uint8Array): Frame[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const frames: Frame[] = []
  for (let o = 24; o + 16 <= file.length; ) {
    const kept = view.getUint32(o + 8, true)
    frames.push({ bytes: file.slice(o + 16, o + 16 + kept), wireLength: view.getUint32(o + 12, true) })
    o += 16 + kept
  }
  return frames
}

/** True if the program can be run. */
export const isInstalled = (program: string): boolean => spawnSync(program, ['--version']).error === undefined

/** The first line tcpdump -n prints for each frame, without trailing blanks; '' where it prints none. */
export function tcpdump(frames: readonly Frame[], linktype: number): string[] {
  const input = writePcap(frames, linktype)
  const run = spawnSync('tcpdump', ['-n', '-tt', '-r', '-'], { input, maxBuffer: 1 << 30 })
  const lines = frames.map(() => '')
  for (const text of run.stdout.toString('latin1').split('\n')) {
    const found = /^ ?(\d+)\.000000 (.*)$/.exec(text)
    if (found) lines[Number(found[1])] = (found[2] ?? '').trimEnd()
  }
  return lines
}

/** The rows tshark -V prints for each frame, trimmed: absolute sequence numbers, checksums on, no reassembly. */
export function tshark(frames: readonly Frame[], linktype: number): Set<string>[] {
  const on = ['tcp.check_checksum', 'udp.check_checksum', 'ip.check_checksum']
  const off = ['tcp.relative_sequence_numbers', 'ip.defragment', 'tcp.desegment_tcp_streams', 'udp.try_heuristic_first']
  const preferences = [...on.map((p) => `${p}:TRUE`), ...off.map((p) => `${p}:FALSE`)].flatMap((p) => ['-o', p])
  const folder = mkdtempSync(join(tmpdir(), 'sockeye-'))
  const path = join(folder, 'frames.pcap')
  writeFileSync(path, writePcap(frames, linktype))
  const run = spawnSync('tshark', ['-n', '-V', ...preferences, '-r', path], { maxBuffer: 1 << 30 })
  rmSync(folder, { recursive: true })
  const frameTexts = run.stdout
    .toString('utf8')
    .split(/^Frame \d+: /m)
    .slice(1)
  return frameTexts.map((text) => new Set(text.split('\n').map((row) => row.trim())))
}
