/** PR1: which end of a number this machine keeps first, seen by looking at the bytes of a 16-, 32- and 64-bit value. */
import { isLittleEndian } from '../../src/addr/byte-order.ts'
import type { Process } from '../../src/host/process.ts'
import { say } from '../stage.ts'

const inMemory = (value: Uint16Array | Uint32Array | BigUint64Array): string =>
  [...new Uint8Array(value.buffer)].map((b) => b.toString(16).padStart(2, '0')).join(' ')

/** Prints the values, their bytes in memory, and what follows from them. */
export async function endianness(process: Process): Promise<void> {
  await say(process, `0x0102             in memory: ${inMemory(Uint16Array.of(0x0102))}`)
  await say(process, `0x01020304         in memory: ${inMemory(Uint32Array.of(0x01020304))}`)
  await say(process, `0x0102030405060708 in memory: ${inMemory(BigUint64Array.of(0x0102030405060708n))}`)
  const first = new Uint8Array(Uint16Array.of(0x0102).buffer)[0]
  await say(process, `the byte at the lowest address of 0x0102 is ${first}: ${first === 2 ? 'little' : 'big'}-endian`)
  await say(
    process,
    `network order is big-endian: htons ${isLittleEndian() ? 'exchanges the bytes' : 'changes nothing'} here`,
  )
}
