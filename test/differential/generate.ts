/**
 * Scripts made at random: sockets of every kind in some state, then calls on them, mostly sensible ones. The same seed gives the
 * same script. Ports are 7000 to 7009, so that many scripts can share a namespace of the kernel.
 */
import { Random } from '../../src/sys/random.ts'
import { parseStep, type Script } from './script.ts'

type Kind = 'tcp' | 'listener' | 'udp' | 'stream' | 'local' | 'dgram' | 'seqpacket' | 'pipe' | 'event' | 'epoll'

interface Variable {
  readonly name: string
  readonly kind: Kind
}

const SEND_FLAGS = [
  '0',
  '0',
  '0',
  '0',
  'MSG_NOSIGNAL',
  'MSG_DONTWAIT',
  'MSG_OOB',
  'MSG_EOR',
  'MSG_DONTROUTE',
  'MSG_CONFIRM',
]
const RECV_FLAGS = [
  '0', '0', '0', '0', '0', 'MSG_PEEK', 'MSG_PEEK', 'MSG_TRUNC', 'MSG_PEEK|MSG_TRUNC', 'MSG_WAITALL', 'MSG_DONTWAIT', 'MSG_OOB',
  'MSG_OOB|MSG_PEEK', 'MSG_PEEK|MSG_WAITALL', 'MSG_ERRQUEUE',
] // biome-ignore format: a list
const SIZES = [0, 1, 2, 5, 10, 100, 1000, 5000]
const OPTIONS = [
  'SO_ERROR',
  'SO_ERROR',
  'SO_ERROR',
  'SO_TYPE',
  'SO_ACCEPTCONN',
  'SO_RCVLOWAT',
  'SO_LINGER',
  'SO_REUSEADDR',
  'SO_SNDBUF',
  'SO_DOMAIN',
]
// Not SO_REUSEPORT: who of a group is chosen is chance.
const FLAG_OPTIONS = ['SO_REUSEADDR', 'SO_KEEPALIVE', 'SO_OOBINLINE', 'SO_BROADCAST', 'SO_DONTROUTE']
const POLL_MASKS = ['POLLIN', 'POLLOUT', 'POLLIN|POLLOUT', 'POLLPRI', 'POLLRDHUP', '0', 'POLLIN|POLLRDHUP', '0x23ff']
const EPOLL_MASKS = [
  'EPOLLIN',
  'EPOLLOUT',
  'EPOLLIN|EPOLLOUT',
  'EPOLLIN|EPOLLRDHUP',
  '0',
  'EPOLLPRI',
  'EPOLLIN|EPOLLOUT|EPOLLRDHUP|EPOLLPRI',
]
const EPOLL_MODES = ['', '', '', '|EPOLLET', '|EPOLLET', '|EPOLLONESHOT', '|EPOLLET|EPOLLONESHOT', '|EPOLLEXCLUSIVE']
const TCP_OPTIONS = ['TCP_NODELAY', 'TCP_CORK', 'TCP_QUICKACK', 'TCP_KEEPCNT', 'TCP_USER_TIMEOUT']
const NB = 'SOCK_NONBLOCK'

class Generator {
  readonly #random: Random
  readonly #lines: string[] = []
  readonly #variables: Variable[] = []
  #count = 0

  constructor(random: Random) {
    this.#random = random
  }

  script(): string[] {
    const kinds = 1 + this.#below(3)
    for (let i = 0; i < kinds; i++) this.#opening()
    const length = 4 + this.#below(26)
    for (let i = 0; i < length; i++) this.#step()
    return this.#lines
  }

