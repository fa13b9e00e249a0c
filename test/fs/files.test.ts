/** Files of a host by hand: limits, read-only volumes, devices, open files without names, working directories of children. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Process } from '../../src/host/process.ts'
import * as c from '../../src/socket/constants.ts'
import { bytes, lone, outcome, text } from '../host/net.ts'

const CREATE = c.O_RDWR | c.O_CREAT

function readAll(p: Process, path: string): string {
  const fd = p.open(path, c.O_RDONLY)
  const room = new Uint8Array(1 << 16)
  const got = p.read(fd, room) as number
  p.close(fd)
  return text(room, got)
}

test('a volume that is full: what fits is written, then ENOSPC; removing makes room again (write(2))', () => {
  const { host, process: p } = lone()
  host.tree.volume.maxBytes = host.tree.volume.bytes + 131072
  const fd = p.open('/tmp/a', CREATE, 0o600)
  assert.equal(p.write(fd, new Uint8Array(300000)), 131072)
  assert.equal(
    outcome(() => p.write(fd, bytes('x'))),
    'ENOSPC',
  )
  assert.equal(p.write(p.open('/tmp/a', c.O_WRONLY), bytes('x')), 1, 'what is allocated can be written again')
  assert.equal(host.tree.volume.refused, 2)
  p.unlink('/tmp/a')
  assert.equal(host.tree.volume.bytes, 131072, 'still open')
  p.end(0)
  assert.equal(host.tree.volume.bytes, 0)
})

test('no inodes left: ENOSPC for a file, a directory, a link and the name of a local socket (open(2), unix(7))', () => {
  const { host, process: p } = lone()
  host.tree.volume.maxInodes = host.tree.volume.inodes
  for (const call of [
    () => p.open('/tmp/a', CREATE, 0o600),
    () => p.mkdir('/tmp/d'),
    () => p.symlink('a', '/tmp/s'),
    () => p.bind(p.socket(c.AF_UNIX, c.SOCK_DGRAM), { path: '/tmp/u' }),
  ]) {
    assert.equal(outcome(call), 'ENOSPC')
  }
  assert.equal(host.tree.volume.refused, 4)
})

test('a volume mounted read-only: every change is EROFS, reading and connecting go on (mount(2), MS_RDONLY)', () => {
  const { host, process: p } = lone()
  p.close(p.open('/tmp/a', CREATE, 0o600))
  const listener = p.socket(c.AF_UNIX, c.SOCK_STREAM)
  p.bind(listener, { path: '/tmp/s' })
  p.listen(listener, 1)
  host.tree.volume.isReadOnly = true
  for (const call of [
    () => p.open('/tmp/a', c.O_RDWR),
    () => p.open('/tmp/a', c.O_RDONLY | c.O_TRUNC),
    () => p.open('/tmp/b', CREATE, 0o600),
    () => p.mkdir('/tmp/d'),
    () => p.rmdir('/srv'),
    () => p.unlink('/tmp/a'),
    () => p.rename('/tmp/a', '/tmp/b'),
    () => p.link('/tmp/a', '/tmp/b'),
    () => p.symlink('a', '/tmp/b'),
    () => p.chmod('/tmp/a', 0o777),
    () => p.truncate('/tmp/a', 0),
    () => p.access('/tmp/a', c.W_OK),
    () => p.bind(p.socket(c.AF_UNIX, c.SOCK_DGRAM), { path: '/tmp/u' }),
  ]) {
    assert.equal(outcome(call), 'EROFS', String(call))
  }
  assert.equal(readAll(p, '/tmp/a'), '')
  assert.equal(p.connect(p.socket(c.AF_UNIX, c.SOCK_STREAM), { path: '/tmp/s' }), 0)
  assert.equal(p.write(p.open('/dev/null', c.O_WRONLY), bytes('x')), 1)
})

test('a file without a name lives until its last descriptor is closed; /proc/self/fd opens it again (unlink(2), proc(5))', () => {
  const { host, process: p } = lone()
  const inodes = host.tree.volume.inodes
  const fd = p.open('/tmp/a', CREATE, 0o600)
  p.write(fd, bytes('kept'))
  p.unlink('/tmp/a')
  assert.equal(p.fstat(fd).nlink, 0)
  assert.equal(p.readlink(`/proc/self/fd/${fd}`), '/tmp/a (deleted)')
  assert.equal(readAll(p, `/proc/self/fd/${fd}`), 'kept')
  assert.equal(host.tree.volume.inodes, inodes + 1)
  p.close(fd)
  assert.equal(host.tree.volume.inodes, inodes)
})

test('a removed working directory: getcwd is ENOENT, nothing can be made in it, `..` still leads out (getcwd(2), rmdir(2))', () => {
  const { process: p } = lone()
  p.mkdir('/tmp/d')
  p.chdir('/tmp/d')
  assert.equal(p.getcwd(), '/tmp/d')
  p.rename('/tmp/d', '/tmp/e')
  assert.equal(p.getcwd(), '/tmp/e')
  p.rmdir('/tmp/e')
  assert.equal(
    outcome(() => p.getcwd()),
    'ENOENT',
  )
  assert.equal(
    outcome(() => p.open('a', CREATE, 0o600)),
    'ENOENT',
  )
  p.chdir('..')
  assert.equal(p.getcwd(), '/tmp')
})

test('umask: bits that files, directories and local sockets do not get; a child has its own copy of it and of cwd (umask(2), fork(2))', async () => {
  const { clock, process: p } = lone()
  assert.equal(p.umask(0o077), 0o022)
  p.chdir('/tmp')
  p.close(p.open('f', CREATE, 0o666))
  p.mkdir('d', 0o777)
  p.bind(p.socket(c.AF_UNIX, c.SOCK_STREAM), { path: 's' })
  const modes = ['f', 'd', 's'].map((name) => (p.stat(`/tmp/${name}`).mode & 0o777).toString(8))
  assert.deepEqual(modes, ['600', '700', '700'])
  let child = ''
  p.fork((q) => {
    child = `${q.getcwd()} ${q.umask(0).toString(8)}`
    q.chdir('/')
  })
  await clock.run(() => child !== '')
  assert.equal(child, '/tmp 77')
  assert.deepEqual([p.getcwd(), p.umask(0)], ['/tmp', 0o077])
})

test('stat tells kinds apart: file, directory, link, socket, device, pipe, anonymous inode (inode(7))', () => {
  const { process: p } = lone()
  p.close(p.open('/tmp/f', CREATE, 0o644))
  p.symlink('f', '/tmp/l')
  p.bind(p.socket(c.AF_UNIX, c.SOCK_STREAM), { path: '/tmp/s' })
  const kind = ({ mode }: { mode: number }): number => mode & c.S_IFMT
  assert.equal(kind(p.stat('/tmp/f')), c.S_IFREG)
  assert.equal(kind(p.stat('/tmp')), c.S_IFDIR)
  assert.equal(kind(p.lstat('/tmp/l')), c.S_IFLNK)
  assert.equal(kind(p.stat('/tmp/l')), c.S_IFREG)
  assert.equal(kind(p.stat('/tmp/s')), c.S_IFSOCK)
  assert.deepEqual([kind(p.stat('/dev/zero')), p.stat('/dev/zero').rdev], [c.S_IFCHR, 0x105])
  assert.equal(kind(p.fstat(p.socket(c.AF_INET, c.SOCK_STREAM))), c.S_IFSOCK)
  assert.equal(kind(p.fstat(p.pipe()[0])), c.S_IFIFO)
  assert.equal(kind(p.fstat(p.epoll_create1())), 0)
  assert.equal(kind(p.fstat(0)), c.S_IFCHR)
})

test('/dev: what null, zero, full, random and tty give and take (null(4), full(4), random(4), tty(4))', () => {
  const written: number[] = []
  const { host } = lone()
  const p = host.createProcess({ output: (b) => written.push(...b) })
  const room = new Uint8Array(64).fill(9)
  assert.equal(p.read(p.open('/dev/null', c.O_RDONLY), room), 0)
  assert.equal(p.read(p.open('/dev/zero', c.O_RDONLY), room), 64)
  assert.deepEqual([...new Set(room)], [0])
  assert.equal(
    outcome(() => p.write(p.open('/dev/full', c.O_WRONLY), bytes('x'))),
    'ENOSPC',
  )
  assert.equal(p.read(p.open('/dev/urandom', c.O_RDONLY), room), 64)
  assert.ok(new Set(room).size > 20)
  assert.equal(p.write(p.open('/dev/tty', c.O_RDWR), bytes('hi')), 2)
  assert.deepEqual(written, [...bytes('hi')])
})

test('a hole reads as zeros and takes no memory; SEEK_DATA and SEEK_HOLE end with the file (lseek(2))', () => {
  const { host, process: p } = lone()
  const fd = p.open('/tmp/a', CREATE, 0o600)
  p.pwrite(fd, bytes('end'), 10_000_000)
  assert.equal(p.fstat(fd).size, 10_000_003)
  assert.ok(host.tree.volume.bytes <= 65536)
  const room = new Uint8Array(8)
  assert.equal(p.pread(fd, room, 9_999_998), 5)
  assert.deepEqual([...room.subarray(0, 5)], [0, 0, ...bytes('end')])
  assert.equal(p.lseek(fd, 0, c.SEEK_HOLE), 10_000_003)
  assert.equal(
    outcome(() => p.lseek(fd, 10_000_003, c.SEEK_DATA)),
    'ENXIO',
  )
})

test('fs.file-max: ENFILE for all but root, after EMFILE; counts are back at zero when all is closed (proc(5), /proc/sys/fs)', () => {
  const { host } = lone()
  const user = host.createProcess({ euid: 1000 })
  const root = host.createProcess()
  host.setSysctl('fs.file-max', host.openFiles.count)
  for (const call of [
    () => user.socket(c.AF_INET, c.SOCK_STREAM),
    () => user.pipe(),
    () => user.open('/dev/null', c.O_RDONLY),
    () => user.epoll_create1(),
    () => user.eventfd(0),
  ]) {
    assert.equal(outcome(call), 'ENFILE', String(call))
  }
  assert.equal(user.dup(0), 3, 'no new description')
  assert.equal(root.socket(c.AF_INET, c.SOCK_STREAM), 3)
  user.fileLimit = 4
  assert.equal(
    outcome(() => user.socket(c.AF_INET, c.SOCK_STREAM)),
    'EMFILE',
  )
  assert.equal(
    readAll(root, '/proc/sys/fs/file-nr'),
    `${host.openFiles.count + 1}\t0\t${host.sysctl.file_max}\n`,
    'its own among them',
  )
  for (const process of [...host.processes.values()]) process.end(0)
  assert.equal(host.openFiles.count, 0)
})

test('setrlimit: the soft limit up to the hard one, which only root raises, up to fs.nr_open (setrlimit(2))', () => {
  const { host } = lone()
  const p = host.createProcess({ euid: 1000 })
  assert.deepEqual(p.getrlimit(c.RLIMIT_NOFILE), { cur: 1024, max: 4096 })
  p.setrlimit(c.RLIMIT_NOFILE, { cur: 4096, max: 4096 })
  const set = (cur: number, max: number) => () => p.setrlimit(c.RLIMIT_NOFILE, { cur, max })
  assert.equal(outcome(set(10, 5000)), 'EPERM')
  assert.equal(outcome(set(10, 9)), 'EINVAL')
  set(4, 2000)()
  assert.equal(outcome(set(4, 2001)), 'EPERM')
  assert.equal(p.dup(0), 3)
  assert.equal(
    outcome(() => p.dup(0)),
    'EMFILE',
  )
  p.seteuid(0)
  assert.equal(outcome(set(4, 1048577)), 'EPERM')
  assert.equal(
    outcome(() => p.getrlimit(16)),
    'EINVAL',
  )
})

test('close_range closes, or marks only; a range that is none is EINVAL (close_range(2))', () => {
  const { process: p } = lone()
  for (let i = 0; i < 5; i++) p.dup(0)
  p.close_range(4, 5)
  assert.deepEqual(
    [...p.files.entries()].map(([fd]) => fd),
    [0, 1, 2, 3, 6, 7],
  )
  p.close_range(6, 0xffffffff, c.CLOSE_RANGE_CLOEXEC)
  assert.deepEqual(
    [3, 6, 7].map((fd) => p.fcntl(fd, c.F_GETFD)),
    [0, c.FD_CLOEXEC, c.FD_CLOEXEC],
  )
  assert.equal(
    outcome(() => p.close_range(5, 4)),
    'EINVAL',
  )
  assert.equal(
    outcome(() => p.close_range(4, 5, 1)),
    'EINVAL',
  )
})
