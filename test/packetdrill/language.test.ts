/** What the language of packetdrill scripts says beside packets: shell texts, assertions, options, mistakes. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type MoreOptions, type Report, runScript, ScriptError } from '../../src/packetdrill/index.ts'

const OPEN = `
 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 60000 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
+.02 < . 1:1(0) ack 1 win 60000
+0 accept(3, ..., ...) = 4
`

const run = (source: string, more: MoreOptions = {}): Report => runScript('own.pkt', source, 'ipv4', false, more)

function passes(source: string, more: MoreOptions = {}): void {
  const report = run(source, more)
  assert.equal(report.status, 'ok', `${source}\nline ${report.line}: ${report.message}`)
}

function fails(source: string, message: RegExp, more: MoreOptions = {}): void {
  const report = run(source, more)
  assert.equal(report.status, 'not ok', source)
  assert.match(report.message, message)
}

test('shell texts have lists, quotes, comments, continued lines, variables and conditions (README a.7)', () => {
  for (const text of [
    'true && true || false',
    'false || ! false',
    'false && exit 1; true',
    'true # && false',
    'sysctl -q -w net.ipv4.tcp_reordering=5 \\\n net/ipv4/tcp_sack="1"\n[ $(cat /proc/sys/net/ipv4/tcp_reordering) = 5 ]',
    'echo 4 > /proc/sys/net/ipv4/tcp_reordering; test "$(sysctl -n net.ipv4.tcp_reordering)" -eq $((2 * 2))',
    "set_sysctls.py '/proc/sys/net/ipv4/tcp_rmem=4096 9000 10000'; sysctl net.ipv4.tcp_rmem | grep -q '9000'",
    'X=3; if [ "$X" -lt 3 ]; then false; elif [ $X = 3 ]; then true; else false; fi',
    '(false; true) && { true; }',
    'nstat -n; nstat -az TcpExtTCPChallengeACK | grep -q "TcpExtTCPChallengeACK *0"',
    "nstat -az | awk '/TcpExtTCPChallengeACK/ {print $2}' | grep '^0$' > /dev/null 2>&1",
    'cat /proc/net/tcp | grep -v "nothing" | grep -c ":1F90" | grep -q 1',
    'ls /nowhere &> /dev/null || false',
    'sysctl -q -e net.ipv4.no_such_thing=1',
  ])
    passes(`${OPEN}+0 \`${text}\``)
  for (const text of [
    'false',
    'true && false',
    'exit 3',
    '[ 1 -eq 2 ]',
    'echo a | grep b',
    'if false; then true; else false; fi',
  ])
    fails(`${OPEN}+0 \`${text}\``, /expected status 0/)
})

test('a shell text that sleeps makes the script late, one before it does not (README a.7)', () => {
  passes(`\`sleep 3\`\n${OPEN}+0 write(4, ..., 10) = 10\n0.02 > P. 1:11(10) ack 1`)
  fails(`${OPEN}+0 write(4, ..., 10) = 10\n+0 \`sleep .1\`\n+0 > P. 1:11(10) ack 1`, /early by 0.1/)
})

test('assertions are Python: comparisons, conditions, formats, functions (README a.8)', () => {
  passes(`${OPEN}+0 %{
import math
x = 5; y = [1, 2, 3]
assert x in (1, 5) and x not in y, x
assert x is not None and not (x == 4 or x == 3)
assert abs(-3) == 3 and max(1, 2) == 2 and min(y) == 1 and sum(y) == 6 and len(y) == 3
assert 7 // 2 == 3 and 7 / 2 == 3.5 and -7 // 2 == -4 and -7 % 4 == 1 and 2 ** 10 == 1024 and -2 ** 2 == -4
assert 1 < x <= 5 < 6 and x & 4 == 4 and x | 2 == 7 and x ^ 1 == 4 and x << 1 == 10 and 1e3 == 1000.0
assert '%d %5.2f %s %x %-3d|%03d%%' % (1, 2.5, 'a', 255, 7, 7) == '1  2.50 a ff 7  |007%'
if x == 5: z = 1
else: z = 2
assert z == 1
if x > 5:
  z = 7
elif x > 4:

  # inner
  if z == 1:
    z = 8; z += 1
  else:
    z = 0
else:
  z = 10
assert z == 9 and y[1] == 2 and y[-1] == 3, z
w = 1 if z == 9 else 2
assert w == 1
print('cwnd', tcpi_snd_cwnd, end='')
assert tcpi_snd_cwnd == 10, \\
  'cwnd %d' % tcpi_snd_cwnd
assert (tcpi_options &
  TCPI_OPT_SACK) == 0; assert tcpi_state == TCP_ESTABLISHED
}%
+0 %{ assert z + w == 10 }%`)
  fails(`${OPEN}+0 %{ assert tcpi_snd_cwnd == 11, 'cwnd %d' % tcpi_snd_cwnd }%`, /cwnd 10/)
  fails(`${OPEN}+0 %{\nif True:\n  x = 1\n  assert x == 2\n}%`, /assert x == 2/)
  fails(`${OPEN}+0 %{ assert nothing == 1 }%`, /NameError/)
})

test('definitions stand for words, those of the command line too (README a.1)', () => {
  passes(`--define=SIZE=10\n${OPEN}+0 write(4, ..., SIZE) = SIZE\n+0 > P. 1:11(SIZE) ack 1`)
  passes(`${OPEN}+0 write(4, ..., SIZE) = 10\n+0 COMMAND`, {
    definitions: new Map([
      ['SIZE', '10'],
      ['COMMAND', '`true`'],
    ]),
  })
})

test('options of the command line go before those of the script (README a.2)', () => {
  const late = `--tolerance_usecs=1000\n${OPEN}+0 write(4, ..., 10) = 10\n+.005 > P. 1:11(10) ack 1`
  fails(late, /early by/)
  passes(late, { options: new Map([['tolerance_usecs', '10000']]) })
  passes(`--mtu=1500\n${OPEN.replace('1460', '1360')}`, { options: new Map([['mtu', '1400']]) })
  passes(OPEN, { init: 'sysctl -q net.ipv4.tcp_sack=0' })
  assert.equal(run(`${OPEN}+0 write(4, ..., 10) = 11`, { isDryRun: true }).status, 'ok')
})

test('--non_fatal lets packets or calls go wrong (README a.2)', () => {
  const wrongCall = `${OPEN}+0 write(9, ..., 10) = 10\n+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1`
  fails(wrongCall, /EBADF/)
  passes(`--non_fatal=packet,syscall\n${wrongCall}`)
  fails(`--non_fatal=packet\n${wrongCall}`, /EBADF/)
  const wrongPacket = `${OPEN}+0 write(4, ..., 10) = 10\n+0 > . 1:11(10) ack 1\n+0 read(4, ..., 1) = -1`
  fails(wrongPacket, /flags/)
  fails(`--non_fatal=packet\n${wrongPacket}`, /sleeps/)
})

test('a mistake in a script is told with its line; what we do not have skips it', () => {
  for (const [source, line, message] of [
    ['0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 > S 0:0(5)', 2, /inconsistent/],
    ['0 socket(...', 1, /expected/],
    ['1 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3', 1, /time 0/],
    ['0 < S 0:0(0) win 1 <nonsense 5>', 1, /unknown TCP option/],
    ['0 < Q 0:0(0) win 1', 1, /unknown TCP flag/],
    ['', 1, /no events/],
  ] as const) {
    assert.throws(
      () => run(source),
      (error: unknown) => error instanceof ScriptError && error.line === line && message.test(error.message),
      source,
    )
  }
  for (const [source, message] of [
    [`${OPEN}+0 nonsense(4) = 0`, /system call nonsense/],
    [`${OPEN}+0 > ipv4 10.0.0.1 > 10.0.0.2: gre: S 0:0(0)`, /no tunnels/],
    [`${OPEN}+0 \`some_program --now\``, /shell command some_program/],
    ['0 socket(..., SOCK_RAW, 1) = 3', /sockets of type 3/],
  ] as const) {
    const report = run(source)
    assert.equal(report.status, 'skip', source)
    assert.match(report.message, message)
  }
})

test('sockeye packetdrill: a file that is none is one line with its place, and exit status 2; others are played', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sockeye-language-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'bad.pkt'), '0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 > S 0:0(5)\n')
  writeFileSync(join(folder, 'good.pkt'), OPEN)
  const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
  const play = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, ['--import', import.meta.resolve('tsx'), main, 'packetdrill', ...args], {
      encoding: 'utf8',
      cwd: folder,
    })
  const both = play('--variant', 'ipv4', 'bad.pkt', 'good.pkt')
  assert.equal(both.stderr, 'bad.pkt:2: inconsistent sequence numbers 0:0(5)\n')
  assert.equal(both.stdout, 'ok good.pkt (ipv4)\n1 passed, 1 failed, 0 skipped\n')
  assert.equal(both.status, 2)
  for (const [flag, value, wanted] of [
    ['--mtu', 'abc', 'a whole number from 68 to 65535'],
    ['--netmask_ip', 'x', 'an IPv4 address'],
    ['--non_fatal', 'all', 'packet, syscall or both'],
  ] as const) {
    const refused = play(flag, value, 'good.pkt')
    assert.equal(refused.stderr, `sockeye: packetdrill: ${flag}: not ${wanted}: '${value}'\n`)
    assert.equal(refused.status, 2)
  }
  const other = play('--variant', 'ipv4', '-D', 'NAME=1', '--mtu=1400', '--non_fatal=packet', '-q', 'good.pkt')
  assert.equal(other.stdout, '1 passed, 0 failed, 0 skipped\n', other.stderr)
})
