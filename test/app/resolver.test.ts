/** Names on virtual hosts: getaddrinfo(3), getnameinfo(3), the stub resolver, /etc/hosts, resolv.conf(5), services(5). */
import assert from 'node:assert/strict'
import test from 'node:test'
import * as etc from '../../src/app/etc.ts'
import { getaddrinfo, getnameinfo, type NamedAddress } from '../../src/app/getaddrinfo.ts'
import * as n from '../../src/app/netdb.ts'
import type { Process } from '../../src/host/process.ts'
import * as c from '../../src/socket/constants.ts'
import { put16 } from '../../src/wire/bytes.ts'
import * as dns from '../../src/wire/dns.ts'
import { B, bytes, type Net, net, outcome } from '../host/net.ts'

const A_RECORD = (name: string, address: string): dns.ResourceRecord => ({
  name,
  type: address.includes(':') ? dns.TYPE_AAAA : dns.TYPE_A,
  class: dns.CLASS_IN,
  ttl: 60,
  data: address,
})
const NAME_RECORD = (name: string, type: number, data: string): dns.ResourceRecord => ({
  ...A_RECORD(name, ''),
  type,
  data,
})

const ZONE: readonly dns.ResourceRecord[] = [
  A_RECORD('www.example.org', '192.0.2.80'),
  A_RECORD('www.example.org', '2001:db8::80'),
  A_RECORD('four.example.org', '192.0.2.4'),
  A_RECORD('six.example.org', '2001:db8::6'),
  NAME_RECORD('alias.example.org', dns.TYPE_CNAME, 'www.example.org'),
  NAME_RECORD('empty.example.org', dns.TYPE_TXT, ''),
  NAME_RECORD('80.2.0.192.in-addr.arpa', dns.TYPE_PTR, 'www.example.org'),
  A_RECORD('near.example.org', '10.0.0.77'),
  A_RECORD('near.example.org', '198.51.100.1'),
  A_RECORD('near.example.org', '10.0.0.3'),
  ...Array.from({ length: 40 }, (_, i) => A_RECORD('many.example.org', `10.1.0.${i}`)),
]

/** What the zone says to a question. */
function reply(query: dns.Message, silent: ReadonlySet<string>): dns.Message | null {
  const [question] = query.questions
  if (question === undefined || silent.has(question.name)) return null
  let { name } = question
  const answers: dns.ResourceRecord[] = []
  for (const r of ZONE) {
    if (!dns.sameName(r.name, name)) continue
    if (r.type === question.type || r.type === dns.TYPE_CNAME) answers.push(r)
    if (r.type === dns.TYPE_CNAME) name = r.data as string
    if (r.type === dns.TYPE_CNAME)
      answers.push(...ZONE.filter((o) => dns.sameName(o.name, name) && o.type === question.type))
  }
  const rcode = ZONE.some((r) => dns.sameName(r.name, question.name)) ? dns.NOERROR : dns.NXDOMAIN
  const flags = dns.FLAG_QR | dns.FLAG_RD | dns.FLAG_RA
  return { ...query, flags, rcode, answers }
}

/** Questions a server saw, as `name type transport`. */
type Seen = string[]

/** A name server on UDP and TCP. */
function serve(process: Process, seen: Seen, silent: ReadonlySet<string> = new Set()): void {
  const note = (m: dns.Message, transport: string): void => {
    const [q] = m.questions
    seen.push(`${q?.name} ${q?.type} ${transport}`)
  }
  const datagrams = async (): Promise<void> => {
    const fd = process.socket(c.AF_INET, c.SOCK_DGRAM)
    process.bind(fd, { port: dns.PORT })
    for (;;) {
      const buffer = new Uint8Array(512)
      const from = { address: '', port: 0 }
      const length = await process.recvfrom(fd, buffer, 0, from)
      const query = dns.parse(buffer.subarray(0, length)) as dns.Message
      note(query, 'udp')
      const answer = reply(query, silent)
      if (answer !== null) await process.sendto(fd, dns.emit(answer, dns.MAX_UDP), 0, from)
    }
  }
  const streams = async (): Promise<void> => {
    const listener = process.socket(c.AF_INET, c.SOCK_STREAM)
    process.bind(listener, { port: dns.PORT })
    process.listen(listener, 5)
    for (;;) {
      const fd = await process.accept(listener)
      const buffer = new Uint8Array(514)
      for (let length = await process.read(fd, buffer); length > 0; length = await process.read(fd, buffer)) {
        const query = dns.parse(buffer.subarray(2, length)) as dns.Message
        note(query, 'tcp')
        const answer = dns.emit(reply(query, silent) as dns.Message)
        const framed = new Uint8Array(answer.length + 2)
        put16(framed, 0, answer.length)
        framed.set(answer, 2)
        await process.write(fd, framed)
      }
      await process.close(fd)
    }
  }
  void datagrams()
  void streams()
}