  #below(n: number): number {
    return this.#random.below(n)
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)] as T
  }

  #isOnce(inSo: number): boolean {
    return this.#below(inSo) === 0
  }

  #line(text: string): void {
    this.#lines.push(text)
  }

  /** A variable of `kind` for a new descriptor. */
  #new(kind: Kind): string {
    const name = `${kind[0]}${++this.#count}`
    this.#variables.push({ name, kind })
    return name
  }

  #of(...kinds: readonly Kind[]): string | undefined {
    const fitting = this.#variables.filter(({ kind }) => kinds.includes(kind))
    return fitting.length === 0 ? undefined : this.#pick(fitting).name
  }

  /** Mostly a variable of these kinds, sometimes any. */
  #mostly(...kinds: readonly Kind[]): string {
    return (this.#isOnce(12) ? undefined : this.#of(...kinds)) ?? this.#pick(this.#variables).name
  }

  /** Size and flags of a recv; peeking at no bytes is a corner of its own (docs/differences.md, empty-peek). */
  #asked(): string {
    const flags = this.#pick(RECV_FLAGS)
    return `${this.#pick(flags.includes('PEEK') ? SIZES.slice(1) : SIZES)}, ${flags}`
  }

  /** Something to be passed along; not a local socket: when cycles of those are collected is up to a worker of Linux. */
  #sendable(): string {
    return this.#of('tcp', 'listener', 'udp', 'pipe', 'event', 'epoll') ?? '63'
  }

  #address(): string {
    const host = this.#pick(['127.0.0.1', '127.0.0.1', '127.0.0.1', '127.0.0.1', '127.0.0.2', '0.0.0.0'])
    return `${host}:${7000 + this.#below(4)}`
  }

  #localAddress(): string {
    return this.#pick(['unix:/a', 'unix:/b', 'unix:@a', 'unix:@b'])
  }

  #opening(): void {
    switch (this.#below(9)) {
      case 0:
      case 1:
      case 2:
        this.#connection()
        break
      case 3:
        this.#datagrams()
        break
      case 4: {
        const [type, kind] = this.#pick<[string, Kind]>([
          ['STREAM', 'local'],
          ['DGRAM', 'dgram'],
          ['SEQPACKET', 'seqpacket'],
        ])
        this.#line(`${this.#new(kind)}, ${this.#new(kind)} = socketpair(AF_UNIX, SOCK_${type}|${NB})`)
        break
      }
      case 5:
        this.#local()
        break
      case 6:
        this.#line(
          `${this.#new('pipe')}, ${this.#new('pipe')} = pipe2(O_NONBLOCK${this.#isOnce(5) ? '|O_DIRECT' : ''})`,
        )
        break
      case 7:
        this.#connection()
        this.#line(`${this.#new('epoll')} = epoll_create1(0)`)
        break
      default:
        this.#line(
          `${this.#new('event')} = eventfd(${this.#below(3)}, EFD_NONBLOCK${this.#isOnce(4) ? '|EFD_SEMAPHORE' : ''})`,
        )
        this.#line(`${this.#new('epoll')} = epoll_create1(0)`)
    }
  }

  #connection(): void {
    const port = 7000 + this.#below(3)
    const l = this.#new('listener')
    this.#line(`${l} = socket(AF_INET, SOCK_STREAM|${NB})`)
    if (this.#isOnce(4)) this.#line(`setsockopt(${l}, SOL_SOCKET, ${this.#pick(['SO_REUSEADDR', 'SO_OOBINLINE'])}, 1)`)
    this.#line(`bind(${l}, 127.0.0.1:${port})`)
    this.#line(`listen(${l}, ${this.#pick([0, 1, 5, 5, 5])})`)
    const connections = this.#pick([0, 1, 1, 1, 1, 2, 3])
    for (let i = 0; i < connections; i++) {
      const c = this.#new('tcp')
      this.#line(`${c} = socket(AF_INET, SOCK_STREAM|${NB})`)
      this.#line(`connect(${c}, 127.0.0.1:${port})`)
      if (!this.#isOnce(6)) this.#line(`${this.#new('tcp')} = accept4(${l}, ${NB})`)
    }
  }

  #datagrams(): void {
    const names = [this.#new('udp'), this.#new('udp')]
    for (const [i, name] of names.entries()) {
      this.#line(`${name} = socket(AF_INET, SOCK_DGRAM|${NB})`)
      if (!this.#isOnce(4)) this.#line(`bind(${name}, 127.0.0.1:${7000 + i})`)
    }
    for (const [i, name] of names.entries()) if (this.#isOnce(2)) this.#line(`connect(${name}, 127.0.0.1:${7001 - i})`)
  }

  #local(): void {
    const [type, kind] = this.#pick<[string, Kind]>([
      ['STREAM', 'local'],
      ['SEQPACKET', 'seqpacket'],
      ['DGRAM', 'dgram'],
    ])
    const l = this.#new(kind)
    const address = this.#localAddress()
    this.#line(`${l} = socket(AF_UNIX, SOCK_${type}|${NB})`)
    this.#line(`bind(${l}, ${address})`)
    if (kind !== 'dgram') this.#line(`listen(${l}, ${this.#below(3)})`)
    const c = this.#new(kind)
    this.#line(`${c} = socket(AF_UNIX, SOCK_${type}|${NB})`)
    this.#line(`connect(${c}, ${address})`)
    if (kind !== 'dgram' && !this.#isOnce(5)) this.#line(`${this.#new(kind)} = accept4(${l}, ${NB})`)
  }

  #data(): string {
    const size = this.#pick(SIZES)
    return size === 0 ? '""' : `"${String.fromCharCode(97 + this.#below(26))}" * ${size}`
  }

  #step(): void {
    const roll = this.#below(100)
    if (roll < 42) this.#transfer()
    else if (roll < 60) this.#line(this.#control())
    else if (roll < 74) this.#option()
    else if (roll < 88) this.#line(this.#readiness())
    else this.#line(this.#descriptor())
  }

  #transfer(): void {
    const fd = this.#mostly('tcp', 'tcp', 'udp', 'local', 'dgram', 'seqpacket', 'pipe', 'event')
    const to = this.#of('udp') === fd ? this.#address() : this.#isOnce(3) ? this.#address() : this.#localAddress()
    const lines = [
      `send(${fd}, ${this.#data()}, ${this.#pick(SEND_FLAGS)})`,
      `send(${fd}, ${this.#data()})`,
      `recv(${fd}, ${this.#asked()})`,
      `recv(${fd}, ${this.#pick(SIZES)})`,
      `recv(${fd}, ${this.#asked()})`,
      `recvfrom(${fd}, ${this.#asked()})`,
      `read(${fd}, ${this.#pick(SIZES)})`,
      `write(${fd}, ${this.#data()})`,
      `sendto(${fd}, ${this.#data()}, ${this.#pick(SEND_FLAGS)}, ${to})`,
      `readv(${fd}, [${this.#pick(SIZES)}, ${this.#pick(SIZES)}])`,
      `writev(${fd}, [${this.#data()}, ${this.#data()}])`,
      `recvmsg(${fd}, {iov: [${this.#pick(SIZES)}, ${this.#pick(SIZES.slice(1))}], control: ${this.#pick([0, 64])}}, ${this.#pick(RECV_FLAGS)})`,
      `sendmsg(${fd}, {iov: [${this.#data()}, ${this.#data()}]${this.#isOnce(3) ? `, name: ${to}` : ''}}, ${this.#pick(SEND_FLAGS)})`,
      `sendmsg(${fd}, {iov: ["r"], control: [cmsg(SOL_SOCKET, SCM_RIGHTS, [${this.#sendable()}])]})`,
    ]
    this.#line(this.#pick(lines))
  }

  #control(): string {
    const any = this.#mostly('tcp', 'listener', 'udp', 'local', 'dgram', 'seqpacket')
    switch (this.#below(9)) {
      case 0:
      case 1:
        return `shutdown(${any}, ${this.#pick(['SHUT_RD', 'SHUT_WR', 'SHUT_WR', 'SHUT_RDWR', '3'])})`
      case 2:
        return `connect(${any}, ${this.#isOnce(4) ? 'unspec' : this.#isOnce(3) ? this.#localAddress() : this.#address()})`
      case 3:
        return `listen(${this.#mostly('listener', 'tcp', 'local')}, ${this.#below(4)})`
      case 4:
      case 5:
        return `${this.#new('tcp')} = accept4(${this.#mostly('listener', 'local')}, ${NB})`
      case 6:
        return `bind(${any}, ${this.#isOnce(3) ? this.#localAddress() : this.#address()})`
      case 7: {
        const [kind, family, type] = this.#pick<[Kind, string, string]>([
          ['tcp', 'INET', 'STREAM'],
          ['udp', 'INET', 'DGRAM'],
          ['local', 'UNIX', 'STREAM'],
          ['dgram', 'UNIX', 'DGRAM'],
        ])
        return `${this.#new(kind)} = socket(AF_${family}, SOCK_${type}|${NB})`
      }
      default:
        return `${this.#pick(['getsockname', 'getpeername'])}(${any})`
    }
  }

  #option(): void {
    const fd = this.#mostly('tcp', 'listener', 'udp', 'local', 'dgram', 'seqpacket')
    const flag = this.#pick(FLAG_OPTIONS)
    this.#line(
      this.#pick([
        `getsockopt(${fd}, SOL_SOCKET, ${this.#pick(OPTIONS)})`,
        `getsockopt(${fd}, SOL_SOCKET, ${flag})`,
        `setsockopt(${fd}, SOL_SOCKET, ${flag}, ${this.#below(2)})`,
        `setsockopt(${fd}, SOL_SOCKET, SO_LINGER, linger(1, 0))`,
        `setsockopt(${fd}, SOL_SOCKET, SO_RCVLOWAT, ${this.#pick([0, 1, 3, 100])})`,
        `setsockopt(${this.#mostly('dgram', 'udp', 'seqpacket', 'local')}, SOL_SOCKET, SO_SNDBUF, ${this.#pick([0, 5000, 20000])})`,
        `ioctl(${fd}, ${this.#pick(['SIOCINQ', 'SIOCINQ', 'SIOCATMARK', 'FIONREAD'])})`,
        `setsockopt(${this.#mostly('tcp')}, IPPROTO_TCP, ${this.#pick(TCP_OPTIONS)}, ${this.#below(2)})`,
        `getsockopt(${this.#mostly('tcp')}, IPPROTO_TCP, ${this.#pick(TCP_OPTIONS)})`,
        `getsockopt(${fd}, IPPROTO_IP, ${this.#pick(['IP_TOS', 'IP_TTL', 'IP_MTU', 'IP_RECVERR'])})`,
      ]),
    )
  }

  #readiness(): string {
    const ep = this.#of('epoll')
    const fds = Array.from({ length: 1 + this.#below(3) }, () => this.#pick(this.#variables).name)
    if (ep === undefined || this.#isOnce(5)) {
      if (this.#isOnce(3)) {
        const some = (): string => `[${this.#pick(fds)}]`
        return `select(1024, ${some()}, ${this.#pick(['0', some()])}, ${this.#pick(['0', some()])})`
      }
      return `poll([${fds.map((fd) => `${fd}: ${this.#pick(POLL_MASKS)}`).join(', ')}], 0)`
    }
    const events = `${this.#pick(EPOLL_MASKS)}${this.#pick(EPOLL_MODES)}`
    const fd = this.#pick(this.#variables).name
    return this.#pick([
      `epoll_ctl(${ep}, EPOLL_CTL_ADD, ${fd}, ${events}, ${this.#below(100)})`,
      `epoll_ctl(${ep}, EPOLL_CTL_ADD, ${fd}, ${events}, ${this.#below(100)})`,
      `epoll_ctl(${ep}, EPOLL_CTL_MOD, ${fd}, ${events}, ${this.#below(100)})`,
      `epoll_ctl(${ep}, EPOLL_CTL_DEL, ${fd})`,
      `epoll_wait(${ep}, ${this.#pick([1, 2, 8])})`,
      `epoll_wait(${ep}, 8)`,
    ])
  }

  #descriptor(): string {
    const { name, kind } = this.#pick(this.#variables)
    switch (this.#below(8)) {
      case 0:
        return `${this.#new(kind)} = dup(${name})`
      case 1:
        return `dup2(${name}, ${this.#pick(this.#variables).name})`
      case 2:
        return `fcntl(${name}, ${this.#pick(['F_GETFL', 'F_GETFD', 'F_SETFD', 'F_DUPFD'])}, ${this.#below(12)})`
      case 3:
        return `fcntl(${name}, F_SETFL, O_NONBLOCK${this.#pick(['', '|O_APPEND', '|O_ASYNC'])})`
      default:
        return `close(${name})`
    }
  }
}

/** The script of a seed. */
export function generate(seed: number): Script {
  const lines = new Generator(new Random(seed)).script()
  const steps = lines.map((text, i) => parseStep(text, i + 1))
  return { title: `seed ${seed}`, file: 'generated', line: seed, steps, isCoarse: true }
}
