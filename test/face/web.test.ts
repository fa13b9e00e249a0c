/** Sockets as Web Streams: back-pressure to the wire, half-close, abort, cancel; the shape of WinterTC's Sockets API. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { connect, listen, type Socket, type WebConnectOptions } from '../../src/face/web.ts'
import type { Process } from '../../src/host/process.ts'
import type { AddressIn } from '../../src/socket/address-value.ts'
import { SystemError } from '../../src/sys/errno.ts'
import type { VirtualClock } from '../../src/sys/virtual-clock.ts'
import { B, bytes, net, text } from '../host/net.ts'

interface World {
  readonly clock: VirtualClock
  readonly client: Process
  readonly server: Process
  readonly at: AddressIn
  readonly to: AddressIn
}

function world(kind: string): World {
  const { clock, a, b } = net()
  const path = { path: '/server' }
  return kind === 'TCP'
    ? { clock, client: a.createProcess(), server: b.createProcess(), at: { port: 7 }, to: { address: B, port: 7 } }
    : { clock, client: b.createProcess(), server: b.createProcess(), at: path, to: path }
}

const code = (wanted: string) => (error: unknown) => error instanceof SystemError && error.code === wanted

async function pair(w: World, options: WebConnectOptions = {}): Promise<[Socket, Socket]> {
  const listening = listen(w.server, w.at, options)
  const near = connect(w.client, w.to, options)
  const { value } = await listening.sockets.getReader().read()
  await near.opened
  await listening.close()
  return [near, value as Socket]
}

async function all(readable: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of readable) chunks.push(chunk)
  return Buffer.concat(chunks)
}

for (const kind of ['TCP', 'AF_UNIX']) {
  describe(kind, () => {
    const play = (title: string, body: (w: World) => Promise<void>): void => {
      test(title, async () => {
        const w = world(kind)
        await w.clock.runUntil(body(w))
        await w.clock.runFor(120e6)
        assert.deepEqual([...w.client.files.entries()].length, 3, 'descriptors left')
        assert.deepEqual([...w.server.files.entries()].length, 3, 'descriptors left')
      })
    }

    play('readable piped into its own writable is an echo server; closed settles on both ends', async (w) => {
      const [near, far] = await pair(w, { allowHalfOpen: true })
      const echoing = far.readable.pipeTo(far.writable)
      const sent = new Uint8Array(300_000).map((_, i) => i * 3)
      const writer = near.writable.getWriter()
      const writing = writer.write(sent).then(() => writer.close())
      assert.ok(Buffer.from(await all(near.readable)).equals(sent))
      await Promise.all([writing, echoing, near.closed, far.closed])
    })

    play('BYOB reads fill the buffer given, and end with one that is given back', async (w) => {
      const [near, far] = await pair(w, { allowHalfOpen: true })
      const reader = far.readable.getReader({ mode: 'byob' })
      const writer = near.writable.getWriter()
      void writer.write(bytes('hello'))
      const first = await reader.read(new Uint8Array(3))
      assert.equal(text(first.value as Uint8Array), 'hel')
      const second = await reader.read(new Uint8Array(10))
      assert.equal(text(second.value as Uint8Array), 'lo')
      await writer.close()
      const last = await reader.read(new Uint8Array(10))
      assert.deepEqual([last.done, last.value?.byteLength], [true, 0])
      await far.writable.close()
      await near.readable.cancel()
      await Promise.all([near.closed, far.closed])
    })

    play('a stalled reader stalls the writer; nothing is held in between but the socket buffers', async (w) => {
      const [near, far] = await pair(w)
      const writer = near.writable.getWriter()
      const piece = new Uint8Array(100_000)
      let written = 0
      const writing = (async () => {
        for (let i = 0; i < 200; i++) {
          await writer.ready
          await writer.write(piece)
          written++
        }
        await writer.close()
      })()
      await w.client.sleep(20)
      assert.ok(written > 0 && written < 100, `${written} pieces taken`)
      if (kind === 'TCP') assert.ok(w.server.host.counters.TcpExtTCPToZeroWindowAdv > 0, 'the window is closed')
      assert.equal((await all(far.readable)).length, 200 * piece.length)
      await writing
      await far.closed
      await near.readable.cancel()
      await near.closed
    })

    play('without allowHalfOpen the end of the peer ends the writable too', async (w) => {
      const [near, far] = await pair(w)
      await near.writable.close()
      assert.equal((await all(far.readable)).length, 0)
      await far.closed
      assert.equal((await all(near.readable)).length, 0)
      await near.closed
    })

    play('with a writer held, the end of the peer makes later writes fail with EPIPE', async (w) => {
      const [near, far] = await pair(w)
      const writer = far.writable.getWriter()
      await near.writable.close()
      assert.equal((await all(far.readable)).length, 0)
      await assert.rejects(writer.write(bytes('x')), code('EPIPE'))
      await writer.closed.catch(() => {})
      await near.readable.cancel()
      await Promise.all([near.closed, far.closed])
    })

    play('close() ends both streams; what was written arrives, and closed settles', async (w) => {
      const [near, far] = await pair(w)
      const reading = near.readable.getReader().read()
      const writer = near.writable.getWriter()
      await writer.write(bytes('last words'))
      writer.closed.catch(() => {})
      await near.close()
      assert.equal((await reading).done, true)
      assert.equal(text(await all(far.readable)), 'last words')
      await far.closed
    })

    play(
      'a connection that is refused is told by opened, closed and both streams, and by nothing unhandled',
      async (w) => {
        const nobody = connect(w.client, w.to)
        const wanted = code(kind === 'TCP' ? 'ECONNREFUSED' : 'ENOENT')
        await assert.rejects(nobody.opened, wanted)
        await assert.rejects(nobody.closed, wanted)
        await assert.rejects(nobody.readable.getReader().read(), wanted)
        await assert.rejects(nobody.writable.getWriter().write(bytes('x')), wanted)
        connect(w.client, w.to)
        await w.client.sleep(1)
      },
    )
  })
}

test('aborting the writable resets the connection, also while a write waits (RST; SO_LINGER, socket(7))', async () => {
  const w = world('TCP')
  await w.clock.runUntil(
    (async () => {
      const [near, far] = await pair(w)
      const writer = near.writable.getWriter()
      const writing = writer.write(new Uint8Array(50_000_000))
      await w.client.sleep(5)
      const reason = new Error('changed my mind')
      await Promise.all([writer.abort(reason), assert.rejects(writing, /changed/)])
      await assert.rejects(near.closed, /changed/)
      await assert.rejects(near.readable.getReader().read(), /changed/)
      await assert.rejects(all(far.readable), code('ECONNRESET'))
      await assert.rejects(far.closed, code('ECONNRESET'))
    })(),
  )
  assert.ok(w.client.host.counters.TcpOutRsts >= 1)
})

test('aborting the writable while nothing is written resets the connection too, and closed tells the reason', async () => {
  const w = world('TCP')
  await w.clock.runUntil(
    (async () => {
      const [near, far] = await pair(w)
      await near.writable.abort(new Error('enough'))
      await assert.rejects(near.closed, /enough/)
      await assert.rejects(all(far.readable), code('ECONNRESET'))
    })(),
  )
})

test('a chunk that is no bytes errors the writable with a TypeError', async () => {
  const w = world('TCP')
  await w.clock.runUntil(
    (async () => {
      const [near, far] = await pair(w)
      await assert.rejects(near.writable.getWriter().write('text' as unknown as Uint8Array), TypeError)
      await Promise.allSettled([near.close(), far.close()])
    })(),
  )
})
