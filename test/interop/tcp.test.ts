/** TCP with Linux over a TAP device: who connects, half-close, restart, and how the other end's end is told. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { KERNEL, Lab, numbers, OURS, type Running, skipReason, TAP } from './lab.ts'
import { wrongFrames } from './tshark.ts'

const skip = skipReason('nc', 'socat', 'tshark')
// A port that tshark guesses no application behind.
const PORT = 45678

describe('TCP with the Linux kernel over TAP', { skip }, () => {
  let lab: Lab

  before(() => {
    lab = new Lab('tcp')
  })
  after(() => lab.close())

  /** The JSON line a run of ours ended with. */
  const outcome = async (running: Running): Promise<Record<string, unknown>> => {
    const { status, stdout, stderr } = await running.end(60)
    assert.equal(status, 0, stderr)
    return JSON.parse(stdout.trim().split('\n').at(-1) as string) as Record<string, unknown>
  }

  /** Starts a listening program in the namespace and waits until it listens. */
  const listening = async (program: string, ...args: string[]): Promise<Running> => {
    const running = lab.start(program, ...args)
    for (let i = 0; i < 100; i++) {
      if (lab.must('ss', '-Hltn', `sport = :${PORT}`) !== '') return running
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error(`${program} does not listen`)
  }

  test('nc of the kernel half-closes after 4 MiB and gets them back from our echo (RFC 862, RFC 9293 §3.6)', async () => {
    const capture = lab.capture('echo')
    const sent = numbers(4 << 20)
    writeFileSync(lab.file('sent'), sent)
    const serving = await lab.serve('--echo', '7', '--pcap', capture)
    const { status } = await lab.shell(
      `nc -N ${OURS} 7 < ${lab.file('sent')} | sha256sum > ${lab.file('got')}; exit \${PIPESTATUS[0]}`,
    )
    const { stdout } = await lab.run('cut', '-c1-64', lab.file('got'))
    serving.child.kill('SIGTERM')
    const { stdout: statistics } = await serving.end()
    assert.equal(status, 0)
    assert.equal(stdout.trim(), createHash('sha256').update(sent).digest('hex'))
    assert.doesNotMatch(statistics, /Tcp(InErrs|InCsumErrors|EstabResets) /)
    assert.deepEqual(wrongFrames(capture), [])
  })

  test('100 connections of the kernel to our echo at the same time each get their own bytes back', async () => {
    const serving = await lab.serve('--echo', '7')
    const { stdout } = await lab.shell(
      `for i in $(seq 100); do d=$((i % 10)); (n=$(head -c 20000 /dev/zero | tr '\\0' $d | nc -N ${OURS} 7 | tr -cd $d | wc -c); echo "got $n") & done; wait`,
    )
    serving.child.kill('SIGTERM')
    await serving.end()
    assert.equal(
      stdout
        .trim()
        .split('\n')
        .filter((line) => line === 'got 20000').length,
      100,
    )
  })

  test('our socket connects to nc of the kernel, half-closes, and reads what nc sends after that', async () => {
    const capture = lab.capture('connect')
    const nc = await listening('nc', '-l', '-N', KERNEL, String(PORT))
    nc.child.stdin?.end('from the kernel')
    const { got } = await outcome(lab.program(capture, 'connect', String(PORT), 'from us'))
    assert.equal(got, 'from the kernel')
    assert.equal((await nc.end(10)).stdout, 'from us')
    assert.deepEqual(wrongFrames(capture), [])
  })

  test('a kernel program that answers only after our FIN gets all of ours first, and we all of its (half-close)', async () => {
    const capture = lab.capture('half')
    await listening('socat', `TCP-LISTEN:${PORT},bind=${KERNEL},reuseaddr`, 'SYSTEM:sha256sum')
    const { got } = await outcome(lab.program(capture, 'connect', String(PORT), 'half-close'))
    assert.equal(got, `${createHash('sha256').update('half-close').digest('hex')}  -\n`)
    assert.deepEqual(wrongFrames(capture), [])
  })

  test('connecting to a kernel port where nobody listens fails with ECONNREFUSED (RFC 9293 §3.10.7.3)', async () => {
    const { code } = await outcome(lab.program(lab.capture('refused'), 'refused', '5999'))
    assert.equal(code, 'ECONNREFUSED')
  })

  test('a server restarted at once binds its port again with SO_REUSEADDR and gets EADDRINUSE without (socket(7))', async () => {
    const running = lab.program(lab.capture('restart'), 'restart', String(PORT))
    await running.printed(/^listening$/m)
    assert.equal((await lab.run('nc', OURS, String(PORT))).stdout, 'first')
    await running.printed(/^listening again$/m)
    assert.equal((await lab.run('nc', OURS, String(PORT))).stdout, 'second')
    assert.equal((await outcome(running)).without, 'EADDRINUSE')
    assert.deepEqual(wrongFrames(lab.capture('restart')), [])
  })

  test('the kernel end is killed while we write: our write fails with ECONNRESET or EPIPE (RFC 9293 §3.10.7.4)', async () => {
    const reader = await listening('socat', '-u', `TCP-LISTEN:${PORT},bind=${KERNEL},reuseaddr`, 'SYSTEM:sleep 60')
    const running = lab.program(lab.capture('killed'), 'flood', String(PORT), '0')
    await running.printed(/^connected$/m)
    await new Promise((resolve) => setTimeout(resolve, 500))
    // Unread bytes in its socket make the kernel send a RST when the process dies.
    lab.must('pkill', '-KILL', '-P', String(reader.child.pid), '--ns', String(reader.child.pid), '--nslist', 'net', '.')
    reader.child.kill('SIGKILL')
    const { code } = await outcome(running)
    assert.match(String(code), /^(ECONNRESET|EPIPE)$/)
  })

  test('the kernel end is killed with our bytes unread while we read: our read fails with ECONNRESET', async () => {
    const serving = await listening('socat', '-u', 'OPEN:/dev/zero', `TCP-LISTEN:${PORT},bind=${KERNEL},reuseaddr`)
    const running = lab.program(lab.capture('drain'), 'drain', String(PORT))
    await running.printed(/^connected$/m)
    await new Promise((resolve) => setTimeout(resolve, 300))
    // ss -K resets it from the kernel's side, as an abort does (RFC 9293 §3.10.5).
    lab.must('ss', '-K', 'sport', '=', `:${PORT}`)
    const { code } = await outcome(running)
    serving.child.kill('SIGKILL')
    assert.equal(code, 'ECONNRESET')
  })

  test('the kernel end falls silent while we write: TCP_USER_TIMEOUT of 2 s ends it with ETIMEDOUT (RFC 5482)', async () => {
    const reader = await listening('socat', '-u', `TCP-LISTEN:${PORT},bind=${KERNEL},reuseaddr`, 'OPEN:/dev/null')
    const running = lab.program(lab.capture('silent'), 'flood', String(PORT), '2000')
    await running.printed(/^connected$/m)
    await new Promise((resolve) => setTimeout(resolve, 300))
    // Without its address the kernel takes our frames and answers none of them.
    lab.must('ip', 'address', 'flush', 'dev', TAP)
    try {
      const { code } = await outcome(running)
      assert.equal(code, 'ETIMEDOUT')
    } finally {
      lab.must('ip', 'address', 'add', `${KERNEL}/24`, 'dev', TAP)
      reader.child.kill('SIGKILL')
    }
  })
})
