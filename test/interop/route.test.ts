/** A host of ours between two networks of the kernel's: traceroute shows it, and traffic passes through it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { Lab, OURS, PREFIX, type Running, skipReason, TAP } from './lab.ts'
import { wrongFrames } from './tshark.ts'

const skip = skipReason('traceroute', 'ping', 'nc', 'tshark')
const FAR_TAP = 'tap1'
const FAR = '10.98.0.1'
const OURS_FAR = '10.98.0.2'

describe('forwarding between two namespaces over TAP', { skip }, () => {
  let lab: Lab
  let far: string
  let serving: Running

  const ip = (...args: string[]): void => {
    const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' })
    assert.equal(status, 0, `ip ${args.join(' ')}: ${stderr}`)
  }

  before(async () => {
    lab = new Lab('route')
    far = `${lab.namespace}-far`
    lab.must('ip', 'tuntap', 'add', 'dev', FAR_TAP, 'mode', 'tap')
    serving = lab.ours(
      'src/cli/main.ts',
      ...[
        'serve',
        '--tap',
        TAP,
        '--address',
        `${OURS}/${PREFIX}`,
        '--tap',
        FAR_TAP,
        '--address',
        `${OURS_FAR}/${PREFIX}`,
      ],
      ...['--forward', '--pcap', lab.capture('route')],
    )
    await serving.printed(/^ready.*$/m)
    // The device stays open where it was opened; only its kernel end moves.
    ip('netns', 'add', far)
    ip('-n', lab.namespace, 'link', 'set', 'dev', FAR_TAP, 'netns', far)
    ip('-n', far, 'address', 'add', `${FAR}/${PREFIX}`, 'dev', FAR_TAP)
    ip('-n', far, 'link', 'set', 'dev', 'lo', 'up')
    ip('-n', far, 'link', 'set', 'dev', FAR_TAP, 'up')
    ip('-n', far, 'route', 'add', 'default', 'via', OURS_FAR)
    ip('-n', lab.namespace, 'route', 'add', 'default', 'via', OURS)
  })

  after(async () => {
    await lab.close()
    spawnSync('ip', ['netns', 'delete', far])
  })

  test('traceroute by UDP shows our host as the first hop and the far kernel as the second (RFC 792, RFC 1812 §5.3.1)', async () => {
    const { stdout } = await lab.run('traceroute', '-n', '-q', '2', '-w', '2', FAR)
    const hops = stdout
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/)[1])
    assert.deepEqual(hops, [OURS, FAR])
  })

  test('traceroute by ICMP shows the same', async () => {
    const { stdout } = await lab.run('traceroute', '-n', '-I', '-q', '2', '-w', '2', FAR)
    const hops = stdout
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/)[1])
    assert.deepEqual(hops, [OURS, FAR])
  })

  test('ping of 20,000 bytes passes in fragments both ways, with a TTL one less (RFC 1812 §5.2)', async () => {
    const { stdout } = await lab.run('ping', '-n', '-c', '5', '-i', '0.1', '-s', '20000', FAR)
    assert.match(stdout, /5 packets transmitted, 5 received, 0% packet loss/)
    assert.match(stdout, /ttl=63/)
  })

  test('a TCP transfer of 64 MiB between the kernels passes through our host whole', async () => {
    const sink = lab.start('ip', 'netns', 'exec', far, 'bash', '-c', `nc -l ${FAR} 45678 | sha256sum`)
    await new Promise((resolve) => setTimeout(resolve, 500))
    const { status } = await lab.shell(`head -c 67108864 /dev/zero | nc -N ${FAR} 45678`)
    assert.equal(status, 0)
    const { stdout } = await sink.end(30)
    assert.equal(stdout.split(' ')[0], '3b6a07d0d404fab4e23b6d34bc6696a6a312dd92821332385e5af7c01c421351')
  })

  test('the capture of all of it has nothing that tshark calls wrong', async () => {
    serving.child.kill('SIGTERM')
    const { status, stdout } = await serving.end()
    assert.equal(status, 0)
    assert.match(stdout, /^IpForwDatagrams \d{4}/m)
    assert.deepEqual(wrongFrames(lab.capture('route')), [])
  })
})
