/** tcpdump on virtual hosts: what it prints of a capture, what its filters take, what it hears live. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { A, B, lone, net } from '../host/net.ts'
import { putFile, run, start } from './host.ts'

const vector = (name: string): URL => new URL(`./vectors/${name}`, import.meta.url)
const { options, filters } = JSON.parse(readFileSync(vector('tcpdump.json'), 'utf8')) as {
  options: Record<string, string>
  filters: Record<string, string>
}

async function ours(...words: string[]): Promise<string> {
  const { host } = lone()
  putFile(host, '/tmp/capture.pcap', readFileSync(vector('capture.cap')))
  const { status, stdout, stderr } = await run(host, ['tcpdump', '-r', '/tmp/capture.pcap', ...words])
  assert.equal(status, 0, stderr)
  return stdout
}

describe('a capture of Linux 6.18 as tcpdump 4.99.3 printed it (vectors/generate-tcpdump.py)', () => {
  for (const [words, text] of Object.entries(options)) {
    test(`tcpdump ${words}: the same text`, async () => {
      assert.equal(await ours(...words.split(' ')), text)
    })
  }
})

describe('filters of pcap-filter(7) take what libpcap 1.10.3 took of the same capture', () => {
  for (const [filter, text] of Object.entries(filters)) {
    // Packets are counted after the filter, so the number of a line says nothing of its place.
    test(filter, async () => {
      assert.equal(await ours('-n', '--number', filter), text)
    })
  }
})

test('a live capture shows what passes an interface, with a count, and ends by itself (tcpdump(1) -c)', async () => {
  const { clock, a, b } = net()
  const capture = start(b, 'tcpdump -n -t -i eth0 -c 4')
  await clock.runFor(1000)
  await run(a, `nc -z ${B} 81`)
  const { status, stdout, stderr } = await clock.runUntil(capture.outcome)
  assert.equal(status, 0)
  assert.equal(
    stderr,
    'tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n' +
      'listening on eth0, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n' +
      '4 packets captured\n4 packets received by filter\n0 packets dropped by kernel\n',
  )
  const [request, reply, syn, rst] = stdout.split('\n') as [string, string, string, string]
  assert.equal(request, `ARP, Request who-has ${B} tell ${A}, length 28`)
  assert.match(reply, new RegExp(`^ARP, Reply ${B} is-at [0-9a-f:]{17}, length 28$`))
  assert.match(
    syn,
    /Flags \[S\], seq \d+, win \d+, options \[mss 1460,sackOK,TS val \d+ ecr 0,nop,wscale \d+\], length 0$/,
  )
  assert.match(rst, /Flags \[R\.\], seq 0, ack \d+, win 0, length 0$/)
})

test('on all interfaces each line tells which one and which way; a filter and SIGINT end at any time', async () => {
  const { clock, a, b } = net()
  const capture = start(b, 'tcpdump -nt -i any tcp port 81')
  await clock.runFor(1000)
  await run(a, `nc -z ${B} 81`)
  await run(b, 'nc -z 127.0.0.1 80')
  capture.process.kill(capture.process.pid, 2)
  const { stdout, stderr } = await clock.runUntil(capture.outcome)
  assert.match(
    stdout,
    /^eth0 {2}In {2}IP 10\.0\.0\.1\.\d+ > 10\.0\.0\.2\.81: Flags \[S\].*\neth0 {2}Out IP 10\.0\.0\.2\.81 > .*\n$/,
  )
  assert.match(stderr, /\n2 packets captured\n/)
})

test('what it writes with -w it reads with -r, and so does Wireshark (pcap, draft-ietf-opsawg-pcap)', async () => {
  const { clock, a, b } = net()
  const capture = start(b, 'tcpdump -i eth0 -c 3 -w /tmp/out.pcap')
  await clock.runFor(1000)
  await run(a, `nc -z ${B} 81`)
  await clock.runUntil(capture.outcome)
  const { stdout } = await run(b, 'tcpdump -nt -r /tmp/out.pcap arp')
  assert.match(stdout, /^ARP, Request .*\nARP, Reply .*\n$/)
})

for (const [line, message] of [
  ['tcpdump -i nope', /^tcpdump: nope: No such device exists\n/],
  ['tcpdump host', /syntax error/],
  ['tcpdump port x', /unknown port 'x'/],
  ['tcpdump -r /none', /\/none: No such file or directory/],
  ['tcpdump -z', /invalid option -- 'z'/],
] as const) {
  test(`${line}: says what is wrong`, async () => {
    const { status, stderr } = await run(lone().host, line)
    assert.notEqual(status, 0)
    assert.match(stderr, message)
  })
}
