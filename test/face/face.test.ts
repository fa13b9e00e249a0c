/** Promise sockets: order, back-pressure, giving up, closing; over TCP and AF_UNIX alike. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bind, type Connection, connect, listen, UnexpectedEnd } from '../../src/face/index.ts'
import { MAX_OPERATIONS } from '../../src/face/lane.ts'
import type { Process } from '../../src/host/process.ts'
import type { AddressIn } from '../../src/socket/address-value.ts'
import { SystemError } from '../../src/sys/errno.ts'
import type { VirtualClock } from '../../src/sys/virtual-clock.ts'
import { B, bytes, net, text } from '../host/net.ts'

interface World {
  readonly clock: VirtualClock
  readonly client: Process
  readonly server: Process
  /** Where the server listens, and where the client finds it. */
  readonly at: AddressIn
  readonly to: AddressIn
}

function world(kind: 'TCP' | 'AF_UNIX'): World {
  const { clock, a, b } = net()
  if (kind === 'AF_UNIX') {
    const path = { path: '/server' }
    return { clock, client: b.createProcess(), server: b.createProcess(), at: path, to: path }
  }
  return { clock, client: a.createProcess(), server: b.createProcess(), at: { port: 7 }, to: { address: B, port: 7 } }
}

/** Runs `play` in virtual time; what it throws is thrown. */
async function run<T>({ clock }: { clock: VirtualClock }, play: () => Promise<T>): Promise<T> {
  return await clock.runUntil(play())
}

const code = (wanted: string): ((error: unknown) => boolean) => {
  return (error) => error instanceof SystemError && error.code === wanted
}

async function pair(w: World): Promise<[Connection, Connection]> {
  await using listener = listen(w.server, w.at)
  const [near, far] = await Promise.all([connect(w.client, w.to), listener.accept()])
  return [near, far]
}

for (const kind of ['TCP', 'AF_UNIX'] as const) {
  describe(kind, () => {
    test('an echo server in the words of the face gives everything back and sees every close', async () => {
      const w = world(kind)
      await run(w, async () => {
        const listener = listen(w.server, w.at)
        const serving = (async () => {
          for await (const connection of listener) {
            await using it = connection
            for await (const chunk of it) await it.write(chunk)
          }
        })()
        const sent = new Uint8Array(500_000).map((_, i) => i * 7)
        await using connection = await connect(w.client, w.to)
        const writing = connection.write(sent).then(() => connection.end())
        const got: number[] = []
        for await (const chunk of connection) got.push(...chunk)
        await writing
        assert.deepEqual(Uint8Array.from(got), sent)
        assert.equal(connection.bytesRead, sent.length)
        await listener.close()
        await serving
      })
      assert.equal(w.server.host.sockets().filter((s) => s.holders.length > 0).length, 0)
    })

    test('reads and writes asked for at once are served in the order of asking', async () => {
      const w = world(kind)
      await run(w, async () => {
        const [near, far] = await pair(w)
        const reads = [far.readExactly(3), far.readExactly(4), far.read()]
        await Promise.all([near.write(bytes('abc')), near.write(bytes('defg')), near.write(bytes('hi'))])
        const got = await Promise.all(reads)
        assert.deepEqual(
          got.map((b) => text(b as Uint8Array)),
          ['abc', 'defg', 'hi'],
        )
        await Promise.all([near.close(), far.close()])
      })
    })

    test('a writer waits while nobody reads, and nothing is lost when somebody does', async () => {
      const w = world(kind)
      await run(w, async () => {
        const [near, far] = await pair(w)
        let isDone = false
        const big = new Uint8Array(20_000_000).map((_, i) => i >> 8)
        const writing = near.write(big).then(() => {
          isDone = true
        })
        await w.client.sleep(10)
        assert.equal(isDone, false)
        const before = near.bytesWritten
        assert.ok(before > 0 && before < big.length / 2, `${before} taken`)
        const got = await far.readExactly(big.length)
        await writing
        assert.ok(Buffer.from(got).equals(big))
        await Promise.all([near.close(), far.close()])
      })
    })

    test("lent chunks share one buffer, owned ones are the program's", async () => {
      const w = world(kind)
      await run(w, async () => {
        const [near, far] = await pair(w)
        await near.write(bytes('aabb'))
        const lent: ArrayBufferLike[] = []
        for await (const chunk of far.chunks({ size: 2, lent: true })) {
          lent.push(chunk.buffer)
          if (lent.length === 2) break
        }
        assert.equal(lent[0], lent[1])
        await near.write(bytes('ccdd'))
        const owned = [await far.read({ size: 2 }), await far.read({ size: 2 })] as Uint8Array[]
        assert.deepEqual(
          owned.map((b) => text(b)),
          ['cc', 'dd'],
        )
        await Promise.all([near.close(), far.close()])
      })
    })

    test('an abort gives a waiting read up with its reason and takes nothing from the stream', async () => {
      const w = world(kind)
      await run(w, async () => {
        const [near, far] = await pair(w)
        const abort = new AbortController()
        const reading = far.read({ signal: abort.signal })
        const next = far.read()
        abort.abort(new Error('enough'))
        await assert.rejects(reading, /enough/)
        await assert.rejects(far.read({ signal: abort.signal }), /enough/)
        await near.write(bytes('x'))
        assert.equal(text((await next) as Uint8Array), 'x')
        await Promise.all([near.close(), far.close()])
      })
    })

    test('closing rejects what waits with ECANCELED, what comes later with EBADF, and ends iterations', async () => {
      const w = world(kind)
      await run(w, async () => {
        const listener = listen(w.server, w.at)
        const iterating = (async () => {
          for await (const _ of listener) assert.fail('a connection')
        })()
        await w.client.sleep(1)
        await listener.close()
        await iterating
        const other: AddressIn = 'path' in w.at ? { path: '/other' } : w.at
        const [near, far] = await pair({ ...w, at: other, to: 'path' in w.at ? other : w.to })
        const reading = near.read()
        await near.close()
        await assert.rejects(reading, code('ECANCELED'))
        await assert.rejects(near.write(bytes('x')), code('EBADF'))
        assert.equal(await far.read(), null)
        await far.close()
      })
    })

    test('half-close: the end arrives after the data, the other direction goes on (shutdown(2))', async () => {
      const w = world(kind)
      await run(w, async () => {
        const [near, far] = await pair(w)
        await near.write(bytes('question'))
        await near.end()
        assert.equal(text(await far.readExactly(8)), 'question')
        assert.equal(await far.read(), null)
        await far.write(bytes('answer'))
        assert.equal(text(await near.readExactly(6)), 'answer')
        await assert.rejects(near.write(bytes('x')), code('EPIPE'))
        await far.end()
        await assert.rejects(near.readExactly(5), (error) => error instanceof UnexpectedEnd && error.bytes.length === 0)
        await Promise.all([near.close(), far.close()])
      })
    })

    test('connecting to nobody is refused, with the address, and leaves no descriptor (connect(2))', async () => {
      const w = world(kind)
      await run(w, async () => {
        const before = [...w.client.files.entries()].length
        await assert.rejects(connect(w.client, w.to), code(kind === 'TCP' ? 'ECONNREFUSED' : 'ENOENT'))
        await assert.rejects(
          connect(w.client, w.to),
          kind === 'TCP' ? /connect ECONNREFUSED 10\.0\.0\.2:7/ : /\/server/,
        )
        assert.equal([...w.client.files.entries()].length, before)
      })
    })
  })
}

