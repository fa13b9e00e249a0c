/** The command line as a user meets it: what it refuses, what it prints, what it leaves. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { UsageError } from '../../src/cli/arguments.ts'
import { timeOfDay } from '../../src/cli/dump.ts'
import { run } from '../../src/cli/run.ts'
import { rangeOf } from '../../src/cli/web.ts'
import { MemorySink, PcapWriter } from '../../src/link/pcap.ts'
import { CaptureReader } from '../../src/link/pcap-reader.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const TSX = import.meta.resolve('tsx')
const directory = mkdtempSync(join(tmpdir(), 'sockeye-cli-'))
after(() => rmSync(directory, { recursive: true }))

interface Result {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

function sockeye(...args: string[]): Result {
  return spawnSync(process.execPath, ['--import', TSX, MAIN, ...args], { encoding: 'utf8', cwd: directory })
}

describe('what the command line refuses', () => {
  const serve = ['serve', '--tap', 'tap0', '--address', '192.0.2.2/24']
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['bogus'], /unknown command 'bogus'/],
    [['--bogus'], /unknown option '--bogus'/],
    [['demo', '--seed', 'x'], /--seed: not a whole number/],
    [['demo', 'more'], /too many arguments: 'more'/],
    [['demo', '--out', 'none/x.pcapng'], /--out: none\/x\.pcapng: no such file or directory/],
    [['dump'], /which file/],
    [['dump', 'none'], /none: no such file or directory/],
    [['dump', MAIN], /neither pcap nor pcapng/],
    [['serve'], /which TAP device/],
    [['serve', '--tap', 'tap0'], /1 --tap and 0 --address/],
    [['serve', '--tap', 'a/b', '--address', '192.0.2.2/24'], /not a device name/],
    [['serve', '--tap', 'tap0', '--address', '192.0.2.2'], /prefix length/],
    [[...serve, '--echo', '0'], /--echo: not a port/],
    [[...serve, '--http', '65536'], /--http: not a port/],
    [[...serve, '--http', '80', '--echo', '80'], /port 80 is --echo's already/],
    [[...serve, '--http', '80', '--root', 'none'], /--root: none: no such file or directory/],
    [[...serve, '--root', '.'], /without --http/],
    [[...serve, '--gateway', 'x'], /--gateway/],
    [[...serve, '--impair', 'loss=200%'], /--impair: .*loss=200%/],
    [[...serve, '--pcap', 'none/x'], /--pcap: none\/x: no such file or directory/],
    [[...serve, '--sysctl', 'net.ipv4.none=1'], /--sysctl: net\.ipv4\.none: no such sysctl/],
    [[...serve, '--bogus'], /'--bogus'/],
  ]
  for (const [args, message] of cases) {
    test(`sockeye ${args.join(' ').replace(MAIN, 'main.ts')}: one line that says why, and exit status 2`, async () => {
      await assert.rejects(run(args), (error: unknown) => {
        assert.ok(error instanceof UsageError, String(error))
        assert.equal(error.status, 2)
        assert.match(error.message, /^[^\n]+$/)
        assert.match(error.message, message)
        return true
      })
    })
  }
})

test('what is refused goes to stderr as one line, and nothing to stdout', () => {
  const { status, stdout, stderr } = sockeye('serve', '--bogus')
  assert.deepEqual([status, stdout, stderr], [2, '', "sockeye: unknown option '--bogus'\n"])
})

test('--version prints the version of package.json, --help the commands', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  assert.equal(sockeye('--version').stdout, `sockeye ${version}\n`)
  assert.match(sockeye('--help').stdout, /demo.*serve.*dump/s)
  assert.match(sockeye('serve', '--help').stdout, /--tap NAME/)
})

describe('sockeye demo', () => {
  const first = sockeye('demo')
  const rows = first.stdout.split('\n')

  test('shows the loss, the retransmission, every state of both ends and the socket tables, and ends well', () => {
    assert.equal(first.status, 0, first.stderr)
    assert.equal(rows.filter((row) => row.includes('✗ lost')).length, 1)
    assert.equal(rows.filter((row) => row.includes('↻ sent again')).length, 1)
    const lost = rows.find((row) => row.includes('✗ lost'))
    assert.match(lost as string, /seq 2897:4345/)
    const pairs = rows
      .map((row) => /^\d+\.\d{6} +([A-Z0-9-]+) +([A-Z0-9-]+)/.exec(row))
      .filter((match) => match !== null)
    const seen = (column: number): string[] =>
      pairs.map((match) => match[column] as string).filter((s, i, all) => s !== all[i - 1])
    assert.deepEqual(seen(1), ['CLOSED', 'SYN-SENT', 'ESTABLISHED', 'CLOSE-WAIT', 'LAST-ACK', 'CLOSED'])
    assert.deepEqual(seen(2), ['LISTEN', 'SYN-RECV', 'ESTABLISHED', 'FIN-WAIT-1', 'FIN-WAIT-2', 'TIME-WAIT', 'CLOSED'])
    assert.match(first.stdout, /TIME-WAIT +0 +0 +192\.0\.2\.2:7777/)
    assert.ok(!first.stdout.includes('\x1b'), 'no colours where there is no terminal')
  })

  test('TIME_WAIT lasts 60 s of virtual time', () => {
    const at = (pattern: RegExp): number => Number(rows.find((row) => pattern.test(row))?.split(' ')[0])
    assert.ok(Math.abs(at(/^\S+ +CLOSED +CLOSED/) - at(/^\S+ +LAST-ACK +TIME-WAIT/) - 60) < 0.001)
  })

  test('leaves a capture that dump prints with the same packets, the lost one with its comment', () => {
    const packets = [...new CaptureReader(readFileSync(join(directory, 'sockeye-demo.pcapng')))]
    const dumped = sockeye('dump', 'sockeye-demo.pcapng')
    assert.equal(dumped.status, 0)
    const lines = dumped.stdout.trimEnd().split('\n')
    assert.equal(lines.length, packets.length)
    const shown = rows.filter((row) => /(IP|ARP,) /.test(row) && /▶|◀|✗/.test(row)).length
    assert.equal(shown, packets.length)
    assert.equal(lines.filter((line) => line.endsWith('# lost on the wire, by intent')).length, 1)
  })

  test('the same seed gives the same output and capture, byte for byte, and another seed another capture', () => {
    const capture = (...args: string[]): Buffer => {
      sockeye('demo', '--out', 'other.pcapng', ...args)
      return readFileSync(join(directory, 'other.pcapng'))
    }
    const original = readFileSync(join(directory, 'sockeye-demo.pcapng'))
    assert.ok(capture('--seed', '1').equals(original))
    assert.ok(!capture('--seed', '2').equals(original))
  })
})

test('dump prints a classic pcap as tcpdump -n does, and says where a truncated one breaks off', () => {
  const sink = new MemorySink()
  const clock = new VirtualClock()
  clock.runUntilSync(3_723_000_004)
  const writer = new PcapWriter(sink, clock)
  writer.addInterface('ip')
  const hex = '4500001c000040004001b6dfc0000201c0000202' + '0800f7ff00000000'
  writer.writeBytes(Uint8Array.from(Buffer.from(hex, 'hex')))
  writeFileSync(join(directory, 'echo.pcap'), sink.toBytes())
  assert.equal(
    sockeye('dump', 'echo.pcap').stdout,
    '01:02:03.000004 IP 192.0.2.1 > 192.0.2.2: ICMP echo request, id 0, seq 0, length 8\n',
  )
  writeFileSync(join(directory, 'cut.pcap'), Buffer.concat([sink.toBytes(), new Uint8Array(5)]))
  const { status, stdout, stderr } = sockeye('dump', 'cut.pcap')
  assert.equal(status, 2)
  assert.match(stdout, /echo request/)
  assert.match(stderr, /^sockeye: dump: cut\.pcap: truncated record header, at byte \d+\n$/)
})

test('a time before 1970 or none at all is printed as a time of day all the same', () => {
  assert.equal(timeOfDay(-1), '23:59:59.999999')
  assert.equal(timeOfDay(Number.NaN), '--:--:--.------')
})

test('byte ranges: from, from-to, last so many, beyond the end, none (RFC 9110 §14.1.2)', () => {
  assert.deepEqual(rangeOf('bytes=2-', 10), { start: 2, end: 9 })
  assert.deepEqual(rangeOf('bytes=2-3', 10), { start: 2, end: 3 })
  assert.deepEqual(rangeOf('bytes=2-99', 10), { start: 2, end: 9 })
  assert.deepEqual(rangeOf('bytes=-4', 10), { start: 6, end: 9 })
  assert.equal(rangeOf('bytes=10-', 10), 'unsatisfiable')
  assert.equal(rangeOf('bytes=-0', 10), 'unsatisfiable')
  assert.equal(rangeOf('bytes=3-2', 10), undefined)
  assert.equal(rangeOf('bytes=1-2,4-5', 10), undefined)
  assert.equal(rangeOf(undefined, 10), undefined)
})
