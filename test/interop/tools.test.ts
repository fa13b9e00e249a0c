/**
 * The tools of virtual hosts beside the real ones: two namespaces on a veth pair and two hosts of ours on a cable, in the same
 * situation; the same command lines; the same text, but for addresses of hardware, numbers of processes and inodes, and times.
 * With SOCKEYE_VECTORS set to a file, what the real ones print is written there: test/app/vectors/tools.json.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import type { Host } from '../../src/host/host.ts'
import { run } from '../app/host.ts'
import { CLIENT, comparable, OBSERVATIONS, SERVER, type Side, situate } from '../app/situation.ts'
import { net } from '../host/net.ts'
import { skipReason } from './lab.ts'

const skip = skipReason('ss', 'netstat', 'arp', 'sysctl', 'ping', 'nc', 'traceroute', 'python3')

describe('tools beside the real ones', { skip }, () => {
  const namespaces = { a: `sockeye-tools-${process.pid}-a`, b: `sockeye-tools-${process.pid}-b` }
  const children: ChildProcess[] = []
  let hosts: Record<Side, Host>
  const seen: unknown[] = []

  const must = (program: string, ...args: string[]): void => {
    const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
    assert.equal(status, 0, `${program} ${args.join(' ')}: ${stderr}`)
  }
  const python = (side: Side, script: string, until: string): Promise<void> =>
    new Promise((resolve) => {
      const child = spawn('ip', ['netns', 'exec', namespaces[side], 'python3', '-c', script], {
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      children.push(child)
      child.stdout.on('data', (data: Buffer) => {
        if (data.toString().includes(until)) resolve()
      })
    })

  before(async () => {
    for (const side of ['a', 'b'] as const) {
      must('ip', 'netns', 'add', namespaces[side])
      const off = ['net.ipv6.conf.all.disable_ipv6=1']
      must('ip', 'netns', 'exec', namespaces[side], 'sysctl', '-qw', ...off)
      must('ip', '-n', namespaces[side], 'link', 'set', 'lo', 'up')
    }
    const veth = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', namespaces.b]
    must('ip', 'link', 'add', 'eth0', 'netns', namespaces.a, ...veth)
    for (const [side, address] of [
      ['a', '10.0.0.1/24'],
      ['b', '10.0.0.2/24'],
    ] as const) {
      must('ip', '-n', namespaces[side], 'address', 'add', address, 'brd', '+', 'dev', 'eth0')
      must('ip', '-n', namespaces[side], 'link', 'set', 'eth0', 'up')
    }
    await python('b', SERVER, 'listening')
    await python('a', CLIENT, 'ready')
    const { clock, a, b } = net()
    hosts = { a, b }
    await situate(clock, a, b)
    await new Promise((resolve) => setTimeout(resolve, 300))
  })

  after(() => {
    for (const child of children) child.stdin?.end()
    const { SOCKEYE_VECTORS: file } = process.env
    if (file !== undefined) writeFileSync(file, `${JSON.stringify(seen, null, 1)}\n`)
    for (const name of Object.values(namespaces)) spawnSync('ip', ['netns', 'delete', name])
  })

  for (const [side, compare, line] of OBSERVATIONS) {
    test(`${line}: on ${side} the text of the real one`, async () => {
      const argv = line.split(' ')
      const real = spawnSync('ip', ['netns', 'exec', namespaces[side], ...argv], { encoding: 'utf8', input: '' })
      seen.push([line, real.status, real.stdout, real.stderr])
      const ours = await run(hosts[side], argv)
      const [own, wanted] = [ours, real].map((o) => comparable(compare, line, o.stdout + o.stderr))
      assert.equal(own, wanted)
      assert.equal(ours.status, real.status, 'exit status')
    })
  }
})