function writeFile(process: Process, path: string, content: string): void {
  const fd = process.open(path, c.O_CREAT | c.O_WRONLY | c.O_TRUNC, 0o644)
  void process.write(fd, bytes(content))
  void process.close(fd)
}

interface World extends Net {
  readonly client: Process
  readonly seen: Seen
  /** Runs until the promise is settled: what it gives, or the code of its error. */
  settle<T>(promise: Promise<T>): Promise<T | string>
}

/** Host a asks, host b answers. */
function world(resolv = `nameserver ${B}\n`, silent?: ReadonlySet<string>): World {
  const lab = net()
  const client = lab.a.createProcess()
  writeFile(client, '/etc/resolv.conf', resolv)
  const seen: Seen = []
  serve(lab.b.createProcess(), seen, silent)
  const settle = async <T>(promise: Promise<T>): Promise<T | string> => {
    const settled = promise.catch((error: unknown) => {
      if (error instanceof n.GaiError) return error.code
      throw error
    })
    return (await lab.clock.runUntil(settled)) as T | string
  }
  return { ...lab, client, seen, settle }
}

const STREAM = { socktype: c.SOCK_STREAM }
const addresses = (result: readonly n.AddrInfo[] | string): unknown =>
  typeof result === 'string' ? result : result.map((i) => i.addr.address)

test('a name in the DNS gives its addresses of both families, those with a way there first (getaddrinfo(3), RFC 6724)', async () => {
  const { client, settle, seen } = world()
  const result = await settle(getaddrinfo(client, 'www.example.org', 'http', { ...STREAM, flags: 0 }))
  const info = { flags: 0, socktype: 1, protocol: 6 }
  assert.deepEqual(result, [
    { ...info, family: 2, addr: { family: 2, address: '192.0.2.80', port: 80 } },
    { ...info, family: 10, addr: { family: 10, address: '2001:db8::80', port: 80 } },
  ])
  assert.deepEqual(seen, ['www.example.org 1 udp', 'www.example.org 28 udp'])
})

test('hints of one family ask for that type only; AI_CANONNAME names the end of the aliases', async () => {
  const { client, settle, seen } = world()
  const hints = { ...STREAM, family: c.AF_INET, flags: n.AI_CANONNAME }
  const result = (await settle(getaddrinfo(client, 'alias.example.org', null, hints))) as n.AddrInfo[]
  assert.deepEqual(addresses(result), ['192.0.2.80'])
  assert.equal(result[0]?.canonname, 'www.example.org')
  assert.deepEqual(seen, ['alias.example.org 1 udp'])
  const six = { ...STREAM, family: c.AF_INET6, flags: 0 }
  assert.deepEqual(addresses(await settle(getaddrinfo(client, 'www.example.org', null, six))), ['2001:db8::80'])
})

test('AI_V4MAPPED gives IPv4 as IPv6 where there is none, with AI_ALL beside it; AI_ADDRCONFIG asks for no AAAA', async () => {
  const { client, settle, seen } = world()
  const ask = async (name: string, flags: number, family: number): Promise<unknown> =>
    addresses(await settle(getaddrinfo(client, name, null, { ...STREAM, family, flags })))
  assert.deepEqual(await ask('four.example.org', n.AI_V4MAPPED, c.AF_INET6), ['::ffff:192.0.2.4'])
  assert.equal(await ask('four.example.org', 0, c.AF_INET6), 'EAI_NODATA')
  assert.deepEqual(await ask('www.example.org', n.AI_V4MAPPED, c.AF_INET6), ['2001:db8::80'])
  assert.deepEqual(
    new Set((await ask('www.example.org', n.AI_V4MAPPED | n.AI_ALL, c.AF_INET6)) as string[]),
    new Set(['2001:db8::80', '::ffff:192.0.2.80']),
  )
  seen.length = 0
  assert.deepEqual(await ask('www.example.org', n.AI_ADDRCONFIG, c.AF_UNSPEC), ['192.0.2.80'])
  assert.deepEqual(seen, ['www.example.org 1 udp'])
})

test('names that are not there, have no address, or get no answer: EAI_NONAME, EAI_NODATA, EAI_AGAIN', async () => {
  const { client, clock, settle, seen } = world(undefined, new Set(['silent.example.org']))
  const ask = (name: string): Promise<unknown> => settle(getaddrinfo(client, name, null, { family: c.AF_INET }))
  assert.equal(await ask('nobody.example.org'), 'EAI_NONAME')
  assert.equal(await ask('empty.example.org'), 'EAI_NODATA')
  assert.equal(await ask('bad..name'), 'EAI_FAIL')
  seen.length = 0
  const began = clock.now()
  assert.equal(await ask('silent.example.org'), 'EAI_AGAIN')
  // 5 s twice (resolv.conf(5): timeout, attempts).
  assert.equal(Math.round((clock.now() - began) / 1e6), 10)
  assert.deepEqual(seen, ['silent.example.org 1 udp', 'silent.example.org 1 udp'])
})

