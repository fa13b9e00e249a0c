import assert from 'node:assert/strict'
import test from 'node:test'
import type { WaitQueue } from '../../src/sock/wait-queue.ts'
import { FileTable } from '../../src/socket/file-table.ts'
import { OpenFile } from '../../src/socket/open-file.ts'
import { EBADF, EBUSY, EINVAL, EMFILE } from '../../src/sys/errno.ts'

class Dummy extends OpenFile {
  released = 0
  override get wait(): WaitQueue | null {
    return null
  }
  override poll(): number {
    return 0
  }
  override read(): number {
    return 0
  }
  override write(): number {
    return 0
  }
  protected override release(): void {
    this.released++
  }
}

const filled = (n: number): FileTable => {
  const table = new FileTable()
  for (let i = 0; i < n; i++) table.add(new Dummy(0))
  return table
}

test('a new descriptor is the lowest free number (open(2))', () => {
  const table = filled(5)
  table.take(3)?.unref()
  table.take(1)?.unref()
  assert.equal(table.add(new Dummy(0)), 1)
  assert.equal(table.add(new Dummy(0)), 3)
  assert.equal(table.add(new Dummy(0)), 5)
  assert.equal(table.size, 6)
})

test('the table is full at RLIMIT_NOFILE: EMFILE; a lower limit leaves what is open open (getrlimit(2))', () => {
  const table = filled(3)
  table.limit = 4
  assert.equal(table.add(new Dummy(0)), 3)
  assert.equal(table.add(new Dummy(0)), -EMFILE)
  table.limit = 2
  assert.notEqual(table.get(3), null)
  table.take(0)?.unref()
  assert.equal(table.add(new Dummy(0)), 0)
  assert.equal(table.add(new Dummy(0)), -EMFILE)
})

test('a description is released when the last descriptor and the last call let go of it', () => {
  const table = new FileTable()
  const file = new Dummy(0)
  const fd = table.add(file)
  assert.equal(table.duplicate(fd, 7, false), 7)
  assert.equal(table.duplicateFrom(fd, 4, true), 4)
  assert.equal(file.refs, 3)
  assert.equal(table.isCloseOnExec(4), true)
  assert.equal(table.isCloseOnExec(7), false)
  file.ref()
  table.closeAll()
  assert.equal(file.released, 0)
  file.unref()
  assert.equal(file.released, 1)
})

test('dup2 onto an open descriptor closes what it named (dup(2))', () => {
  const table = new FileTable()
  const one = new Dummy(0)
  const two = new Dummy(0)
  table.add(one)
  table.add(two)
  assert.equal(table.duplicate(0, 1, false), 1)
  assert.equal(two.released, 1)
  assert.equal(table.get(1), one)
  assert.equal(table.size, 2)
})

test('bad descriptors and bad targets: EBADF, EINVAL, and EBUSY for a number being given out (dup(2), fcntl(2))', () => {
  const table = filled(1)
  assert.equal(table.duplicate(5, 6, false), -EBADF)
  assert.equal(table.duplicate(0, 1024, false), -EBADF)
  assert.equal(table.duplicate(0, -1, false), -EBADF)
  assert.equal(table.duplicateFrom(5, 0, false), -EBADF)
  assert.equal(table.duplicateFrom(0, 1024, false), -EINVAL)
  assert.equal(table.duplicateFrom(0, -1, false), -EINVAL)
  const fd = table.reserve()
  assert.equal(fd, 1)
  assert.equal(table.duplicate(0, fd, false), -EBUSY)
  assert.equal(table.add(new Dummy(0)), 2)
  table.cancel(fd)
  assert.equal(table.add(new Dummy(0)), 1)
})

test('a copy for a child names the same descriptions under the same numbers (fork(2))', () => {
  const table = filled(3)
  table.take(1)?.unref()
  table.setCloseOnExec(2, true)
  const child = table.clone()
  assert.equal(child.get(2), table.get(2))
  assert.equal(child.get(2)?.refs, 2)
  assert.equal(child.isCloseOnExec(2), true)
  assert.equal(child.add(new Dummy(0)), 1)
  child.closeAll()
  assert.equal(table.get(2)?.refs, 1)
})
