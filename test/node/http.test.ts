/** Node's own http module, client and server, on sockets of two hosts in virtual time. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, request } from 'node:http'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import { Host } from '../../src/host/host.ts'
import type { Process } from '../../src/host/process.ts'
import { cable } from '../../src/link/cable.ts'
import { type ImpairOptions, impair } from '../../src/link/impair.ts'
import { listen, serveHttp } from '../../src/node/listen.ts'
import { SockeyeSocket } from '../../src/node/socket.ts'
import { turn } from '../../src/platform/turn.ts'
import { SystemError } from '../../src/sys/errno.ts'
import { Random } from '../../src/sys/random.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'

const SERVER = '192.0.2.2'

class Net {
  readonly clock = new VirtualClock(turn)
  readonly client: Process
  readonly server: Process

  constructor(faults: ImpairOptions = { delayMs: 1 }) {
    const random = new Random(1)
    const [a, b] = cable(this.clock)
    const host = (name: string, address: string, link: typeof a): Process => {
      const made = new Host({ name, clock: this.clock, random: random.fork() })
      made.addInterface('eth0', impair(link, faults, this.clock, random.fork()), { addresses: [`${address}/24`] })
      return made.createProcess({ name })
    }
    this.client = host('client', '192.0.2.1', a)
    this.server = host('server', SERVER, b)
  }

  /** Runs until the promise settles. */
  run<T>(promise: Promise<T>): Promise<T> {
    return this.clock.runUntil(promise)
  }

  connect(port: number): SockeyeSocket {
    return SockeyeSocket.connect(this.client, { host: SERVER, port })
  }
}

async function body(message: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of message) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

function fetch(
  net: Net,
  method: string,
  path: string,
  payload?: Uint8Array,
): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { method, path, host: SERVER, createConnection: () => net.connect(80) as unknown as Socket },
      (message) => {
        body(message).then((b) => resolve({ status: message.statusCode as number, body: b }), reject)
      },
    )
    outgoing.on('error', reject)
    outgoing.end(payload)
  })
}

function serve(net: Net, listener: RequestListener): void {
  serveHttp(net.server, createServer({ keepAlive: false }, listener), 80)
}

const noise = (length: number): Buffer => {
  const random = new Random(7)
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i += 4) bytes.writeInt32LE(random.int32(), i)
  return bytes
}

describe('http on our sockets', () => {
  test('a GET is answered with its path and the peer address as the server sees it', async () => {
    const net = new Net()
    serve(net, (incoming, response) => response.end(`${incoming.url} ${incoming.socket.remoteAddress}`))
    const { status, body: text } = await net.run(fetch(net, 'GET', '/a'))
    assert.deepEqual([status, text.toString()], [200, '/a 192.0.2.1'])
  })

  test('4 MiB come back whole both ways through 2 % loss, duplication and reordering', async () => {
    const net = new Net({ delayMs: 2, loss: 0.02, duplicate: 0.01, reorder: 0.01 })
    serve(net, (incoming, response) => incoming.pipe(response))
    const sent = noise(4 << 20)
    const { body: got } = await net.run(fetch(net, 'POST', '/', sent))
    assert.equal(createHash('sha256').update(got).digest('hex'), createHash('sha256').update(sent).digest('hex'))
  })

  test('64 requests at the same time are all answered', async () => {
    const net = new Net()
    serve(net, (incoming, response) => response.end(incoming.url))
    const answers = await net.run(Promise.all(Array.from({ length: 64 }, (_, i) => fetch(net, 'GET', `/${i}`))))
    assert.deepEqual(
      answers.map(({ body: b }) => b.toString()),
      Array.from({ length: 64 }, (_, i) => `/${i}`),
    )
  })
})

describe('SockeyeSocket', () => {
  const events = (socket: SockeyeSocket, ...names: string[]): Promise<string> =>
    new Promise((resolve) => {
      for (const name of names)
        socket.once(name, (error?: Error) => resolve(error instanceof SystemError ? `${name} ${error.message}` : name))
    })

  test('connecting where nobody listens emits error with the message and fields of net: connect ECONNREFUSED', async () => {
    const net = new Net()
    const socket = net.connect(9)
    assert.equal(await net.run(events(socket, 'connect', 'error')), `error connect ECONNREFUSED ${SERVER}:9`)
  })

  test('with allowHalfOpen the peer reads our end and still sends to us; without it our end follows by itself', async () => {
    const net = new Net()
    listen(net.server, { port: 5, allowHalfOpen: true }, (socket) => {
      socket.resume()
      socket.on('end', () => socket.end('after your end'))
    })
    const socket = net.connect(5)
    socket.end('mine')
    let text = ''
    socket.on('data', (data: Buffer) => {
      text += data.toString()
    })
    await net.run(events(socket, 'close'))
    assert.equal(text, 'after your end')
  })

  test('a reader that does not read stops the writer, whose bytes stay bounded, and nothing is lost when it reads on', async () => {
    const net = new Net()
    let server: SockeyeSocket | undefined
    listen(net.server, { port: 5 }, (socket) => {
      server = socket
    })
    const socket = net.connect(5)
    await net.run(events(socket, 'connect'))
    const sent = noise(16 << 20)
    let finished = false
    socket.end(sent, () => {
      finished = true
    })
    await net.clock.runFor(60_000_000)
    assert.equal(finished, false)
    assert.ok(socket.bytesWritten < 12 << 20, `${socket.bytesWritten} bytes taken with nobody reading`)
    const hash = createHash('sha256')
    server?.on('data', (data: Buffer) => hash.update(data))
    await net.run(events(server as SockeyeSocket, 'end'))
    assert.equal(hash.digest('hex'), createHash('sha256').update(sent).digest('hex'))
  })

  test('resetAndDestroy of one end makes the other emit error: read ECONNRESET', async () => {
    const net = new Net()
    listen(net.server, { port: 5 }, (socket) => {
      socket.on('error', () => {})
      socket.resume()
      socket.once('data', () => socket.resetAndDestroy())
    })
    const socket = net.connect(5)
    socket.resume()
    socket.write('x')
    assert.equal(await net.run(events(socket, 'end', 'error')), 'error read ECONNRESET')
  })

  test('setTimeout emits timeout after that long without traffic, in the time of the host', async () => {
    const net = new Net()
    listen(net.server, { port: 5 }, (socket) => socket.resume())
    const socket = net.connect(5)
    await net.run(events(socket, 'connect'))
    const begin = net.clock.now()
    socket.setTimeout(5000)
    await net.run(events(socket, 'timeout'))
    assert.equal(net.clock.now() - begin, 5_000_000)
  })

  test('closed sockets leave nothing behind: no socket, no wait-queue entry that fires', async () => {
    const net = new Net()
    const listener = listen(net.server, { port: 5 }, (socket) => socket.resume())
    const socket = net.connect(5)
    socket.resume()
    socket.end()
    await net.run(events(socket, 'close'))
    listener.close()
    await net.clock.runFor(70_000_000)
    assert.deepEqual([...net.client.host.sockets(), ...net.server.host.sockets()], [])
  })
})
