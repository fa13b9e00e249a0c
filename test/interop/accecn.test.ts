/** ECN with Linux over TAP: RFC 3168 where one side knows no more, and Accurate ECN with a kernel that only answers to it. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { Lab, numbers, OURS, skipReason } from './lab.ts'
import { wrongFrames } from './tshark.ts'

const skip = skipReason('nc', 'python3', 'tshark')
const PORT = 45679
const BYTES = 2 << 20

/** Sends numbered lines, reads them back, prints TCP_INFO before it closes. */
const CLIENT = `
import socket, sys, threading
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
data = open(sys.argv[3], 'rb').read()
def write():
    s.sendall(data)
w = threading.Thread(target=write)
w.start()
got = b''
while len(got) < len(data):
    got += s.recv(65536)
w.join()
print(s.getsockopt(6, 11, 280).hex(), got == data)
s.shutdown(1)
while s.recv(65536):
    pass
`

/** Sends one message back. */
const SERVER = `
import socket, sys
l = socket.create_server(('', int(sys.argv[1])), reuse_port=True)
print('listening', flush=True)
s = l.accept()[0]
s.sendall(s.recv(100))
s.close()
`

/** What struct tcp_info tells of ECN, at its offsets. */
function ecnOf(hex: string): Record<string, number> {
  const bytes = Buffer.from(hex, 'hex')
  const word = (at: number): number => bytes.readUInt32LE(at)
  return {
    options: bytes[5] as number,
    deliveredCe: word(196),
    receivedCe: word(248),
    deliveredE0: word(256),
    deliveredCeBytes: word(260),
    receivedE0: word(268),
    receivedCeBytes: word(272),
    failMode: bytes.readUInt16LE(276),
    seen: bytes.readUInt16LE(278),
  }
}

describe('ECN with the Linux kernel over TAP', { skip }, () => {
  let lab: Lab

  before(() => {
    lab = new Lab('accecn')
    writeFileSync(lab.file('client.py'), CLIENT)
    writeFileSync(lab.file('sent'), numbers(BYTES))
  })
  after(() => lab.close())

  test('a kernel whose SYN asks for AccECN under way counts as we do, mark for mark, both ways (RFC 9768)', async () => {
    lab.must('sysctl', '-qw', 'net.ipv4.tcp_ecn=1')
    const capture = lab.capture('accecn')
    const ours = lab.program(capture, 'accecn', String(PORT))
    await ours.printed(/^listening$/m)
    const client = await lab.run('python3', lab.file('client.py'), OURS, String(PORT), lab.file('sent'))
    assert.equal(client.status, 0, client.stderr)
    const [hex = '', isSame] = client.stdout.trim().split(' ')
    const { stdout, stderr } = await ours.end(30)
    const outcome = JSON.parse(stdout.trim().split('\n').at(-1) ?? stderr) as Record<string, unknown>
    const [theirs, mine] = [ecnOf(hex), ecnOf(outcome.info as string)]
    assert.equal(isSame, 'True')
    for (const end of [theirs, mine]) assert.deepEqual([(end.options ?? 0) & 24, end.failMode, end.seen], [24, 0, 2])
    assert.ok((outcome.markedOut as number) > 10 && (outcome.markedIn as number) > 10)
    // The kernel told of itself before its FIN; that and our last ACKs are all that may be between the two.
    const near = (a = 0, b = 0, slack = 0): void => assert.ok(Math.abs(a - b) <= slack, `${a} and ${b}`)
    near(mine.receivedCe, outcome.markedIn as number, 2)
    near(theirs.receivedCe, outcome.markedOut as number, 2)
    near(mine.deliveredE0, theirs.receivedE0)
    near(mine.deliveredCeBytes, theirs.receivedCeBytes)
    near(theirs.deliveredE0, mine.receivedE0)
    near(theirs.deliveredCeBytes, mine.receivedCeBytes)
    near(mine.deliveredCe, theirs.receivedCe, 8)
    near(theirs.deliveredCe, mine.receivedCe, 8)
    assert.deepEqual(wrongFrames(capture), [])
  })

  for (const [name, kernel, serve] of [
    ['our AccECN server falls back to RFC 3168 for a kernel that asks for that', 1, 3],
    ['our AccECN server serves a kernel without ECN', 0, 3],
    ['our RFC 3168 server and a kernel that asks', 1, 2],
  ] as const)
    test(`${name}: 2 MiB there and back (RFC 9768 §3.1.2)`, async () => {
      lab.must('sysctl', '-qw', `net.ipv4.tcp_ecn=${kernel}`)
      const serving = await lab.serve('--echo', '7', '--sysctl', `net.ipv4.tcp_ecn=${serve}`)
      const { stdout, stderr } = await lab.run('python3', lab.file('client.py'), OURS, '7', lab.file('sent'))
      serving.child.kill('SIGTERM')
      await serving.end()
      const [hex = '', isSame] = stdout.trim().split(' ')
      assert.equal(isSame, 'True', stderr)
      assert.equal((ecnOf(hex).options ?? 0) & 8, kernel === 1 ? 8 : 0)
    })

  for (const [kernel, ecn] of [
    [2, 8],
    [0, 0],
  ] as const)
    test(`our SYN asks a kernel with tcp_ecn=${kernel} for AccECN and ${ecn === 8 ? 'gets RFC 3168' : 'gets none'} (RFC 9768 §3.1.2)`, async () => {
      lab.must('sysctl', '-qw', `net.ipv4.tcp_ecn=${kernel}`)
      const serving = lab.start('python3', '-c', SERVER, String(PORT))
      await serving.printed(/listening/)
      const { stdout } = await lab.program('', 'connect', String(PORT), 'text', '3').end(30)
      const outcome = JSON.parse(stdout.trim().split('\n').at(-1) as string) as { got: string; info: string }
      assert.equal(outcome.got, 'text')
      assert.equal((ecnOf(outcome.info).options ?? 0) & 8, ecn)
    })
})
