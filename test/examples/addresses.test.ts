/** PR1, PR2, PR3 and PR7: what they print, and that a C program prints the same. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { addresses } from '../../examples/addresses/program.ts'
import { byteOrder } from '../../examples/byte-order/program.ts'
import { endianness } from '../../examples/endianness/program.ts'
import { makeSockets } from '../../examples/make-socket/program.ts'
import type { Program } from '../../src/host/process.ts'
import { lone, text } from '../host/net.ts'

/** What a program prints on a host of its own. */
async function printed(program: Program): Promise<string> {
  const { clock, host } = lone()
  let output = ''
  const process = host.spawn(program, { output: (bytes) => (output += text(bytes)) })
  await clock.run(() => process.isOver)
  if (process.failure !== undefined) throw process.failure
  return output
}

/** What the C program of an example prints on this machine; undefined without a compiler. */
function inC(name: string): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'sockeye-example-'))
  try {
    const source = new URL(`../../examples/${name}/${name}.c`, import.meta.url).pathname
    try {
      execFileSync('cc', ['-Wall', '-Werror', '-o', join(folder, name), source], { stdio: 'pipe' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
    return execFileSync(join(folder, name), { encoding: 'utf8' })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function sameAsC(t: test.TestContext, name: string, program: Program): Promise<void> {
  const expected = inC(name)
  if (expected === undefined) {
    assert.equal(process.env.CI, undefined, 'no C compiler')
    t.skip('no C compiler (cc)')
    return
  }
  assert.equal(await printed(program), expected)
}

test('PR1: the endianness check prints what the C program prints on this machine', (t) =>
  sameAsC(t, 'endianness', endianness))
test('PR2: the byte-order conversions print what the C program prints on this machine', (t) =>
  sameAsC(t, 'byte-order', byteOrder))
test('PR3: the address conversions print what the C program prints on this machine', (t) =>
  sameAsC(t, 'addresses', addresses))

test('PR1: a little-endian machine shows the least significant byte first', async () => {
  const lines = (await printed(endianness)).split('\n')
  assert.equal(lines[1], '0x01020304         in memory: 04 03 02 01')
  assert.equal(lines[3], 'the byte at the lowest address of 0x0102 is 2: little-endian')
})

test('PR2: a port without htons goes out with its bytes exchanged', async () => {
  const lines = (await printed(byteOrder)).split('\n')
  assert.equal(lines[1], 'htons(0x1e61) = 0x611e, on the wire 1e 61, ntohs gives 7777')
  assert.equal(lines.at(-2), 'forgotten htons: port 7777 goes out as 24862')
})

test('PR3: old forms, both families, and the bytes of a sockaddr_in', async () => {
  const lines = (await printed(addresses)).split('\n')
  assert.equal(lines[2], 'inet_aton("192.513") = 1, 192.0.2.1')
  assert.ok(lines.includes('inet_pton(AF_INET6, "2001:0DB8:0:0:1:0:0:1") = 1, again as text 2001:db8::1:0:0:1'))
  assert.equal(lines.at(-2), 'struct sockaddr_in, 16 bytes: 02 00 1e 61 c0 00 02 01 00 00 00 00 00 00 00 00')
})

test('PR7: make_socket gives a named socket, EADDRINUSE for a name taken, EACCES below 1024 without privileges', async () => {
  assert.equal(
    await printed(makeSockets),
    [
      'make_socket(7777) = 3',
      'descriptor 3 is named 0.0.0.0:7777',
      'make_socket(7777) once more: EADDRINUSE',
      'make_socket(0) = 5, named 0.0.0.0:an ephemeral port',
      'make_socket(80) as root = 6',
      'make_socket(81) as user 1000: EACCES',
      '',
    ].join('\n'),
  )
})
