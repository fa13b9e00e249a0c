/** Tools from the command line: on a small network, on the host of a running server, and what is refused. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { UsageError } from '../../src/cli/arguments.ts'
import { Control } from '../../src/cli/control.ts'
import { helpOf } from '../../src/cli/help.ts'
import { run } from '../../src/cli/run.ts'
import { echo } from '../../src/cli/services.ts'
import { Host } from '../../src/host/host.ts'
import { RealClock } from '../../src/platform/clock.ts'
import { Random } from '../../src/sys/random.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const TSX = import.meta.resolve('tsx')
/** The runtime folder of these tests: no server of anybody else is seen. */
const runtime = mkdtempSync(join(tmpdir(), 'sockeye-tools-'))
after(() => rmSync(runtime, { recursive: true }))

interface Result {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

function sockeye(args: readonly string[], input = ''): Result {
  return spawnSync(process.execPath, ['--import', TSX, MAIN, ...args], {
    encoding: 'utf8',
    input,
    env: { ...process.env, XDG_RUNTIME_DIR: runtime },
  })
}

describe('sockeye shell', () => {
  test('runs commands on a network of three hosts in virtual time, with the status of the last', () => {
    const commands = 'ping -c 2 198.51.100.10; host bob; hostname; ss -tln; host alice; nc -z 198.51.100.10 8'
    const { status, stdout } = sockeye(['shell', '-c', commands])
    assert.equal(status, 1)
    assert.match(stdout, /^PING 198\.51\.100\.10 .*\n64 bytes from 198\.51\.100\.10: icmp_seq=1 ttl=63 time=4\.00 ms\n/)
    assert.match(stdout, /\nbob\nState {2}Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\nLISTEN 0 {6}4096 /)
  })

  test('takes commands from its input; a tool with & runs on beside the others', () => {
    const lines = [
      'host router',
      'tcpdump -nt -i eth1 -c 2 icmp &',
      'host alice',
      'ping -q -c 1 198.51.100.10',
      'exit 7',
    ]
    const { status, stdout } = sockeye(['shell'], `${lines.join('\n')}\n`)
    assert.equal(status, 7)
    assert.match(
      stdout,
      /^IP 192\.0\.2\.10 > 198\.51\.100\.10: ICMP echo request, .*\nIP 198\.51\.100\.10 > 192\.0\.2\.10: ICMP echo reply/m,
    )
  })

  test('the same seed gives the same text', () => {
    const args = ['shell', '--seed', '5', '-c', 'nc -N 198.51.100.10 7; ss -tan; ip neigh; ip link']
    assert.equal(sockeye(args).stdout, sockeye(args).stdout)
  })

  test('a tool that nothing will ever end is ended, and said so', () => {
    const { status, stderr } = sockeye(['shell', '-c', 'nc -l 9'])
    assert.equal(status, 1)
    assert.equal(stderr, 'nothing left to happen: ended\n')
  })

  test('what is wrong with a command is said in one line, and the next one runs', () => {
    const { status, stdout, stderr } = sockeye(['shell', '-c', 'bogus; host nowhere; sleep x; ss -Q; hostname'])
    assert.deepEqual([status, stdout], [0, 'alice\n'])
    assert.deepEqual(stderr.split('\n'), [
      'bogus: command not found',
      "host: no such: 'nowhere'; there are alice, router, bob",
      'sleep: not a number of seconds',
      "ss: invalid option -- 'Q'",
      '',
    ])
  })
})

describe('sockeye TOOL on a host that is being served', () => {
  const clock = new RealClock()
  const host = new Host({ name: 'served', clock, random: new Random(1) })
  host.spawn(echo(7), 'echo')

  /** As `sockeye`, while this process serves. */
  const tool = (args: readonly string[], input = '', signalAfterMs = 0): Promise<Result> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, ['--import', TSX, MAIN, ...args], {
        env: { ...process.env, XDG_RUNTIME_DIR: runtime },
      })
      let stdout = ''
      let stderr = ''
      child.stdout.on('data', (data: Buffer) => {
        if (stdout === '' && signalAfterMs > 0) setTimeout(() => child.kill('SIGINT'), signalAfterMs)
        stdout += data.toString()
      })
      child.stderr.on('data', (data: Buffer) => {
        stderr += data.toString()
      })
      child.stdin.end(input)
      child.on('close', (status) => resolve({ status, stdout, stderr }))
    })

  test('sees its sockets, talks to its services, gives the status of the tool; Ctrl-C reaches the tool', async () => {
    const folder = join(runtime, 'sockeye')
    const control = new Control(host, join(folder, `${process.pid}.sock`))
    assert.equal(await control.open(), undefined)
    assert.equal(statSync(folder).mode & 0o777, 0o700)
    assert.equal(statSync(control.path).mode & 0o777, 0o600)
    // A socket that a killed server left behind does not count.
    writeFileSync(join(folder, '4194304.sock'), '')
    const { stdout, status } = await tool(['ss', '-tlnp'])
    assert.equal(status, 0)
    assert.match(stdout, /\nLISTEN 0 {6}4096 {9}0\.0\.0\.0:7 .*users:\(\("echo",pid=\d+,fd=3\)\)\n$/)
    assert.equal((await tool(['nc', '-N', '127.0.0.1', '7'], 'hello\n')).stdout, 'hello\n')
    assert.equal((await tool(['hostname', '--at', control.path])).stdout, 'served\n')
    assert.equal((await tool(['hostname', '--at', String(process.pid)])).stdout, 'served\n')
    const refused = await tool(['nc', '-vz', '127.0.0.1', '8'])
    assert.deepEqual(
      [refused.status, refused.stderr],
      [1, 'nc: connect to 127.0.0.1 port 8 (tcp) failed: Connection refused\n'],
    )
    const ping = await tool(['ping', '-i', '0.2', '127.0.0.1'], '', 300)
    assert.equal(ping.status, 0)
    assert.match(ping.stdout, /\n\d+ packets transmitted, \d+ received, 0% packet loss/)
    control.close()
    for (const process of [...host.processes.values()]) process.end(0)
  })

  test('a folder that others may enter gets no control socket (control.ts)', async () => {
    const open = join(runtime, 'open')
    mkdirSync(open)
    chmodSync(open, 0o755)
    assert.match((await new Control(host, join(open, 'x.sock')).open()) ?? '', /not a folder of this user alone/)
  })
})

