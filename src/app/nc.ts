/** `nc` (nc(1), OpenBSD's as Debian has it): descriptor 0 to the network and the network to descriptor 1. */
import type { PollFd } from '../host/poll.ts'
import type { Process } from '../host/process.ts'
import { AF_INET, AF_UNIX } from '../sock/address.ts'
import {
  F_GETFL,
  F_SETFL,
  MSG_NOSIGNAL,
  MSG_PEEK,
  O_NONBLOCK,
  SHUT_WR,
  SO_ERROR,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../sock/constants.ts'
import { POLLIN, POLLOUT } from '../sock/wait-queue.ts'
import type { AddressIn, AddressOut } from '../socket/address-value.ts'
import { SystemError } from '../sys/errno.ts'
import { resolve } from './names.ts'
import { strerror } from './strerror.ts'
import { getopt, numberOf, print, type Tool, ToolError } from './tool.ts'

const BUFFER = 16384
/** Probes of `-u -z`, a second apart: a port is taken for open if none is answered with an error. */
const UDP_PROBES = 4

interface Settings {
  readonly listen: boolean
  readonly udp: boolean
  readonly unix: boolean
  readonly keep: boolean
  readonly verbose: boolean
  readonly scan: boolean
  /** -N: the end of descriptor 0 ends our side. -d: descriptor 0 is not read. */
  readonly shutdown: boolean
  readonly detached: boolean
  /** Milliseconds of -w, of idleness and for connecting, and of -q after the end of descriptor 0; -1: for ever. */
  readonly timeout: number
  readonly quit: number
  readonly source: string
  readonly sourcePort: number
}

export const ncTool: Tool = async (process, argv) => {
  const options = getopt('nc', argv, '46dkluUvznNw:q:p:s:')
  const has = (letter: string): boolean => options.flags.has(letter)
  const settings: Settings = {
    listen: has('l'),
    udp: has('u'),
    unix: has('U'),
    keep: has('k'),
    verbose: has('v'),
    scan: has('z'),
    shutdown: has('N'),
    detached: has('d'),
    timeout: options.values.has('w') ? numberOf('nc', options, 'w', 0, 0, 2147483) * 1000 : -1,
    quit:
      options.values.get('q') === '-1'
        ? -1
        : options.values.has('q')
          ? numberOf('nc', options, 'q', 0, 0, 2147483) * 1000
          : -1,
    source: options.values.get('s') ?? '0.0.0.0',
    sourcePort: numberOf('nc', options, 'p', 0, 0, 65535),
  }
  if (settings.listen && settings.scan) throw new ToolError('nc: cannot use -z and -l', 1)
  if (settings.keep && !settings.listen) throw new ToolError('nc: must use -l with -k', 1)
  try {
    if (settings.listen) return await listen(process, settings, options.words)
    return await connectAll(process, settings, options.words)
  } catch (error) {
    if (!(error instanceof SystemError)) throw error
    throw new ToolError(`nc: ${strerror(error)}`, 1)
  }
}

const say = (process: Process, { verbose }: Settings, text: string): Promise<void> =>
  verbose ? print(process, `${text}\n`, 2) : Promise.resolve()

// ---- Connecting ----

async function connectAll(process: Process, settings: Settings, words: readonly string[]): Promise<number> {
  const [host, ports, ...rest] = words
  if (rest.length > 0) throw new ToolError(`nc: too many arguments: '${rest[0] as string}'`)
  if (settings.unix) {
    if (host === undefined) throw new ToolError('nc: which socket?', 1)
    return await connectLocal(process, settings, host)
  }
  if (host === undefined) throw new ToolError('nc: missing destination', 1)
  if (ports === undefined) throw new ToolError('nc: missing port number', 1)
  const address = await resolve(
    process,
    host,
    (reason) => new ToolError(`nc: getaddrinfo for host "${host}" port ${ports}: ${reason}`, 1),
  )
  const name = host === address ? host : `${host} (${address})`
  let status = 1
  for (const port of portsOf(ports)) {
    const fd = await connectTo(process, settings, { name, address, port })
    if (fd < 0) continue
    status = 0
    const isOpen =
      !settings.udp || !(settings.verbose || settings.scan) || (await answersNothing(process, fd, settings))
    if (!isOpen) status = 1
    else {
      const protocol = settings.udp ? 'udp' : 'tcp'
      await say(process, settings, `Connection to ${name} ${port} port [${protocol}/*] succeeded!`)
      if (!settings.scan) await exchange(process, settings, fd)
    }
    await process.close(fd)
  }
  return status
}

/** `80`, or all of `80-82`. */
function portsOf(text: string): number[] {
  const [first = '', last = first, ...more] = text.split('-')
  const [from, to] = [port(first), port(last)]
  if (more.length > 0) throw new ToolError(`nc: port range not valid`, 1)
  const [low, high] = from <= to ? [from, to] : [to, from]
  return Array.from({ length: high - low + 1 }, (_, i) => low + i)
}

function port(text: string): number {
  const value = Number(text)
  if (!/^\d+$/.test(text)) throw new ToolError(`nc: port number invalid: ${text}`, 1)
  if (value < 1 || value > 65535)
    throw new ToolError(`nc: port number too ${value < 1 ? 'small' : 'large'}: ${text}`, 1)
  return value
}

/** A connected descriptor; -1 if it could not be, which is said of `name`. */
async function connectTo(
  process: Process,
  settings: Settings,
  { name, ...to }: { readonly name: string; readonly address: string; readonly port: number },
): Promise<number> {
  const fd = process.socket(AF_INET, settings.udp ? SOCK_DGRAM : SOCK_STREAM)
  const attempt = `nc: connect to ${name} port ${to.port} (${settings.udp ? 'udp' : 'tcp'})`
  try {
    if (settings.sourcePort !== 0 || settings.source !== '0.0.0.0') {
      process.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1)
      process.bind(fd, { address: settings.source, port: settings.sourcePort })
    }
    await connectWithin(process, fd, to, settings.timeout)
    return fd
  } catch (error) {
    if (!(error instanceof SystemError)) throw error
    await process.close(fd)
    const why = error.code === 'EINPROGRESS' ? 'timed out' : 'failed'
    await say(process, settings, `${attempt} ${why}: ${strerror(error)}`)
    return -1
  }
}

