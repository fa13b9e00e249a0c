/**
 * The stub resolver (resolver(3), RFC 1035 §7, glibc's res_send.c and res_query.c): questions to the name servers of
 * resolv.conf(5) over UDP, over TCP what is truncated, each server in turn, all of them again; and the search list.
 */
import type { Process } from '../host/process.ts'
import {
  AF_INET,
  MSG_NOSIGNAL,
  POLLIN,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from '../socket/constants.ts'
import { EAGAIN, SystemError } from '../sys/errno.ts'
import { get16, put16 } from '../wire/bytes.ts'
import * as dns from '../wire/dns.ts'
import type { ResolvConf } from './etc.ts'

/** Bytes of an answer over UDP we have room for. */
const MAX_ANSWER = 65535
const MS = 1000

/** Ends of a search, as h_errno tells them (gethostbyname(3)). */
export type Outcome = 'found' | 'HOST_NOT_FOUND' | 'NO_DATA' | 'TRY_AGAIN' | 'NO_RECOVERY'

/** What became of a question about a name. */
export interface Answer {
  readonly outcome: Outcome
  /** Records of the types asked for, of the name or what it stands for. */
  readonly records: readonly dns.ResourceRecord[]
  /** The name they have: the end of the chain of CNAMEs. */
  readonly canonical: string
}

/** A question on its way, with the answer once it is there. */
interface Query {
  readonly id: number
  readonly question: dns.Question
  readonly bytes: Uint8Array
  answer: dns.Message | null
}

/** res_search: the name as it is, and completed with the domains of the search list, in the order `ndots` says. */
export async function search(
  process: Process,
  conf: ResolvConf,
  name: string,
  types: readonly number[],
): Promise<Answer> {
  const isAbsolute = name.endsWith('.')
  const dots = name.split('.').length - 1
  const ask = (full: string): Promise<Answer> => query(process, conf, full, types)
  let first: Answer | null = null
  if (isAbsolute || dots >= conf.ndots) {
    first = await ask(name)
    if (first.outcome === 'found' || isAbsolute) return first
  }
  let last: Answer | null = first
  let hadNoData: Answer | null = null
  let hadFailure: Answer | null = null
  for (const domain of conf.search) {
    last = await ask(domain === '.' ? name : `${name}.${domain}`)
    if (last.outcome === 'found') return last
    if (last.outcome === 'NO_DATA') hadNoData = last
    else if (last.outcome === 'TRY_AGAIN') {
      hadFailure = last
      break
    } else if (last.outcome !== 'HOST_NOT_FOUND') break
  }
  if (first === null) {
    last = await ask(name)
    if (last.outcome === 'found') return last
  }
  return first ?? hadNoData ?? hadFailure ?? (last as Answer)
}

/** res_query: all types of one name, at the same time unless the configuration says otherwise. */
export async function query(
  process: Process,
  conf: ResolvConf,
  name: string,
  types: readonly number[],
): Promise<Answer> {
  if (dns.labels(name) === undefined) return { outcome: 'NO_RECOVERY', records: [], canonical: name }
  const { random } = process.host.stack
  const queries = types.map((type): Query => {
    const id = random.below(0x10000)
    const question = { name, type, class: dns.CLASS_IN }
    return {
      id,
      question,
      bytes: dns.emit(dns.message({ id, flags: dns.FLAG_RD, questions: [question] })),
      answer: null,
    }
  })
  for (const batch of conf.singleRequest ? queries.map((q) => [q]) : [queries]) await sendAll(process, conf, batch)
  return judge(name, queries)
}

function judge(name: string, queries: readonly Query[]): Answer {
  let canonical = name
  const records: dns.ResourceRecord[] = []
  let outcome: Outcome = 'NO_DATA'
  for (const { answer, question } of queries) {
    if (answer === null) outcome = 'TRY_AGAIN'
    else if (answer.rcode === dns.NXDOMAIN) outcome = 'HOST_NOT_FOUND'
    else if (answer.rcode !== dns.NOERROR) outcome = 'NO_RECOVERY'
    let owner = name
    for (const record of answer?.answers ?? []) {
      if (!dns.sameName(record.name, owner)) continue
      if (record.type === question.type) records.push(record)
      else if (record.type === dns.TYPE_CNAME) owner = record.data as string
    }
    if (records.length > 0) canonical = owner
  }
  return { outcome: records.length > 0 ? 'found' : outcome, records, canonical }
}

/** res_send: every server, `attempts` times, until all questions have answers. */
async function sendAll(process: Process, conf: ResolvConf, queries: readonly Query[]): Promise<void> {
  const count = conf.nameservers.length
  const start = conf.rotate ? process.host.stack.random.below(count) : 0
  for (let attempt = 0; attempt < conf.attempts; attempt++) {
    for (let i = 0; i < count; i++) {
      const server = conf.nameservers[(start + i) % count] as string
      // Later servers get more time, but the more of them the less.
      const seconds = Math.max(i === 0 ? conf.timeout : Math.floor((conf.timeout << i) / count), 1)
      const open = queries.filter((q) => q.answer === null)
      try {
        const isTruncated = conf.useVc || (await sendDatagrams(process, server, seconds * MS, open))
        if (isTruncated)
          await sendStream(
            process,
            server,
            open.filter((q) => q.answer === null || isCut(q.answer)),
          )
      } catch (error) {
        // Refused, unreachable, reset: the next one.
        if (!(error instanceof SystemError)) throw error
      }
      if (queries.every((q) => q.answer !== null)) return
    }
  }
}

const isCut = (answer: dns.Message): boolean => (answer.flags & dns.FLAG_TC) !== 0

/** Takes an answer in if it is to one of the questions; one of a server that will not or cannot makes room for the next. */
function accept(bytes: Uint8Array, queries: readonly Query[]): 'answer' | 'refusal' | 'other' {
  const message = dns.parse(bytes)
  if (message === undefined || (message.flags & dns.FLAG_QR) === 0) return 'other'
  const query = queries.find(({ id, question }) => {
    const asked = message.questions[0]
    return id === message.id && asked?.type === question.type && dns.sameName(asked.name, question.name)
  })
  if (query === undefined) return 'other'
  const { rcode } = message
  if (rcode === dns.SERVFAIL || rcode === dns.NOTIMP || rcode === dns.REFUSED) return 'refusal'
  query.answer = message
  return 'answer'
}

/** send_dg: all questions from one connected socket; true if an answer was truncated. */
async function sendDatagrams(
  process: Process,
  server: string,
  timeoutMs: number,
  queries: readonly Query[],
): Promise<boolean> {
  const { clock } = process.host
  const fd = process.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
  try {
    await process.connect(fd, { address: server, port: dns.PORT })
    for (const { bytes } of queries) await process.send(fd, bytes)
    const buffer = new Uint8Array(MAX_ANSWER)
    const end = clock.now() + timeoutMs * MS
    while (queries.some((q) => q.answer === null)) {
      const left = Math.ceil((end - clock.now()) / MS)
      if (left <= 0 || (await process.poll([{ fd, events: POLLIN, revents: 0 }], left)) === 0) return false
      const length = await receive(process, fd, buffer)
      if (length !== null && accept(buffer.slice(0, length), queries) === 'refusal') return false
    }
    return queries.some((q) => q.answer !== null && isCut(q.answer))
  } finally {
    await process.close(fd)
  }
}

/** recv that finds nothing after all, a datagram with a bad checksum say, gives null. */
async function receive(process: Process, fd: number, buffer: Uint8Array): Promise<number | null> {
  try {
    return await process.recv(fd, buffer)
  } catch (error) {
    if (error instanceof SystemError && error.errno === -EAGAIN) return null
    throw error
  }
}

/** send_vc: over TCP each message has its length before it (RFC 1035 §4.2.2). */
async function sendStream(process: Process, server: string, queries: readonly Query[]): Promise<void> {
  // What was cut off is no answer, whatever becomes of this.
  for (const query of queries) query.answer = null
  const fd = process.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC)
  try {
    await process.connect(fd, { address: server, port: dns.PORT })
    for (const query of queries) {
      const framed = new Uint8Array(query.bytes.length + 2)
      put16(framed, 0, query.bytes.length)
      framed.set(query.bytes, 2)
      await process.send(fd, framed, MSG_NOSIGNAL)
    }
    while (queries.some((q) => q.answer === null)) {
      const length = await readWhole(process, fd, 2)
      const bytes = length === null ? null : await readWhole(process, fd, get16(length, 0))
      if (bytes === null || accept(bytes, queries) === 'refusal') return
    }
  } finally {
    await process.close(fd)
  }
}

/** Reads so many bytes; null if the stream ends before. */
async function readWhole(process: Process, fd: number, length: number): Promise<Uint8Array | null> {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; ) {
    const n = await process.read(fd, bytes, at)
    if (n === 0) return null
    at += n
  }
  return bytes
}
