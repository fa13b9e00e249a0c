/** Every arc of the state diagram, RFC 9293 figure 5, as traced. */
import assert from 'node:assert/strict'
import { AF_INET, SockAddr } from '../../src/sock/address.ts'
import { Host, type Peer, REMOTE, REMOTE_PORT, type Setup, STATES, tcp } from './dsl.ts'

/** Runs `body` on a host whose changes of state are written down. */
function walk(body: (c: Peer, host: Host) => void, setup: Setup = {}): string[] {
  const host = new Host(setup)
  const arcs: string[] = []
  host.stack.trace.tcpState = (_socket, from, to) => arcs.push(`${STATES[from]} > ${STATES[to]}`)
  body(host.peer(), host)
  return arcs
}

function connect(c: Peer, host: Host): void {
  const t = host.socket()
  t.bind(new SockAddr(AF_INET, 0, 80))
  t.connect(new SockAddr(AF_INET, REMOTE, REMOTE_PORT))
  host.clock.settle()
  c.socket = t
}

function open(c: Peer, host: Host): void {
  connect(c, host)
  c.sendSyn({ flags: 'S.', ack: 1 })
}

tcp(
  'Arcs: active open and active close: SYN-SENT, ESTABLISHED, FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT, CLOSED (RFC 9293 figure 5)',
  () => {
    const arcs = walk((c, host) => {
      open(c, host)
      c.close()
      c.send({ ack: 2 })
      c.send({ flags: 'F.' })
      c.advance(60000)
    })
    assert.deepEqual(arcs, [
      'CLOSED > SYN-SENT',
      'SYN-SENT > ESTABLISHED',
      'ESTABLISHED > FIN-WAIT-1',
      'FIN-WAIT-1 > FIN-WAIT-2',
      'FIN-WAIT-2 > TIME-WAIT',
      'TIME-WAIT > CLOSED',
    ])
  },
)

tcp('Arcs: with an owner the same arcs are seen once each (RFC 9293 figure 5)', () => {
  const arcs = walk((c, host) => {
    open(c, host)
    c.shutdown(1)
    c.send({ ack: 2 })
    c.send({ flags: 'F.' })
    c.close()
    c.advance(60000)
  })
  assert.deepEqual(arcs.slice(2), [
    'ESTABLISHED > FIN-WAIT-1',
    'FIN-WAIT-1 > FIN-WAIT-2',
    'FIN-WAIT-2 > TIME-WAIT',
    'TIME-WAIT > CLOSED',
  ])
})

tcp(
  'Arcs: passive open and passive close: SYN-RECEIVED, ESTABLISHED, CLOSE-WAIT, LAST-ACK, CLOSED (RFC 9293 figure 5)',
  () => {
    const arcs = walk((c, host) => {
      const listener = host.listen()
      c.sendSyn()
      c.send({ seq: 1, ack: 1 })
      c.acceptFrom(listener)
      listener.close()
      c.send({ flags: 'F.' })
      c.close()
      c.send({ ack: 2 })
    })
    assert.deepEqual(arcs, [
      'CLOSED > LISTEN',
      'SYN-RECEIVED > ESTABLISHED',
      'LISTEN > CLOSED',
      'ESTABLISHED > CLOSE-WAIT',
      'CLOSE-WAIT > LAST-ACK',
      'LAST-ACK > CLOSED',
    ])
  },
)

tcp('Arcs: simultaneous open: SYN-SENT, SYN-RECEIVED, ESTABLISHED (RFC 9293 figure 7)', () => {
  const arcs = walk((c, host) => {
    connect(c, host)
    c.sendSyn()
    c.send({ seq: 1, ack: 1 })
  })
  assert.deepEqual(arcs, ['CLOSED > SYN-SENT', 'SYN-SENT > SYN-RECEIVED', 'SYN-RECEIVED > ESTABLISHED'])
})

tcp('Arcs: simultaneous close: FIN-WAIT-1, CLOSING, TIME-WAIT (RFC 9293 figure 13)', () => {
  const arcs = walk((c, host) => {
    open(c, host)
    c.close()
    c.send({ flags: 'F.', ack: 1 })
    c.send({ ack: 2 })
    c.advance(60000)
  })
  assert.deepEqual(arcs.slice(2), [
    'ESTABLISHED > FIN-WAIT-1',
    'FIN-WAIT-1 > CLOSING',
    'CLOSING > TIME-WAIT',
    'TIME-WAIT > CLOSED',
  ])
})

tcp('Arcs: FIN-WAIT-1 to TIME-WAIT by a FIN that acknowledges ours (RFC 9293 figure 5, note 2)', () => {
  const arcs = walk((c, host) => {
    open(c, host)
    c.shutdown(1)
    c.send({ flags: 'F.', ack: 2 })
    c.advance(60000)
  })
  assert.equal(arcs.at(-2)?.split(' > ')[1], 'TIME-WAIT')
  assert.equal(arcs.at(-1), 'TIME-WAIT > CLOSED')
})

tcp('Arcs: SYN-RECEIVED to FIN-WAIT-1 by close (RFC 9293 figure 5)', () => {
  const arcs = walk((c, host) => {
    connect(c, host)
    c.sendSyn()
    c.close()
    c.send({ seq: 1, ack: 2 })
  })
  assert.ok(arcs.includes('SYN-RECEIVED > FIN-WAIT-1'))
})

tcp('Arcs: a reset leads to CLOSED from SYN-SENT, SYN-RECEIVED and ESTABLISHED (RFC 9293 §3.5.3)', () => {
  assert.deepEqual(
    walk((c, host) => {
      connect(c, host)
      c.send({ flags: 'R.', seq: 0, ack: 1 })
    }),
    ['CLOSED > SYN-SENT', 'SYN-SENT > CLOSED'],
  )
  assert.equal(
    walk((c, host) => {
      open(c, host)
      c.send({ flags: 'R', seq: 1 })
    }).at(-1),
    'ESTABLISHED > CLOSED',
  )
})

tcp('Arcs: TcpCurrEstab counts ESTABLISHED and CLOSE-WAIT only (RFC 4022)', () => {
  walk((c, host) => {
    const established = (): number => host.stack.counters.TcpCurrEstab
    assert.equal(established(), 0)
    open(c, host)
    assert.equal(established(), 1)
    c.send({ flags: 'F.', seq: 1 })
    assert.equal(established(), 1)
    c.close()
    assert.equal(established(), 0)
  })
})
