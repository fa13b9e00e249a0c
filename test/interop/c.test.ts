/** C programs on the kernel, compiled here, with programs of ours over TAP: one-shot pair, fork servers, signed segments. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { KERNEL, Lab, OURS, type Running, skipReason } from './lab.ts'

const skip = skipReason('cc')
const PORT = 45679
const CLIENTS = 20
const LINES = 50

describe('C programs of the kernel with ours over TAP', { skip }, () => {
  let lab: Lab

  before(() => {
    lab = new Lab('c')
    for (const name of ['one-shot-server', 'one-shot-client', 'fork-server', 'endless-client']) {
      const source = new URL(`c/${name}.c`, import.meta.url).pathname
      const { status, stderr } = spawnSync('cc', ['-O1', '-Wall', '-o', lab.file(name), source], { encoding: 'utf8' })
      assert.equal(status, 0, stderr)
    }
  })
  after(() => lab.close())

  const ended = async (running: Running): Promise<string> => {
    const { status, stdout, stderr } = await running.end(60)
    assert.equal(status, 0, `${stdout}\n${stderr}`)
    return stdout
  }
  const said = async (running: Running): Promise<string> =>
    (JSON.parse((await ended(running)).trim().split('\n').at(-1) as string) as { said: string }).said
  /** A C program that says when it listens. */
  const listening = async (name: string, ...args: string[]): Promise<Running> => {
    const running = lab.start(lab.file(name), ...args)
    await running.printed(/listening/)
    return running
  }

  test('PR4: our one-shot client at the server in C: each reads what the other wrote', async () => {
    const server = await listening('one-shot-server', String(PORT))
    const client = lab.program('', 'one-shot-client', String(PORT))
    assert.match(await said(client), /read 11 bytes and the end of the stream/)
    assert.match(await ended(server), new RegExp(`accepted ${OURS}, read 19 bytes: one answer, please`))
  })

  test('PR4: the client in C at our one-shot server: each reads what the other wrote', async () => {
    const server = lab.program('', 'one-shot-server', String(PORT))
    await server.printed(/ready/)
    const client = lab.start(lab.file('one-shot-client'), OURS, String(PORT), 'one answer, please')
    assert.equal(await ended(client), 'read 11 bytes and the end of the stream\n')
    assert.match(await said(server), new RegExp(`accepted ${KERNEL}:\\d+\nread 18 bytes: one answer, please`))
  })

  test('Signed segments: our client with the key of the server in C is served, without it it is not heard (RFC 2385)', async () => {
    const server = await listening('one-shot-server', String(PORT), OURS, 'secret')
    const outsider = await said(lab.program('', 'signed', String(PORT), 'other'))
    assert.equal(outsider, 'ETIMEDOUT')
    assert.equal(await said(lab.program('', 'signed', String(PORT), 'secret')), 'one answer\n')
    await ended(server)
  })

  test(`PR9: ${CLIENTS} clients in C at our fork-per-connection server: every line read, every child reaped`, async () => {
    const server = lab.program('', 'fork-server', String(PORT), String(CLIENTS))
    await server.printed(/ready/)
    const clients = Array.from({ length: CLIENTS }, () =>
      lab.start(lab.file('endless-client'), OURS, String(PORT), String(LINES)),
    )
    for (const client of clients) assert.equal(await ended(client), `${LINES} lines\n`)
    const lines = (await said(server)).split('\n')
    for (let i = 0; i < LINES; i++)
      assert.equal(lines.filter((line) => line.endsWith(` read "data : ${i}"`)).length, CLIENTS, `line ${i}`)
    assert.equal(lines.filter((line) => line.startsWith('reaped ')).length, CLIENTS)
    assert.equal(lines.at(-2), 'no child is left')
  })

  test(`PR9: ${CLIENTS} clients of ours at the fork-per-connection server in C: every line read, every child reaped`, async () => {
    const server = await listening('fork-server', String(PORT), String(CLIENTS))
    await said(lab.program('', 'endless-clients', String(PORT), String(CLIENTS), '2'))
    const lines = (await ended(server)).split('\n')
    assert.equal(lines.filter((line) => line === 'child read 2 lines').length, CLIENTS)
    assert.equal(lines.at(-2), `${CLIENTS} served, ${CLIENTS} children reaped`)
  })
})
