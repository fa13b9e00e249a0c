/**
 * One situation on two hosts, on Linux and on ours, and command lines whose text is the same on both: what the tests of the
 * tools compare, live in test/interop/tools.test.ts and with vectors/tools.json in tools.test.ts.
 */
import type { Host } from '../../src/host/host.ts'
import * as c from '../../src/socket/constants.ts'
import type { VirtualClock } from '../../src/sys/virtual-clock.ts'

/** The situation on the kernel's side: b serves, a is its client; ports are chosen so that they are the same on ours. */
export const SERVER = `
import socket, sys
tcp = lambda: socket.socket()
l = tcp(); l.setsockopt(1, 2, 1); l.bind(('10.0.0.2', 80)); l.listen(5)
m = tcp(); m.bind(('0.0.0.0', 8080)); m.listen(128)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('0.0.0.0', 53))
x = socket.socket(socket.AF_UNIX); x.bind('\\0server'); x.listen(3)
y = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); y.bind('\\0datagrams')
p = socket.socketpair()
print('listening', flush=True)
c, _ = l.accept(); c.send(b'x' * 100)
d, _ = l.accept()
print('ready', flush=True)
sys.stdin.read()
`
export const CLIENT = `
import socket, sys
def to(port):
    s = socket.socket(); s.bind(('10.0.0.1', port)); s.connect(('10.0.0.2', 80)); return s
c = to(5001); c.setsockopt(1, 9, 1)
d = to(5002); d.close()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('10.0.0.1', 5003)); u.connect(('10.0.0.2', 53))
print('ready', flush=True)
sys.stdin.read()
`

/** And on ours. */
export async function situate(clock: VirtualClock, a: Host, b: Host): Promise<void> {
  const server = b.createProcess({ name: 'python3' })
  const client = a.createProcess({ name: 'python3' })
  const stream = (): number => server.socket(c.AF_INET, c.SOCK_STREAM)
  const l = stream()
  server.setsockopt(l, c.SOL_SOCKET, c.SO_REUSEADDR, 1)
  server.bind(l, { address: '10.0.0.2', port: 80 })
  server.listen(l, 5)
  const m = stream()
  server.bind(m, { port: 8080 })
  server.listen(m, 128)
  server.bind(server.socket(c.AF_INET, c.SOCK_DGRAM), { port: 53 })
  const x = server.socket(c.AF_UNIX, c.SOCK_STREAM)
  server.bind(x, { path: '\0server' })
  server.listen(x, 3)
  server.bind(server.socket(c.AF_UNIX, c.SOCK_DGRAM), { path: '\0datagrams' })
  server.socketpair(c.AF_UNIX, c.SOCK_STREAM)
  const to = async (port: number): Promise<number> => {
    const fd = client.socket(c.AF_INET, c.SOCK_STREAM)
    client.bind(fd, { address: '10.0.0.1', port })
    await client.connect(fd, { address: '10.0.0.2', port: 80 })
    return fd
  }
  await clock.runUntil(
    (async () => {
      const first = await to(5001)
      client.setsockopt(first, c.SOL_SOCKET, c.SO_KEEPALIVE, 1)
      await server.write(await server.accept(l), new Uint8Array(100))
      await client.close(await to(5002))
      await server.accept(l)
      const u = client.socket(c.AF_INET, c.SOCK_DGRAM)
      client.bind(u, { address: '10.0.0.1', port: 5003 })
      await client.connect(u, { address: '10.0.0.2', port: 53 })
    })(),
  )
  await clock.runFor(300_000)
}

export type Side = 'a' | 'b'
/** What is compared: whole texts (of sockets in any order), or lines in any order with blanks as one. */
export type Compare = 'exact' | 'words'

