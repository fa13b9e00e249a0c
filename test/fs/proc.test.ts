/** /proc by hand: snapshots, processes, sysctls as files and by name, what the kernel's own tests cannot compare. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Process } from '../../src/host/process.ts'
import * as c from '../../src/socket/constants.ts'
import { bytes, lone, outcome, text } from '../host/net.ts'

function readAll(p: Process, path: string): string {
  const fd = p.open(path, c.O_RDONLY)
  const room = new Uint8Array(1 << 16)
  const got = p.read(fd, room) as number
  p.close(fd)
  return text(room, got)
}

const namesIn = (p: Process, path: string): string[] => {
  const fd = p.open(path, c.O_RDONLY | c.O_DIRECTORY)
  const names = p.getdents(fd).map((entry) => entry.name)
  p.close(fd)
  return names.filter((name) => name !== '.' && name !== '..')
}

test('a reader in small pieces sees one state of /proc/net/tcp, whatever happens meanwhile; from the beginning again, the new one (seq_file)', () => {
  const { process: p } = lone()
  const listen = (port: number): void => {
    const fd = p.socket(c.AF_INET, c.SOCK_STREAM)
    p.bind(fd, { port })
    p.listen(fd, 1)
  }
  listen(80)
  listen(81)
  const fd = p.open('/proc/net/tcp', c.O_RDONLY)
  const room = new Uint8Array(100)
  let seen = ''
  for (let n = p.read(fd, room) as number; n > 0; n = p.read(fd, room) as number) {
    seen += text(room, n)
    listen(1000 + seen.length)
  }
  assert.equal(seen.split('\n').length, 4)
  assert.equal(seen.length, 450)
  p.lseek(fd, 0, c.SEEK_SET)
  const more = new Uint8Array(1 << 16)
  assert.ok((p.read(fd, more) as number) > 900)
})

test('/proc/PID: comm, cmdline, stat and status tell name, numbers, state and ids; a process that is gone has none (proc(5))', async () => {
  const { clock, host, process: p } = lone()
  const user = host.spawn((q) => q.sleep(5), { name: 'a-name-of-more-than-16', euid: 1000 })
  clock.settle()
  const at = `/proc/${user.pid}`
  assert.equal(readAll(p, `${at}/comm`), 'a-name-of-more-\n')
  assert.equal(readAll(p, `${at}/cmdline`), 'a-name-of-more-than-16\0')
  const [pid, comm, state, ppid, pgid] = readAll(p, `${at}/stat`).split(' ')
  assert.deepEqual([pid, comm, state, ppid, pgid], [String(user.pid), '(a-name-of-more-)', 'S', '1', String(user.pid)])
  assert.equal(readAll(p, `${at}/stat`).trim().split(' ').length, 52)
  assert.match(readAll(p, `${at}/status`), /^State:\tS \(sleeping\)$/m)
  assert.match(readAll(p, `${at}/status`), /^Uid:\t1000\t1000\t1000\t1000$/m)
  assert.match(readAll(p, '/proc/self/status'), /^State:\tR \(running\)$/m)
  assert.match(readAll(p, `${at}/limits`), /^Max open files {12}1024 {17}4096 {17}files {5}$/m)
  assert.ok(namesIn(p, '/proc').includes(String(user.pid)))
  await clock.run(() => user.isOver)
  assert.equal(
    outcome(() => p.open(`${at}/stat`, c.O_RDONLY)),
    'ENOENT',
  )
  assert.ok(!namesIn(p, '/proc').includes(String(user.pid)))
})

test('/proc/PID/fd: a link for each descriptor with what it is; another user sees nothing of it (proc(5))', () => {
  const { host, process: p } = lone()
  const fds = [
    p.open('/tmp/f', c.O_RDWR | c.O_CREAT, 0o600),
    p.socket(c.AF_INET, c.SOCK_DGRAM),
    p.pipe()[0],
    p.epoll_create1(),
    p.eventfd(0),
    p.timerfd_create(c.CLOCK_MONOTONIC),
    p.open('/tmp', c.O_RDONLY),
  ]
  const links = fds.map((fd) => p.readlink(`/proc/self/fd/${fd}`).replace(/\d+/, 'N'))
  assert.deepEqual(links, [
    '/tmp/f',
    'socket:[N]',
    'pipe:[N]',
    'anon_inode:[eventpoll]',
    'anon_inode:[eventfd]',
    'anon_inode:[timerfd]',
    '/tmp',
  ])
  assert.equal(p.readlink('/proc/self/fd/1'), '/dev/tty')
  assert.equal(p.readlink(`/proc/self/fd/${fds[1]}`), `socket:[${p.fstat(fds[1] as number).ino}]`)
  const open = [...p.files.entries()].map(([fd]) => fd)
  assert.deepEqual(namesIn(p, '/proc/self/fd').map(Number), [...open, open.length], 'the directory itself too')
  const other = host.createProcess({ euid: 1000 })
  assert.equal(
    outcome(() => other.open(`/proc/${p.pid}/fd`, c.O_RDONLY)),
    'EACCES',
  )
  assert.equal(
    outcome(() => other.readlink(`/proc/${p.pid}/fd/0`)),
    'EACCES',
  )
})

test('a socket has the same number in /proc/net, /proc/PID/fd and fstat; without a file it has none (proc(5))', () => {
  const { process: p } = lone()
  const fd = p.socket(c.AF_INET, c.SOCK_DGRAM)
  p.bind(fd, { port: 9 })
  const { ino } = p.fstat(fd)
  assert.match(readAll(p, '/proc/net/udp'), new RegExp(` 0 {8}0 ${ino} 2 `))
})

test('sysctls as files and by name agree; what the kernel refuses is refused by both (sysctl(8), proc(5))', () => {
  const { host, process: p } = lone()
  const write = (name: string, value: string): unknown => {
    const fd = p.open(`/proc/sys/${name}`, c.O_WRONLY)
    const result = outcome(() => p.write(fd, bytes(value)))
    p.close(fd)
    return result
  }
  assert.equal(write('net/ipv4/tcp_retries2', '8\n'), 2)
  assert.equal(host.getSysctl('net.ipv4.tcp_retries2'), 8)
  host.setSysctl('net.ipv4.tcp_rmem', [1, 2, 3])
  assert.equal(readAll(p, '/proc/sys/net/ipv4/tcp_rmem'), '1\t2\t3\n')
  assert.equal(write('net/ipv4/tcp_retries2', '256'), 'EINVAL')
  assert.equal(
    outcome(() => host.setSysctl('net.ipv4.tcp_retries2', 256)),
    'EINVAL',
  )
  assert.equal(write('net/ipv4/tcp_congestion_control', 'nothing'), 'ENOENT')
  assert.equal(write('net/ipv4/tcp_congestion_control', 'reno\n'), 5)
  assert.equal(host.getSysctl('net.ipv4.tcp_congestion_control'), 'reno')
  assert.equal(write('net/ipv4/tcp_fastopen_key', '1-2-3-A'), 7)
  assert.equal(host.sysctl.tcp_fastopen_key, '00000001-00000002-00000003-0000000a')
  assert.equal(
    outcome(() => p.open('/proc/sys/fs/file-nr', c.O_WRONLY)),
    'EACCES',
  )
})

test('every sysctl there is has a file, and every file a value (proc(5))', () => {
  const { host, process: p } = lone()
  const found: string[] = []
  const walk = (path: string): void => {
    for (const name of namesIn(p, path)) {
      const below = `${path}/${name}`
      if ((p.stat(below).mode & c.S_IFMT) === c.S_IFDIR) walk(below)
      else {
        found.push(name.replace('-', '_'))
        assert.match(readAll(p, below), /^[^\n]*\n$/, below)
      }
    }
  }
  walk('/proc/sys')
  const fields = Object.keys(host.sysctl)
  assert.deepEqual(
    fields.filter((field) => !found.includes(field)),
    [],
  )
})
