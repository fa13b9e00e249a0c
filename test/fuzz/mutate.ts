/** Frames made wrong: vectors and live traffic with bits, fields and lengths changed, checksums mended more often than not. */
import type { Random } from '../../src/sys/random.ts'
import { get16, put16, put32, put8 } from '../../src/wire/bytes.ts'
import * as checksum from '../../src/wire/checksum.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'

const ETH = 14
/** Chance that the checksums of a mutated frame are made right again, so that it gets past the first door. */
const MEND = 0.8

/** A changed copy of `frame`. */
export function mutate(frame: Uint8Array, random: Random): Uint8Array {
  let bytes: Uint8Array = frame.slice()
  const rounds = 1 + random.below(3)
  for (let i = 0; i < rounds && bytes.length > 0; i++) bytes = change(bytes, random)
  if (random.chance(MEND)) mend(bytes)
  return bytes
}

function change(bytes: Uint8Array, random: Random): Uint8Array {
  switch (random.below(8)) {
    case 0: {
      for (let n = 1 + random.below(8); n > 0; n--) {
        const at = random.below(bytes.length)
        put8(bytes, at, (bytes[at] as number) ^ (1 << random.below(8)))
      }
      return bytes
    }
    case 1:
      return bytes.slice(0, random.below(bytes.length + 1))
    case 2: {
      const longer = new Uint8Array(Math.min(bytes.length + random.below(64), 2000))
      longer.set(bytes.subarray(0, longer.length))
      return longer
    }
    case 3: {
      for (let at = random.below(bytes.length), n = random.below(16); n > 0 && at < bytes.length; n--) put8(bytes, at++, random.below(256))
      return bytes
    }
    case 4:
      if (bytes.length >= ETH + 20) changeIp(bytes, random)
      return bytes
    default:
      if (bytes.length >= ETH + 40) changeTransport(bytes, ETH + ipv4.headerLength(bytes, ETH), random)
      return bytes
  }
}

/** One field of the IPv4 header. */
function changeIp(b: Uint8Array, random: Random): void {
  switch (random.below(7)) {
    case 0:
      return put8(b, ETH, random.below(256))
    case 1:
      return put16(b, ETH + 2, random.below(65536))
    case 2:
      return put16(b, ETH + 6, random.below(65536))
    case 3:
      return put16(b, ETH + 4, random.below(4))
    case 4:
      return put8(b, ETH + 8, random.below(3))
    case 5:
      return put8(b, ETH + 9, [1, 2, 6, 17, random.below(256)][random.below(5)] as number)
    default:
      return put32(b, ETH + (random.chance(0.8) ? 12 : 16), random.chance(0.5) ? random.int32() : 0xc0000200 | random.below(256))
  }
}

/** One field of the transport header, values near those that live connections use. */
function changeTransport(b: Uint8Array, o: number, random: Random): void {
  if (o + 20 > b.length) return
  const near = (at: number): void => put32(b, at, (get16(b, at) * 65536 + get16(b, at + 2) + random.below(4000) - 2000) | 0)
  switch (random.below(9)) {
    case 0:
      return put8(b, o + 13, random.below(256))
    case 1:
      return near(o + 4)
    case 2:
      return near(o + 8)
    case 3:
      return put16(b, o + 14, [0, 1, 65535, random.below(65536)][random.below(4)] as number)
    case 4:
      return put8(b, o + 12, random.below(256))
    case 5:
      return put16(b, o + 18, random.below(65536))
    case 6:
      return put16(b, o + (random.chance(0.5) ? 0 : 2), random.below(65536))
    case 7: {
      // Options: kinds, lengths 0 and 1, blocks that lead nowhere.
      for (let at = o + 20, n = random.below(20); n > 0 && at < b.length; n--) put8(b, at++, [0, 1, 2, 3, 5, 8, 10, 19, 34, 254, random.below(256)][random.below(11)] as number)
      return
    }
    default:
      return put32(b, o + 4, random.int32())
  }
}

/** Makes the checksums of IPv4 and of what it carries right again. */
export function mend(b: Uint8Array): void {
  if (b.length < ETH + 20 || get16(b, 12) !== 0x0800) return
  const header = ipv4.headerLength(b, ETH)
  if (header < 20 || ETH + header > b.length) return
  ipv4.fillChecksum(b, ETH)
  const o = ETH + header
  const end = Math.min(b.length, ETH + ipv4.totalLength(b, ETH))
  const protocol = ipv4.protocol(b, ETH)
  const at = protocol === 6 ? 16 : protocol === 17 ? 6 : protocol === 1 ? 2 : -1
  if (at < 0 || o + at + 2 > end) return
  const pseudo = protocol === 1 ? 0 : checksum.pseudo4(ipv4.src(b, ETH), ipv4.dst(b, ETH), protocol, end - o)
  put16(b, o + at, 0)
  put16(b, o + at, checksum.finish(checksum.sumBytes(b, o, end - o, pseudo)))
}