/** connect(2), `timeout` milliseconds at most: EINPROGRESS when they are over. */
async function connectWithin(process: Process, fd: number, to: AddressIn, timeout: number): Promise<void> {
  if (timeout < 0) {
    await process.connect(fd, to)
    return
  }
  const flags = process.fcntl(fd, F_GETFL)
  process.fcntl(fd, F_SETFL, flags | O_NONBLOCK)
  try {
    await process.connect(fd, to)
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== 'EINPROGRESS') throw error
    if ((await process.poll([{ fd, events: POLLOUT, revents: 0 }], timeout)) === 0) throw error
    const failure = process.getsockopt(fd, SOL_SOCKET, SO_ERROR)
    if (failure !== 0) throw new SystemError('connect', Number(failure))
  }
  process.fcntl(fd, F_SETFL, flags)
}

async function connectLocal(process: Process, settings: Settings, path: string): Promise<number> {
  const fd = process.socket(AF_UNIX, settings.udp ? SOCK_DGRAM : SOCK_STREAM)
  try {
    if (settings.udp) process.bind(fd, { path: `/tmp/nc.${process.pid}` })
    await process.connect(fd, { path })
  } catch (error) {
    if (!(error instanceof SystemError)) throw error
    throw new ToolError(`nc: ${path}: ${strerror(error)}`, 1)
  }
  await say(process, settings, `Connection to ${path} succeeded!`)
  if (!settings.scan) await exchange(process, settings, fd)
  await process.close(fd)
  return 0
}

/** Whether no probe of a UDP port comes back as unreachable. */
async function answersNothing(process: Process, fd: number, settings: Settings): Promise<boolean> {
  try {
    for (let i = 0; i < UDP_PROBES; i++) {
      await process.send(fd, new TextEncoder().encode('X'), MSG_NOSIGNAL)
      if (settings.scan) await process.poll([{ fd, events: POLLIN, revents: 0 }], 1000)
    }
    return process.getsockopt(fd, SOL_SOCKET, SO_ERROR) === 0
  } catch (error) {
    if (error instanceof SystemError) return false
    throw error
  }
}

// ---- Listening ----