export const OBSERVATIONS: readonly (readonly [Side, Compare, string])[] = [
  ['b', 'exact', 'ss -ltn'],
  ['b', 'exact', 'ss -uan'],
  ['b', 'exact', 'ss -tan'],
  ['b', 'exact', 'ss -Htan'],
  ['b', 'exact', 'ss -tuan'],
  ['b', 'words', 'ss -xan'],
  ['b', 'words', 'ss -tanp'],
  ['b', 'words', 'ss -tane'],
  ['b', 'words', 'ss -xane'],
  ['b', 'exact', 'ss -tan state established'],
  ['b', 'exact', 'ss -tan state close-wait'],
  ['b', 'exact', 'ss -tan exclude listening'],
  ['b', 'exact', 'ss -tan sport = :80'],
  ['b', 'exact', 'ss -tan ( sport = :80 or sport = :8080 ) and not dport = :5001'],
  ['b', 'exact', 'ss -tan src 10.0.0.2'],
  ['b', 'exact', 'ss -tan dst 10.0.0.0/24:5001'],
  ['b', 'exact', 'ss -tn'],
  ['a', 'exact', 'ss -un'],
  ['b', 'exact', 'ss -uln'],
  ['a', 'words', 'ss -tano'],
  ['a', 'exact', 'ss -tan state fin-wait-2'],
  ['b', 'exact', 'ss -tan state bogus'],
  ['b', 'exact', 'netstat -tan'],
  ['b', 'exact', 'netstat -ltn'],
  ['b', 'exact', 'netstat -uan'],
  ['b', 'exact', 'netstat -tn'],
  ['b', 'words', 'netstat -tanp'],
  ['b', 'words', 'netstat -tane'],
  ['a', 'words', 'netstat -tano'],
  ['b', 'words', 'netstat -xan'],
  ['b', 'words', 'netstat -an'],
  ['b', 'exact', 'netstat -rn'],
  ['b', 'exact', 'netstat -rne'],
  ['b', 'words', 'netstat -i'],
  ['b', 'words', 'netstat -ie'],
  ['b', 'words', 'arp -n'],
  ['b', 'words', 'arp -an'],
  ['b', 'words', 'ip addr'],
  ['b', 'exact', 'ip -4 addr'],
  ['b', 'exact', 'ip -o addr'],
  ['b', 'words', 'ip -br addr'],
  ['b', 'words', 'ip -br link'],
  ['b', 'words', 'ip link show dev lo'],
  ['b', 'words', 'ip -s link show dev lo'],
  ['b', 'words', 'ip -s -s link show dev lo'],
  ['b', 'exact', 'ip route'],
  ['b', 'exact', 'ip route show table local'],
  ['b', 'exact', 'ip route show dev eth0'],
  ['b', 'exact', 'ip route get 10.0.0.1'],
  ['b', 'exact', 'ip route get 127.0.0.1'],
  ['b', 'exact', 'ip route get 10.0.0.2'],
  ['b', 'exact', 'ip route get 203.0.113.1'],
  ['b', 'exact', 'ip rule'],
  ['b', 'words', 'ip neigh'],
  ['b', 'exact', 'ip addr show dev nope'],
  ['b', 'exact', 'ip bogus'],
  ['b', 'exact', 'ip addr bogus'],
  ['b', 'exact', 'ip route del 203.0.113.0/24'],
  ['b', 'exact', 'ip neigh del 10.0.0.9 dev eth0'],
  // Changes, and what they leave.
  ['b', 'exact', 'ip addr add 10.7.0.1/16 brd + dev eth0'],
  ['b', 'exact', 'ip addr add 10.7.0.2/16 dev eth0'],
  ['b', 'exact', 'ip -4 addr show dev eth0'],
  ['b', 'exact', 'ip route add 203.0.113.0/24 via 10.0.0.1 metric 5 mtu 1400'],
  ['b', 'exact', 'ip route add default via 10.0.0.1'],
  ['b', 'exact', 'ip route add blackhole 198.51.100.0/24'],
  ['b', 'exact', 'ip route replace 203.0.113.0/24 dev eth0 src 10.0.0.2 metric 5'],
  ['b', 'exact', 'ip route'],
  ['b', 'exact', 'ip -d route'],
  ['b', 'exact', 'ip route show 203.0.113.0/24'],
  ['b', 'exact', 'ip route show match 203.0.113.9'],
  ['b', 'exact', 'ip route show default'],
  ['b', 'exact', 'ip route get 203.0.113.1'],
  ['b', 'exact', 'ip route get 8.8.8.8'],
  ['b', 'exact', 'netstat -rn'],
  ['b', 'exact', 'ip route del 203.0.113.0/24'],
  ['b', 'exact', 'ip route flush 198.51.100.0/24'],
  ['b', 'exact', 'ip route'],
  ['b', 'exact', 'ip neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 dev eth0'],
  ['b', 'exact', 'ip neigh show nud permanent'],
  ['b', 'exact', 'ip neigh del 10.0.0.77 dev eth0'],
  ['b', 'exact', 'ip addr flush dev nope'],
  ['b', 'exact', 'ip addr del 10.7.0.1/16 dev eth0'],
  ['b', 'exact', 'ip -4 addr show dev eth0'],
  ['b', 'words', 'ip link set eth0 mtu 1400'],
  ['b', 'words', 'ip link show eth0'],
  ['b', 'exact', 'ip link set eth0 mtu 1500'],
  ['b', 'exact', 'sysctl net.ipv4.ip_forward'],
  ['b', 'exact', 'sysctl -n net.ipv4.tcp_syn_retries'],
  ['b', 'exact', 'sysctl net/ipv4/ip_default_ttl'],
  ['b', 'exact', 'sysctl -w net.ipv4.ip_forward=1'],
  ['b', 'exact', 'sysctl net.ipv4.ip_forward'],
  ['b', 'exact', 'sysctl -q net.ipv4.ip_forward=0'],
  ['b', 'exact', 'sysctl net.ipv4.nothing'],
  ['b', 'exact', 'sysctl -e net.ipv4.nothing'],
  ['b', 'exact', 'sysctl -N net.ipv4.ip_forward'],
  ['b', 'exact', 'sysctl net.ipv4.ip_local_port_range'],
  ['a', 'exact', 'ping -n -c 3 -i 0.2 10.0.0.2'],
  ['a', 'exact', 'ping -n -c 2 -i 0.2 -q 10.0.0.2'],
  ['a', 'exact', 'ping -n -c 1 -s 8 10.0.0.2'],
  ['a', 'exact', 'ping -n -c 1 -s 2000 10.0.0.2'],
  ['a', 'exact', 'ping -n -c 1 -s 2000 -M do 10.0.0.2'],
  ['a', 'exact', 'ping -n -c 1 -W 1 10.0.0.99'],
  ['a', 'exact', 'ping -n -c 1 203.0.113.1'],
  ['a', 'exact', 'ping -c 0 10.0.0.2'],
  ['a', 'exact', 'nc -vz 10.0.0.2 79'],
  ['a', 'exact', 'nc -vnz 10.0.0.2 80-82'],
  ['a', 'exact', 'nc 10.0.0.2'],
  ['a', 'exact', 'nc -l 10.0.7.7 8081'],
  ['a', 'exact', 'nc -U /nosuch'],
  ['a', 'exact', 'nc 10.0.0.2 x'],
  ['a', 'exact', 'nc -l -z 80'],
  ['a', 'exact', 'traceroute -n 10.0.0.2'],
  ['a', 'exact', 'traceroute -n -I 10.0.0.2'],
]

