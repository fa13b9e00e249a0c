/** Echo both ways with Linux over a TAP device. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { PingResult } from '../../src/app/ping.ts'
import { Lab, OURS, skipReason } from './lab.ts'
import { wrongFrames } from './tshark.ts'

const skip = skipReason('ping', 'tshark')

describe('ICMP with the Linux kernel over TAP', { skip }, () => {
  let lab: Lab

  before(() => {
    lab = new Lab('icmp')
  })
  after(() => lab.close())

  const ours = async (capture: string, ...args: string[]): Promise<PingResult> => {
    const { status, stdout, stderr } = await lab.program(capture, 'ping', ...args).end(60)
    assert.equal(status, 0, stderr)
    return JSON.parse(stdout) as PingResult
  }

  test('1,000 echo requests of the kernel at intervals of 1 ms are all answered (RFC 792)', async () => {
    const capture = lab.capture('ping')
    const serving = await lab.serve('--pcap', capture)
    const { stdout } = await lab.run('ping', '-q', '-n', '-c', '1000', '-i', '0.001', OURS)
    serving.child.kill('SIGTERM')
    const { stdout: statistics } = await serving.end()
    assert.match(stdout + statistics, /1000 packets transmitted, 1000 received, 0% packet loss/)
    assert.deepEqual(wrongFrames(capture), [])
  })

  test('echo requests of 60,000 bytes from the kernel, fragmented both ways, are all answered (RFC 791 §3.2)', async () => {
    const capture = lab.capture('big')
    const serving = await lab.serve('--pcap', capture)
    const { stdout } = await lab.run('ping', '-q', '-n', '-c', '50', '-i', '0.02', '-s', '60000', OURS)
    serving.child.kill('SIGTERM')
    const { stdout: statistics } = await serving.end()
    assert.match(stdout + statistics, /50 packets transmitted, 50 received, 0% packet loss/)
    assert.deepEqual(wrongFrames(capture), [])
  })

  test('1,000 echo requests of ours at intervals of 1 ms are all answered by the kernel', async () => {
    const capture = lab.capture('ours')
    const result = await ours(capture, '1000', '56', '1')
    assert.deepEqual(
      [result.sent, result.received, result.duplicates, result.corrupt],
      [1000, 1000, 0, 0],
      JSON.stringify(result),
    )
    assert.deepEqual(wrongFrames(capture), [])
  })

  test('echo requests of ours of 60,000 bytes, fragmented both ways, are all answered by the kernel', async () => {
    const capture = lab.capture('ours-big')
    const result = await ours(capture, '50', '60000', '20')
    assert.deepEqual(
      [result.sent, result.received, result.duplicates, result.corrupt],
      [50, 50, 0, 0],
      JSON.stringify(result),
    )
    assert.deepEqual(wrongFrames(capture), [])
  })
})