test('a reset arrives as ECONNRESET (SO_LINGER with 0 seconds, socket(7))', async () => {
  const w = world('TCP')
  await run(w, async () => {
    const [near, far] = await pair(w)
    const reading = far.read()
    await near.reset()
    await assert.rejects(reading, code('ECONNRESET'))
    await far.close()
  })
})

test('reads that nobody waits for are bounded: one more than MAX_OPERATIONS fails with ENOBUFS, the rest go on', async () => {
  const w = world('TCP')
  await run(w, async () => {
    const [near, far] = await pair(w)
    const reads = Array.from({ length: MAX_OPERATIONS }, () => far.read())
    await assert.rejects(far.read(), code('ENOBUFS'))
    await near.write(bytes('a'))
    assert.equal(text((await reads[0]) as Uint8Array), 'a')
    await near.end()
    for (const read of reads.slice(1)) assert.equal(await read, null)
  })
})

test('an abort while connecting leaves nothing open', async () => {
  const w = world('TCP')
  await run(w, async () => {
    const abort = new AbortController()
    const before = [...w.client.files.entries()].length
    const connecting = connect(w.client, { address: '10.0.0.9', port: 7 }, { signal: abort.signal })
    abort.abort()
    await assert.rejects(connecting, { name: 'AbortError' })
    assert.equal([...w.client.files.entries()].length, before)
  })
})

test('listening where somebody listens throws EADDRINUSE and leaves no descriptor (bind(2))', async () => {
  const w = world('TCP')
  await using _one = listen(w.server, w.at)
  const before = [...w.server.files.entries()].length
  assert.throws(() => listen(w.server, w.at), code('EADDRINUSE'))
  assert.equal([...w.server.files.entries()].length, before)
})

test('datagrams are iterated with sender and length, cut ones tell how long they were (recv(2), MSG_TRUNC)', async () => {
  const w = world('TCP')
  await run(w, async () => {
    await using server = bind(w.server, { port: 9 })
    await using client = bind(w.client)
    const got: string[] = []
    const serving = (async () => {
      for await (const { data, from, length } of server.datagrams({ size: 4 })) {
        got.push(`${text(data)} of ${length}`)
        if (from !== null) await server.send(data, from)
        if (got.length === 2) return
      }
    })()
    await client.send(bytes('one'), { address: B, port: 9 })
    await client.send(bytes('twelve'), { address: B, port: 9 })
    await serving
    assert.deepEqual(got, ['one of 3', 'twel of 6'])
    assert.equal(text((await client.receive()).data), 'one')
    const iterating = (async () => {
      for await (const datagram of server) assert.fail(text(datagram.data))
    })()
    await w.client.sleep(1)
    await server.close()
    await iterating
  })
})

test('a connected datagram socket is told of a port unreachable (ECONNREFUSED, udp(7))', async () => {
  const w = world('TCP')
  await run(w, async () => {
    await using client = bind(w.client, {}, { peer: { address: B, port: 9 } })
    await client.send(bytes('x'))
    await assert.rejects(client.receive(), code('ECONNREFUSED'))
  })
})
