/** A flood of SYNs from addresses that do not answer, beside connections that work (RFC 4987; tcp_conn_request, SYN cookies). */
import assert from 'node:assert/strict'
import { tcp } from './dsl.ts'
import { floodRun } from './flood.ts'

tcp(
  '100,000 spoofed SYNs: a transfer keeps 90 % of its rate, all clients get in, half-open and memory are bounded (RFC 4987)',
  () => {
    const calm = floodRun({ seconds: 1, synsPerSecond: 0, clients: 100 })
    const flood = floodRun({ seconds: 1, synsPerSecond: 100_000, clients: 100 })
    assert.equal(flood.spoofed, 100_000)
    assert.ok(flood.bytes >= 0.9 * calm.bytes, `${flood.bytes} bytes of ${calm.bytes}`)
    assert.equal(calm.connected, 100)
    assert.equal(flood.connected, 100)
    assert.ok(flood.mostHalfOpen <= 128, `${flood.mostHalfOpen} half-open`)
    assert.ok(
      flood.mostPackets <= calm.mostPackets + 64,
      `${flood.mostPackets} packets held, ${calm.mostPackets} without`,
    )
    assert.ok(flood.cookies > 90_000, `${flood.cookies} cookies`)
    assert.ok(flood.cookiesReceived > 0, 'clients came in by cookies')
    assert.equal(calm.cookies, 0)
  },
)
