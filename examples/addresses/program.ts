/** PR3: addresses between text and bytes: the old forms of inet_aton, inet_pton and inet_ntop of both families, a sockaddr. */
import { htonl, htons, type Net32, ntohl } from '../../src/addr/byte-order.ts'
import type { Process } from '../../src/host/process.ts'
import {
  type InAddr,
  inet_addr,
  inet_aton,
  inet_network,
  inet_ntoa,
  inet_ntop,
  inet_pton,
} from '../../src/socket/arpa-inet.ts'
import { AF_INET, AF_INET6 } from '../../src/socket/constants.ts'
import { encodeSockaddr } from '../../src/socket/sockaddr.ts'
import { say } from '../stage.ts'

const hex = (bytes: Uint8Array): string => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join(' ')

const OLD_FORMS = [
  '192.0.2.1',
  '192.0.513',
  '192.513',
  '3221225985',
  '0xc0000201',
  '0300.0.02.01',
  '127.1',
  '192.0.2.256',
  '08.0.0.1',
]
const FOUR = ['192.0.2.1', '192.0.513', '192.0.2.01', '::1']
const SIX = ['2001:0DB8:0:0:1:0:0:1', '::1', '::', '::ffff:192.0.2.1', 'fe80::1', '1::2::3', '192.0.2.1']

/** Prints each conversion with C's result code. */
export async function addresses(process: Process): Promise<void> {
  for (const text of OLD_FORMS) {
    const address: InAddr = { s_addr: 0 as Net32 }
    const result = inet_aton(text, address)
    await say(process, `inet_aton("${text}") = ${result}${result === 1 ? `, ${inet_ntoa(address)}` : ''}`)
  }
  await say(
    process,
    `inet_addr("255.255.255.255") = 0x${inet_addr('255.255.255.255').toString(16)}, and so for bad text`,
  )
  await say(process, `inet_network("192.0.2") = 0x${inet_network('192.0.2').toString(16)}, in host order`)
  const four = new Uint8Array(4)
  for (const text of FOUR) {
    const result = inet_pton(AF_INET, text, four)
    await say(process, `inet_pton(AF_INET, "${text}") = ${result}${result === 1 ? `, bytes ${hex(four)}` : ''}`)
  }
  const six = new Uint8Array(16)
  for (const text of SIX) {
    const result = inet_pton(AF_INET6, text, six)
    await say(
      process,
      `inet_pton(AF_INET6, "${text}") = ${result}${result === 1 ? `, again as text ${inet_ntop(AF_INET6, six)}` : ''}`,
    )
  }
  const loopback = 0x7f000001
  await say(process, `INADDR_LOOPBACK 0x${loopback.toString(16)} is ${inet_ntoa({ s_addr: htonl(loopback) })}`)
  const bytes = encodeSockaddr({
    sin_family: AF_INET,
    sin_port: htons(7777),
    sin_addr: htonl(ntohl(inet_addr('192.0.2.1'))),
  })
  await say(process, `struct sockaddr_in, ${bytes.length} bytes: ${hex(bytes)}`)
}
