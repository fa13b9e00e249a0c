/** MSG_ZEROCOPY where scripts do not reach: limits, joined notifications, blocking calls. Otherwise: test/packetdrill/scripts/zerocopy-*.pkt. */
import assert from 'node:assert/strict'
import { MSG_ZEROCOPY, SO_ZEROCOPY, SOL_SOCKET } from '../../src/sock/constants.ts'
import { Message } from '../../src/sock/sock.ts'
import { setOption } from '../../src/socket/options.ts'
import { EAGAIN, ENOBUFS } from '../../src/sys/errno.ts'
import { established, type Peer, tcp } from './dsl.ts'

const MSG_ERRQUEUE = 0x2000

/** First and last number of the oldest notification, or what the call answered. */
function told(c: Peer): readonly number[] | number {
  const message = new Message()
  message.control = []
  const result = c.t.receive(new Uint8Array(0), 0, 0, MSG_ERRQUEUE, message)
  const data = message.control[0]?.data
  return result < 0 || !Array.isArray(data) ? result : [data[5] as number, data[6] as number]
}

function zerocopy(setup: Parameters<typeof established>[0] = {}): Peer {
  const c = established(setup)
  assert.equal(setOption(c.t, SOL_SOCKET, SO_ZEROCOPY, 1), 0)
  return c
}

tcp(
  'MSG_ZEROCOPY: ENOBUFS when notifications take up net.core.optmem_max; reading or joining frees it (sock_omalloc)',
  () => {
    const c = zerocopy({ sysctl: { optmem_max: 3000 }, sndbuf: 1 << 20 })
    // Segments of their own, unacknowledged: 832 bytes each, and room for 576 more.
    for (let i = 0; i < 3; i++) assert.equal(c.write(1460, MSG_ZEROCOPY), 1460)
    assert.equal(c.write(1460, MSG_ZEROCOPY), -ENOBUFS)
    c.send()
    assert.deepEqual(told(c), [0, 2])
    assert.equal(told(c), -EAGAIN)
    assert.equal(c.write(1460, MSG_ZEROCOPY), 1460)
    c.send()
    assert.deepEqual(told(c), [3, 3])
  },
)

tcp('MSG_ZEROCOPY: a full send buffer gives EAGAIN and takes no number; what was taken in part has one', () => {
  const c = zerocopy({ sndbuf: 20000 })
  let calls = 0
  for (let taken = c.write(1460, MSG_ZEROCOPY); taken > 0; taken = c.write(1460, MSG_ZEROCOPY)) calls++
  assert.equal(c.write(1460, MSG_ZEROCOPY), -EAGAIN)
  while (c.t.txHead !== null) c.send({ ack: c.hostEnd })
  assert.deepEqual(told(c), [0, calls - 1])
})

tcp(
  'MSG_ZEROCOPY: half of a burst that is cut, lost and sent again: one notification, when the last byte is acknowledged',
  () => {
    const c = zerocopy({ sack: true, sndbuf: 1 << 20 })
    assert.equal(c.write(14600, MSG_ZEROCOPY), 14600)
    c.send({ ack: 1 + 1460 })
    for (const to of [5, 6, 7]) c.send({ ack: 1 + 1460, sack: [[1 + 1460 * 4, 1 + 1460 * to]] })
    c.advance(1000)
    assert.equal(told(c), -EAGAIN)
    c.send({ ack: 1 + 1460 * 9 })
    assert.equal(told(c), -EAGAIN)
    c.send({ ack: 1 + 14600 })
    assert.deepEqual(told(c), [0, 0])
    assert.equal(told(c), -EAGAIN)
  },
)