/** Without what must differ. Extended acknowledgements of netlink, which ours has not, are worth their errno. */
function normal(text: string): string {
  return text
    .replace(/pid=\d+/g, 'pid=N')
    .replace(/\b\d+\/python3/g, 'N/python3')
    .replace(/@if\d+/g, '')
    .replace(/ link-netns \S+| cgroup:\S+|Failed to find cgroup2 mount\n/g, '')
    .replace(/\bino:\d+|\bsk:[0-9a-f]+/g, 'X')
    .replace(/time=\S+ ms|time \d+ms|rtt min.*|pipe \d+\n|\d+\.\d{3} ms/g, 'T')
    .replace(/(timewait|keepalive)[ ,(][^)]*\)/g, '$1(T)')
    .replace(/(RX|TX) (packets|bytes).*/g, '$1 N')
    .replace(/(([0-9a-f]{2}):){5}[0-9a-f]{2}/g, 'MAC')
    .replace(/: invalid argument: '0': out of range.*/, ': -c')
    .replace(/: -c: not a number from.*/, ': -c')
    .replace(/Error: ipv4: Address already assigned\./, 'RTNETLINK answers: File exists')
}

/** Whole lines in order: the kernel lists sockets as they lie in its hash tables. */
const rows = (text: string): string => normal(text).split('\n').sort().join('\n')

/** Lines with single blanks, in order; numbers of inodes and packets as N. */
const words = (text: string): string =>
  normal(text)
    .split('\n')
    .map((line) =>
      line
        .replace(/\b\d{4,}\b/g, (n) => (Number(n) > 9000 ? 'N' : n))
        .replace(/\s+/g, ' ')
        .trim(),
    )
    .filter((line) => !/^(eth0|lo) \d+ N?\d* /.test(line) && !/^\d+ \d+ \d+/.test(line))
    .sort()
    .join('\n')

/** What is compared of the text of `line`. */
export function comparable(compare: Compare, line: string, text: string): string {
  if (compare === 'words') return words(text)
  return /^(ss|netstat -[^ri])/.test(line) ? rows(text) : normal(text)
}