test('an answer too long for UDP is asked for again over TCP (RFC 1035 §4.2.2, RFC 7766)', async () => {
  const { client, settle, seen } = world()
  const result = await settle(getaddrinfo(client, 'many.example.org', null, { ...STREAM, family: c.AF_INET }))
  assert.equal(result.length, 40)
  assert.deepEqual(seen, ['many.example.org 1 udp', 'many.example.org 1 tcp'])
})

test('options use-vc and timeout, attempts: TCP at once; so many seconds and rounds (resolv.conf(5))', async () => {
  const tcp = world(`nameserver ${B}\noptions use-vc\n`)
  await tcp.settle(getaddrinfo(tcp.client, 'four.example.org', null, { ...STREAM, family: c.AF_INET }))
  assert.deepEqual(tcp.seen, ['four.example.org 1 tcp'])
  const { client, clock, settle, seen } = world(
    `nameserver ${B}\noptions timeout:2 attempts:3\n`,
    new Set(['x.example.org']),
  )
  const began = clock.now()
  assert.equal(await settle(getaddrinfo(client, 'x.example.org', null, { family: c.AF_INET })), 'EAI_AGAIN')
  assert.equal(Math.round((clock.now() - began) / 1e6), 6)
  assert.equal(seen.length, 3)
})

test('a server that refuses is left for the next at once, one that is silent after its time (resolv.conf(5))', async () => {
  const refusing = world(`nameserver 127.0.0.1\nnameserver ${B}\n`)
  const began = refusing.clock.now()
  assert.deepEqual(addresses(await refusing.settle(getaddrinfo(refusing.client, 'four.example.org', null, STREAM))), [
    '192.0.2.4',
  ])
  assert.ok(refusing.clock.now() - began < 1e6)
  const silent = world(`nameserver 10.0.0.99\nnameserver ${B}\n`)
  const then = silent.clock.now()
  assert.deepEqual(addresses(await silent.settle(getaddrinfo(silent.client, 'four.example.org', null, STREAM))), [
    '192.0.2.4',
  ])
  // Nobody has 10.0.0.99: ARP says so after 3 s, before the 5 s of the server are over.
  assert.ok(silent.clock.now() - then <= 5.1e6)
})

test('a name with fewer dots than ndots is completed first, others are tried as they are first (resolv.conf(5): search)', async () => {
  const { client, settle, seen } = world(`nameserver ${B}\nsearch lab.example example.org\n`)
  const hints = { ...STREAM, family: c.AF_INET }
  assert.deepEqual(addresses(await settle(getaddrinfo(client, 'four', null, hints))), ['192.0.2.4'])
  assert.deepEqual(seen, ['four.lab.example 1 udp', 'four.example.org 1 udp'])
  seen.length = 0
  assert.equal(await settle(getaddrinfo(client, 'a.b', null, hints)), 'EAI_NONAME')
  assert.deepEqual(seen, ['a.b 1 udp', 'a.b.lab.example 1 udp', 'a.b.example.org 1 udp'])
  seen.length = 0
  assert.equal(await settle(getaddrinfo(client, 'a.', null, hints)), 'EAI_NONAME')
  assert.deepEqual(seen, ['a 1 udp'])
})

test('/etc/hosts comes before the DNS; without the file localhost is known (hosts(5))', async () => {
  const { client, settle, seen } = world()
  const hints = { ...STREAM, family: c.AF_INET, flags: n.AI_CANONNAME }
  assert.deepEqual(addresses(await settle(getaddrinfo(client, 'localhost', null, hints))), ['127.0.0.1'])
  writeFile(
    client,
    '/etc/hosts',
    '127.0.0.1 localhost\n10.0.0.2\tserver.lab server www.example.org # ours\nbad line\n10.0.0.9 server\n',
  )
  const result = (await settle(getaddrinfo(client, 'SERVER', null, hints))) as n.AddrInfo[]
  assert.deepEqual(new Set(addresses(result) as string[]), new Set(['10.0.0.2', '10.0.0.9']))
  assert.equal(result[0]?.canonname, 'server.lab')
  assert.deepEqual(addresses(await settle(getaddrinfo(client, 'www.example.org', null, hints))), ['10.0.0.2'])
  assert.deepEqual(seen, [])
})

test('of several addresses the one on our own net that shares most bits comes first (RFC 6724 rule 9, within a subnet)', async () => {
  const { client, settle } = world()
  const result = await settle(getaddrinfo(client, 'near.example.org', null, { ...STREAM, family: c.AF_INET }))
  // 198.51.100.1 has no route here: rule 1. 10.0.0.3 shares 30 bits with 10.0.0.1, 10.0.0.77 shares 25.
  assert.deepEqual(addresses(result), ['10.0.0.3', '10.0.0.77', '198.51.100.1'])
})

