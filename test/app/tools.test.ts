/** The tools print what the real ones printed in the same situation. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { before, describe, test } from 'node:test'
import type { Host } from '../../src/host/host.ts'
import { net } from '../host/net.ts'
import { run } from './host.ts'
import { comparable, OBSERVATIONS, type Side, situate } from './situation.ts'

/**
 * iproute2 6.1.0, net-tools 2.10, procps 4.0.2, iputils 20221126, netcat-openbsd 1.219, traceroute 2.1.2 on Linux 6.18, written by
 * SOCKEYE_VECTORS=test/app/vectors/tools.json node --import tsx --test test/interop/tools.test.ts
 */
const VECTORS = JSON.parse(
  readFileSync(new URL('./vectors/tools.json', import.meta.url), 'utf8'),
) as readonly (readonly [line: string, status: number, stdout: string, stderr: string])[]

describe('the same situation, the same command line, the same text', () => {
  let hosts: Record<Side, Host>

  before(async () => {
    const { clock, a, b } = net()
    hosts = { a, b }
    await situate(clock, a, b)
  })

  for (const [i, [side, compare, line]] of OBSERVATIONS.entries()) {
    test(`${line}: on ${side} what the real one printed`, async () => {
      const [seen, status, stdout, stderr] = VECTORS[i] as (typeof VECTORS)[number]
      assert.equal(seen, line, 'vectors/tools.json is of other lines')
      const ours = await run(hosts[side], line.split(' '))
      assert.equal(comparable(compare, line, ours.stdout + ours.stderr), comparable(compare, line, stdout + stderr))
      assert.equal(ours.status, status, 'exit status')
    })
  }
})
