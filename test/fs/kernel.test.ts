/** The file tree against the kernel of this machine. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { lone } from '../host/net.ts'
import { type Call, randomCalls, runKernel, runOurs } from './random-calls.ts'

const SEQUENCES = Number(process.env.FS_SEQUENCES ?? 300)
const LENGTH = 80

/** The calls up to the first that is answered differently. */
function difference(calls: readonly Call[]): string {
  const base = mkdtempSync(join(tmpdir(), 'sockeye.fs'))
  const folder = join(base, 't')
  const umask = process.umask(0o022)
  try {
    chmodSync(base, 0o755)
    mkdirSync(folder)
    const kernel = runKernel(folder, calls)
    const { host, process: p } = lone()
    const before = host.tree.volume.inodes
    const ours = runOurs(p, calls)
    const at = ours.findIndex((answer, i) => answer !== kernel[i])
    if (at >= 0) {
      const told = calls.slice(0, at + 1).map((call, i) => `${call.join(' ')} = ${ours[i]}`)
      return `${told.join('\n')}, kernel ${kernel[at]}`
    }
    empty(p.open('/tmp/b', 0), p)
    p.chdir('/')

    p.rmdir('/tmp/b')
    p.end(0)
    assert.equal(host.tree.volume.inodes, before)
    assert.equal(host.tree.volume.bytes, 0)
    assert.equal(host.openFiles.count, 0)
    return ''
  } finally {
    process.umask(umask)
    rmSync(base, { recursive: true })
  }
}

/** Removes all below an open directory. */
function empty(fd: number, p: ReturnType<typeof lone>['process']): void {
  p.fchdir(fd)
  for (const { name, type } of p.getdents(fd)) {
    if (name === '.' || name === '..') continue
    if (type === 4) {
      p.chmod(name, 0o700)
      empty(p.open(name, 0), p)
      p.fchdir(fd)
      p.rmdir(name)
    } else p.unlink(name)
  }
  p.close(fd)
}

test(`${SEQUENCES} random sequences of file calls: each answers as the kernel does, and nothing is left of what was removed`, (t) => {
  if (process.getuid?.() !== 0) {
    assert.equal(process.env.CI, undefined, 'must be root in CI')
    t.skip('not root: permissions would differ')
    return
  }
  const wrong: string[] = []
  for (let seed = 0; seed < SEQUENCES && wrong.length < 5; seed++) {
    const found = difference(randomCalls(seed, LENGTH))
    if (found !== '') wrong.push(`seed ${seed}\n${found}`)
  }
  assert.equal(wrong.join('\n\n'), '')
})