async function listen(process: Process, settings: Settings, words: readonly string[]): Promise<number> {
  const type = settings.udp ? SOCK_DGRAM : SOCK_STREAM
  const address = listenAddress(settings, words)
  const where = 'path' in address ? `${address.path}` : `${address.address} ${address.port}`
  const fd = process.socket('path' in address ? AF_UNIX : AF_INET, type)
  if (!settings.unix) {
    process.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    process.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, 1)
  }
  process.bind(fd, address)
  await say(process, settings, `${settings.udp || settings.unix ? 'Bound' : 'Listening'} on ${where}`)
  if (settings.udp) return await serveDatagrams(process, settings, fd)
  process.listen(fd, 5)
  if (settings.unix) await say(process, settings, `Listening on ${where}`)
  do {
    const peer: { address?: string; port?: number; path?: string } = {}
    const connection = await process.accept(fd, peer as AddressOut)
    const from = settings.unix ? (peer.path ?? '') : `${peer.address} ${peer.port}`
    await say(process, settings, `Connection received on ${from}`)
    await exchange(process, settings, connection)
    await process.close(connection)
  } while (settings.keep)
  await process.close(fd)
  if ('path' in address) process.unlink(address.path)
  return 0
}

/** `-l 80`, `-l -p 80`, `-l HOST 80`, or with -U `-l PATH`. */
function listenAddress(
  settings: Settings,
  words: readonly string[],
): { path: string } | { address: string; port: number } {
  const [first, second] = words
  if (settings.unix) {
    if (first === undefined) throw new ToolError('nc: which socket?', 1)
    return { path: first }
  }
  const number = second ?? (settings.sourcePort !== 0 ? String(settings.sourcePort) : first)
  if (number === undefined) throw new ToolError('nc: missing port number', 1)
  return { address: second === undefined ? settings.source : (first as string), port: port(number) }
}

/** The first datagram tells who the peer is; with -k everybody is heard. */
async function serveDatagrams(process: Process, settings: Settings, fd: number): Promise<number> {
  if (!settings.keep) {
    const peer: { address?: string; port?: number; path?: string } = {}
    await process.recvfrom(fd, new Uint8Array(BUFFER), MSG_PEEK, peer as AddressOut)
    await process.connect(fd, peer)
    const from = settings.unix ? (peer.path ?? '') : `${peer.address} ${peer.port}`
    await say(process, settings, `Connection received on ${from}`)
  }
  await exchange(process, settings, fd)
  return 0
}

// ---- Copying both ways ----

/** readwrite() of nc: until both ends have ended, or the time is over. */
async function exchange(process: Process, settings: Settings, net: number): Promise<void> {
  const fromUser: PollFd = { fd: settings.detached ? -1 : 0, events: POLLIN, revents: 0 }
  const fromNet: PollFd = { fd: net, events: POLLIN, revents: 0 }
  const bytes = new Uint8Array(BUFFER)
  let quitAt = Infinity
  const { clock } = process.host
  for (;;) {
    const isUserGone = fromUser.fd < 0
    if (fromNet.fd < 0 && (isUserGone || settings.listen)) return
    const untilQuit = quitAt === Infinity ? -1 : Math.max(0, Math.ceil((quitAt - clock.now()) / 1000))
    const limit =
      settings.timeout < 0 ? untilQuit : untilQuit < 0 ? settings.timeout : Math.min(settings.timeout, untilQuit)
    if ((await process.poll([fromUser, fromNet], limit)) === 0) return
    if (fromNet.fd >= 0 && fromNet.revents !== 0) {
      const n = await receive(process, net, bytes)
      if (n > 0) await process.write(1, bytes, 0, n)
      else if (!settings.udp) fromNet.fd = -1
    }
    if (fromUser.fd < 0 || fromUser.revents === 0) continue
    const n = await process.read(0, bytes)
    if (n > 0) {
      if (!(await deliver(process, net, bytes.subarray(0, n)))) return
      continue
    }
    fromUser.fd = -1
    if (settings.shutdown && !settings.udp) process.shutdown(net, SHUT_WR)
    if (settings.quit >= 0) quitAt = clock.now() + settings.quit * 1000
  }
}

/** What came; a connection that broke has ended, and so has a datagram's peer that is not there. */
async function receive(process: Process, net: number, bytes: Uint8Array): Promise<number> {
  try {
    return await process.read(net, bytes)
  } catch (error) {
    if (!(error instanceof SystemError)) throw error
    return 0
  }
}

/** False if the peer takes nothing any more. */
async function deliver(process: Process, net: number, bytes: Uint8Array): Promise<boolean> {
  try {
    await process.send(net, bytes, MSG_NOSIGNAL)
    return true
  } catch (error) {
    if (!(error instanceof SystemError)) throw error
    return false
  }
}
