/** Names and URIs (AD4, AD5): the hosts file, getaddrinfo, getnameinfo, the parts of a URI: `node --import tsx examples/names/run.ts`. */
import { getaddrinfo, getnameinfo } from '../../src/app/getaddrinfo.ts'
import { AI_NUMERICHOST } from '../../src/app/netdb.ts'
import type { Process } from '../../src/host/process.ts'
import { O_APPEND, O_CREAT, O_WRONLY, SOCK_STREAM } from '../../src/socket/constants.ts'
import { bytes, network, SERVER, say, speaker } from '../stage.ts'

async function names(process: Process): Promise<void> {
  const hosts = process.open('/etc/hosts', O_WRONLY | O_CREAT | O_APPEND, 0o644)
  await process.write(hosts, bytes(`${SERVER} www.example.com www\n`))
  await process.close(hosts)

  const uri = new URL('http://reader:secret@www.example.com:8080/notes/sockets?page=3#tcp')
  const { protocol, username, hostname, port, pathname, search, hash } = uri
  await say(process, `${uri}`)
  await say(process, `scheme ${protocol} user ${username} host ${hostname} port ${port}`)
  await say(process, `path ${pathname} query ${search} fragment ${hash}`)

  const hints = { socktype: SOCK_STREAM }
  for (const service of [port, 'http', 'echo']) {
    const [answer] = await getaddrinfo(process, hostname, service, hints)
    await say(process, `getaddrinfo ${hostname} ${service}: ${answer?.addr.address} ${answer?.addr.port}`)
  }
  const { host, service } = await getnameinfo(process, { address: SERVER, port: 80 })
  await say(process, `getnameinfo ${SERVER} 80: ${host} ${service}`)
  const failure = await getaddrinfo(process, '192.0.2.300', null, { flags: AI_NUMERICHOST }).catch(
    (error: Error) => error.message,
  )
  await say(process, `getaddrinfo 192.0.2.300: ${failure}`)
}

const { net } = network()
net.host('client').spawn(names, { output: speaker('client') })
await net.run()