test('an answer of getaddrinfo goes into socket and connect as it is; IPv6 is refused there (EAFNOSUPPORT)', async () => {
  const { client, settle } = world()
  const [info] = (await settle(getaddrinfo(client, B, '53', STREAM))) as [n.AddrInfo]
  const fd = client.socket(info.family, info.socktype, info.protocol)
  assert.equal(await settle(Promise.resolve(client.connect(fd, info.addr))), 0)
  const [six] = (await settle(getaddrinfo(client, '2001:db8::1', '53', STREAM))) as [n.AddrInfo]
  assert.equal(
    outcome(() => client.socket(six.family, six.socktype)),
    'EAFNOSUPPORT',
  )
  const other = client.socket(c.AF_INET, c.SOCK_STREAM)
  assert.equal(
    outcome(() => client.connect(other, six.addr)),
    'EAFNOSUPPORT',
  )
})

test('services by name and number: the built-in table, or /etc/services (services(5))', async () => {
  const { client, settle } = world()
  const port = async (service: string, hints: n.AddrInfoHints): Promise<unknown> => {
    const result = await settle(getaddrinfo(client, '127.0.0.1', service, hints))
    return typeof result === 'string' ? result : result.map((i) => `${i.socktype}:${i.addr.port}`)
  }
  assert.deepEqual(await port('domain', {}), ['1:53', '2:53'])
  assert.deepEqual(await port('www', STREAM), ['1:80'])
  assert.equal(await port('http', { socktype: c.SOCK_DGRAM }), 'EAI_SERVICE')
  assert.equal(await port('http', { flags: n.AI_NUMERICSERV }), 'EAI_NONAME')
  writeFile(client, '/etc/services', 'lesson 7777/tcp course # ours\n')
  assert.deepEqual(await port('course', STREAM), ['1:7777'])
  assert.equal(await port('http', STREAM), 'EAI_SERVICE')
})

test('getnameinfo gives names by /etc/hosts, PTR and services, numbers where there are none (getnameinfo(3))', async () => {
  const { client, settle, seen } = world()
  const name = (sa: NamedAddress, flags?: number): Promise<unknown> => settle(getnameinfo(client, sa, flags))
  assert.deepEqual(await name({ address: '192.0.2.80', port: 80 }), { host: 'www.example.org', service: 'http' })
  assert.deepEqual(seen, ['80.2.0.192.in-addr.arpa 12 udp'])
  assert.deepEqual(await name({ address: '127.0.0.1', port: 53 }, n.NI_DGRAM), { host: 'localhost', service: 'domain' })
  assert.deepEqual(await name({ address: '192.0.2.9', port: 9999 }), { host: '192.0.2.9', service: '9999' })
  assert.equal(await name({ address: '192.0.2.9' }, n.NI_NAMEREQD), 'EAI_NONAME')
  const numbers = n.NI_NUMERICHOST | n.NI_NUMERICSERV
  assert.deepEqual(await name({ address: '192.0.2.80', port: 80 }, numbers), { host: '192.0.2.80', service: '80' })
  assert.deepEqual(await name({ family: c.AF_INET6, address: '2001:DB8:0::1' }, numbers), {
    host: '2001:db8::1',
    service: '0',
  })
  assert.deepEqual(await name({ family: c.AF_UNIX, path: '/tmp/s' }, n.NI_NUMERICHOST), {
    host: 'localhost',
    service: '/tmp/s',
  })
  assert.equal(await name({ address: '192.0.2.80' }, 1024), 'EAI_BADFLAGS')
  assert.equal(await name({ family: 77, address: '192.0.2.80' }), 'EAI_FAMILY')
})

test('resolv.conf: three servers, comments, domain and search, options with their limits (resolv.conf(5))', () => {
  const conf = etc.parseResolvConf(
    '# comment\n; comment\nnameserver 192.0.2.1\nnameserver bad\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n' +
      'domain one.example\nsearch two.example three.example\noptions ndots:99 timeout:99 attempts:99 rotate single-request\n',
    'host.own.example',
  )
  assert.deepEqual(conf, {
    nameservers: ['192.0.2.1', '192.0.2.2', '192.0.2.3'],
    search: ['two.example', 'three.example'],
    ndots: 15,
    timeout: 30,
    attempts: 5,
    rotate: true,
    useVc: false,
    singleRequest: true,
  })
  const none = etc.parseResolvConf('', 'host.own.example')
  assert.deepEqual(
    [none.nameservers, none.search, none.ndots, none.timeout, none.attempts],
    [['127.0.0.1'], ['own.example'], 1, 5, 2],
  )
})
