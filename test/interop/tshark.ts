/** What tshark finds wrong with a capture. */
import { spawnSync } from 'node:child_process'

/** Checksums are looked at; nothing is pieced together of what applications send: a retransmission is no error in it. */
const PREFERENCES = [
  ...['ip', 'tcp', 'udp'].flatMap((protocol) => ['-o', `${protocol}.check_checksum:TRUE`]),
  ...['-o', 'tcp.desegment_tcp_streams:FALSE', '--disable-protocol', 'http'],
]

/**
 * Wireshark's filter for what must never be in a capture of ours. Checksum status 0 is "bad"; tshark says so of TCP's 0xffff, too,
 * which is zero in ones' complement (RFC 1071) and which the kernel sends once in 65,536 segments.
 */
const WRONG = [
  // Not what a dissector guessed by port makes of a payload: a traceroute may leave from a port that some protocol has.
  '(_ws.malformed && !(frame.protocols matches "(tcp|udp):(?!data)"))',
  'ip.checksum.status == 0',
  '(tcp.checksum.status == 0 && !(tcp.checksum == 0xffff))',
  'udp.checksum.status == 0',
  'icmp.checksum.status == 0',
  'tcp.analysis.lost_segment',
  'tcp.analysis.ack_lost_segment',
].join(' || ')

/** Lines shown of a bad capture. */
const SHOWN = 5

/** A line for each frame that is wrong, the first few; empty if the capture is as it should be. */
export function wrongFrames(file: string): string[] {
  return frames(file, WRONG).slice(0, SHOWN)
}

/** The lines of the frames that `filter` picks. */
export function frames(file: string, filter: string): string[] {
  const args = ['-n', '-r', file, ...PREFERENCES, '-Y', filter]
  const result = spawnSync('tshark', args, { encoding: 'utf8', maxBuffer: 1 << 28 })
  if (result.status !== 0) throw new Error(`tshark: ${result.stderr}`)
  return result.stdout.split('\n').filter((line) => line !== '')
}