describe('what the command line refuses', () => {
  const { XDG_RUNTIME_DIR: before } = process.env
  process.env.XDG_RUNTIME_DIR = join(runtime, 'none')
  after(() => {
    if (before === undefined) delete process.env.XDG_RUNTIME_DIR
    else process.env.XDG_RUNTIME_DIR = before
  })
  for (const [args, message] of [
    [['ss'], /^no sockeye serve is running; --tap NAME --address CIDR makes a host, sockeye shell a network$/],
    [['ss', '--at', '1'], /^--at: no sockeye serve there: .*\/1\.sock$/],
    [['ss', '--at'], /^--at: value missing$/],
    [['ip', '--tap', 'tap0', 'addr'], /^--tap: needs --address CIDR$/],
    [['ip', '--address', '192.0.2.1/24'], /^--address and --gateway need --tap NAME$/],
    [['ip', '--tap', 'x', '--address', '192.0.2.1'], /^--address: not an address with prefix length: '192\.0\.2\.1'$/],
    [['ip', '--tap', 'x', '--address', '192.0.2.1/24', '--at', '1'], /^--at and --tap: either, not both$/],
    [['shell', 'x'], /too many arguments: 'x'$/],
    [['shell', '--seed', 'x'], /--seed: not a whole number/],
  ] as const) {
    test(`sockeye ${args.join(' ')}: one line that says why, and exit status 2`, async () => {
      await assert.rejects(run(args), (error: unknown) => {
        assert.ok(error instanceof UsageError)
        assert.equal(error.status, 2)
        assert.match(error.message, message)
        return true
      })
    })
  }
})

test('--help of a tool says where it runs and of the whole lists the tools', () => {
  assert.match(helpOf('ping'), /^sockeye TOOL \[--at PID\|PATH/)
  assert.match(
    helpOf(undefined),
    /\n {2}arp cat hostname ifconfig ip nc netstat ping ps route ss sysctl tcpdump traceroute\n/,
  )
})
