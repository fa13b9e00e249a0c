/** What the examples of single ids print, run by their one command (CONCEPTS AD4, AD5, SO, UD, TC, CO). */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'

const ROOT = new URL('../../', import.meta.url).pathname

const printed = async (example: string): Promise<string[]> => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', `examples/${example}/run.ts`], {
    cwd: ROOT,
  })
  return stdout.trimEnd().split('\n')
}

/** Lines that must be among those printed, in this order. */
const EXPECTED: Readonly<Record<string, readonly [title: string, ...lines: string[]]>> = {
  descriptors: [
    'SO1, SO8: the lowest free number, FD_CLOEXEC, and the same calls on socket, pipe and file (open(2), dup(2))',
    'process 0, 1 and 2 are the terminal: socket() gives 3, then 4',
    'process SOCK_CLOEXEC sets FD_CLOEXEC of 4: true',
    'process 3 is closed: dup(4) gives 3',
    'process socket pair: poll 1, FIONREAD 10, read "same calls"',
    'process pipe: poll 1, FIONREAD 10, read "same calls"',
    'process file: poll 1, FIONREAD 10, read "same calls"',
  ],
  names: [
    'AD4, AD5: the parts of a URI, its host by the hosts file, and the way back (getaddrinfo(3), getnameinfo(3))',
    'client  path /notes/sockets query ?page=3 fragment #tcp',
    'client  getaddrinfo www.example.com 8080: 192.0.2.2 8080',
    'client  getaddrinfo www.example.com http: 192.0.2.2 80',
    'client  getnameinfo 192.0.2.2 80: www.example.com http',
    'client  getaddrinfo 192.0.2.300: getaddrinfo EAI_NONAME 192.0.2.300: Name or service not known',
  ],
  ports: [
    'SO2, SO3: who may have which name, and connect that may not wait (bind(2), connect(2))',
    'server  another address, same port: 0',
    'server  any address, same port: EADDRINUSE',
    'server  an address of somebody else: EADDRNOTAVAIL',
    'server  IP_BIND_ADDRESS_NO_PORT: port 0 until connect',
    'server  connect that may not wait: EINPROGRESS',
    'server  POLLOUT, and SO_ERROR says 0: connected',
    'server  port 80 as an ordinary user: EACCES',
  ],
  messages: [
    'SO4, SO5, UD4: buffers, truncation, control messages, a descriptor passed, sendfile (recvmsg(2), unix(7))',
    'server  SO_RCVBUF 10000 reads back 20000',
    'server  MSG_PEEK|MSG_TRUNC into 4 bytes: "head" of 13',
    'server  recvmsg into 5 and 4 bytes: 9, "head |and ", MSG_TRUNC true',
    'server  IP_TTL 7',
    'server  SCM_RIGHTS: descriptor 7 reads "contents"',
    'server  sendfile: 8 bytes',
  ],
  raw: [
    'SO9: an echo request made by hand, seen by packet socket and raw socket; who may (raw(7), packet(7), icmp(7))',
    'client  raw socket: 35 bytes from 192.0.2.2, ICMP type 0: the reply',
    'client  packet socket: IP 192.0.2.1 > 192.0.2.2: ICMP echo request, id 77, seq 1, length 15',
    'client  packet socket: IP 192.0.2.2 > 192.0.2.1: ICMP echo reply, id 77, seq 1, length 15',
    'client  raw socket as an ordinary user: EPERM',
    'client  ping socket, not allowed by ping_group_range: EACCES',
    'client  ping socket: 15 bytes, ICMP type 0',
  ],
  epoll: [
    'CO4: level, edge with its lost wake-up, ONESHOT, nesting, fairness, EXCLUSIVE (epoll(7))',
    'server  level: 1, 1 as long as something is left to read',
    'server  edge: 1 when it arrives, 0 later',
    'server  edge, two bytes unread: 0: who does not read to EAGAIN has lost the wake-up',
    'server  ONESHOT: 1, then 0 until armed again',
    'server  one event at a time, nothing read: busy, quiet, patient',
    'server  four sets wait for one socket: 4 woken',
    'server  four sets wait for one socket, EPOLLEXCLUSIVE: 1 woken',
  ],
  udp: [
    'UD2, UD3: to one, to all, to a group, connected and not any more (udp(7), ip(7))',
    'client  to all without SO_BROADCAST: EACCES',
    'server  "to all" from 192.0.2.1',
    'other   "to all" from 192.0.2.1',
    'server  "to a group" from 192.0.2.1',
    'client  connected to a port without a socket: ECONNREFUSED',
    'client  AF_UNSPEC takes the peer away: EDESTADDRREQ',
  ],
  reset: [
    'TC5, TC14, TC16: resets and what each side hears, urgent data and its mark, a full accept queue (tcp(7), RFC 6093)',
    'client  connect to a closed port: ECONNREFUSED',
    'client  the peer closes with SO_LINGER 0: read ECONNRESET',
    'client  the peer closes with data unread: read ECONNRESET',
    'client  and write: EPIPE',
    'server  read stops before the mark: "calm", SIOCATMARK 1',
    'server  MSG_OOB: "!"',
    'client  three connections at a backlog of 1: 7004, 7004, 7004',
  ],
}

for (const [example, [title, ...lines]] of Object.entries(EXPECTED)) {
  test(title, async () => {
    const all = await printed(example)
    assert.deepEqual(
      all.filter((line) => lines.includes(line)),
      lines,
    )
  })
}
