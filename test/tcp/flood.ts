/** One host that receives a bulk transfer while SYNs from nowhere arrive and clients want to connect, in virtual time. */
import assert from 'node:assert/strict'
import { AF_INET, SockAddr } from '../../src/sock/address.ts'
import { Tcb } from '../../src/tcp/tcb.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as wire from '../../src/wire/tcp.ts'
import { established, LOCAL } from './dsl.ts'
import { finishIp, writeOptions } from './segment.ts'

export interface FloodOptions {
  readonly seconds: number
  readonly synsPerSecond: number
  /** Clients that connect, spread over the time. */
  readonly clients: number
}

export interface FloodResult {
  readonly spoofed: number
  /** Bytes of the transfer that the program read. */
  readonly bytes: number
  readonly connected: number
  readonly mostHalfOpen: number
  /** Packets held by the host. */
  readonly mostPackets: number
  readonly cookies: number
  readonly cookiesReceived: number
  /** Segments that arrived, all together. */
  readonly segments: number
}

const BACKLOG = 128
const MSS = 1460
/** Steps of a second. */
const STEPS = 1000
/** Segments of the transfer in a step, as fast as its peer's link is. */
const SEGMENTS_A_STEP = 4
/** 10.0.0.3 and on, each with one port after the other. */
const FIRST_SPOOFED: number = LOCAL + 2
const ADDRESSES = 250
const FIRST_PORT = 1024
const LISTENER = 8080

export function floodRun({ seconds, synsPerSecond, clients }: FloodOptions): FloodResult {
  const c = established({ sack: true })
  const { host } = c
  const listener = host.socket()
  assert.equal(listener.bind(new SockAddr(AF_INET, 0, LISTENER)), 0)
  assert.equal(listener.listen(BACKLOG), 0)
  const steps = seconds * STEPS
  const result = { spoofed: 0, bytes: 0, connected: 0, mostHalfOpen: 0, mostPackets: 0 }
  const before = host.pool.outstanding
  let segments = 0
  for (let step = 0; step < steps; step++) {
    for (; result.spoofed < (synsPerSecond * (step + 1)) / STEPS; segments++) {
      host.inject(spoofedSyn(result.spoofed))
      host.peer(spoofedPort(result.spoofed++), LISTENER).drain()
    }
    for (let i = 0; i < SEGMENTS_A_STEP; i++, segments++) c.send({ data: MSS, ack: 1 })
    result.bytes += c.read()
    if (Math.floor(((step + 1) * clients) / steps) > Math.floor((step * clients) / steps)) {
      const client = host.peer(20000 + Math.floor((step * clients) / steps), LISTENER)
      client.sendSyn()
      const answer = client.take()
      // It answers what it got; a lost SYN-ACK is sent again.
      if (answer !== undefined) client.send({ seq: 1, ack: 1 })
      client.drain()
    }
    for (let child = listener.accept(); child instanceof Tcb; child = listener.accept()) {
      result.connected++
      child.close()
    }
    result.mostHalfOpen = Math.max(result.mostHalfOpen, listener.queue?.halfOpen ?? 0)
    result.mostPackets = Math.max(result.mostPackets, host.pool.outstanding - before)
    c.drain()
    host.advance(1)
  }
  const { TcpExtSyncookiesSent: cookies, TcpExtSyncookiesRecv: cookiesReceived } = host.stack.counters
  listener.close()
  return { ...result, cookies, cookiesReceived, segments }
}

const spoofedPort = (i: number): number => FIRST_PORT + Math.floor(i / ADDRESSES)

/** SYN number `i`, each from another address or port. */
function spoofedSyn(i: number): Uint8Array {
  const b = new Uint8Array(64)
  const end = writeOptions(b, ipv4.HDR_LEN + wire.HDR_LEN, { mss: 1460, sackOk: true }, (n) => n)
  wire.emit(b, ipv4.HDR_LEN, spoofedPort(i), LISTENER, Math.imul(i, 2654435761), 0, end - ipv4.HDR_LEN, wire.SYN, 65535)
  return finishIp(b, end, FIRST_SPOOFED + (i % ADDRESSES), LOCAL, ipv4.PROTO_TCP, 0)
}
