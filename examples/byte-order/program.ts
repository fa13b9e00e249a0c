/** PR2: from host order to network order and back, of 16, 32 and 64 bits, with the bytes that go over the wire. */
import { be64toh, htobe64, htonl, htons, ntohl, ntohs } from '../../src/addr/byte-order.ts'
import type { Process } from '../../src/host/process.ts'
import { say } from '../stage.ts'

const hex = (value: number | bigint, bytes: number): string => `0x${value.toString(16).padStart(2 * bytes, '0')}`
const wire = (value: Uint16Array | Uint32Array | BigUint64Array): string =>
  [...new Uint8Array(value.buffer)].map((b) => b.toString(16).padStart(2, '0')).join(' ')

/** Prints a line for each value: what was converted, how it stands in memory now, and what comes back. */
export async function byteOrder(process: Process): Promise<void> {
  for (const port of [80, 7777, 0x0102, 0xffff]) {
    const net = htons(port)
    await say(
      process,
      `htons(${hex(port, 2)}) = ${hex(net, 2)}, on the wire ${wire(Uint16Array.of(net))}, ntohs gives ${ntohs(net)}`,
    )
  }
  for (const address of [0x7f000001, 0xc0000201, 0x01020304, 0xffffffff]) {
    const net = htonl(address)
    await say(
      process,
      `htonl(${hex(address, 4)}) = ${hex(net, 4)}, on the wire ${wire(Uint32Array.of(net))}, ntohl gives ${ntohl(net)}`,
    )
  }
  const net = htobe64(0x0102030405060708n)
  await say(
    process,
    `htobe64(${hex(0x0102030405060708n, 8)}) = ${hex(net, 8)}, on the wire ${wire(BigUint64Array.of(net))}, be64toh gives ${be64toh(net)}`,
  )
  // The type of a port in network order is not that of a number: the next line would not compile.
  // const sin_port: Net16 = 7777
  await say(process, `forgotten htons: port 7777 goes out as ${ntohs(7777 as never)}`)
}
