/** Initial sequence numbers and timestamp offsets that an outsider cannot guess (RFC 6528; RFC 7323 §5.4, §7.1). */
import type { HalfSipHash } from '../sys/siphash.ts'
import type { Seq } from './seq.ts'

/** ISN = M + F(local, remote, ports, secret); M is Linux's clock of 64 ns ticks (secure_seq.c `seq_scale`). */
export function initialSequence(hash: HalfSipHash, nowUs: number, local: number, remote: number, ports: number): Seq {
  const clock = Math.floor((nowUs % 274877906.944) * 15.625)
  return (hash.hash4(local, remote, ports, 0x49534e) + clock) | 0
}

/** Offset added to our millisecond clock in TSval, one a pair of addresses (secure_tcp_ts_off). */
export function timestampOffset(hash: HalfSipHash, local: number, remote: number): number {
  return hash.hash4(local, remote, 0, 0x5453)
}
