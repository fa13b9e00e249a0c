"""Opens the sockets of proc-kernel.test.ts in a network namespace of its own and prints the files of /proc/net as JSON."""
import json, os, socket, subprocess, sys, time

TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM


def sh(*words):
    subprocess.run(words, check=True)


for words in (
    'ip link set lo up', 'ip link add eth0 type veth peer name peer0', 'ip addr add 10.0.0.1/24 dev eth0', 'ip link set eth0 up',
    'ip link set peer0 up', 'ip route add default via 10.0.0.2', 'ip route add unreachable 10.9.0.0/16',
    'ip route add 10.8.0.0/16 via 10.0.0.3 metric 7', 'ip route add 10.7.7.7 dev eth0',
    'ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent',
):
    sh(*words.split(' '))
for name, value in (('tcp_congestion_control', 'reno'), ('tcp_rmem', '4096 131072 6291456')):
    with open('/proc/sys/net/ipv4/' + name, 'w') as f:
        f.write(value)

os.chdir(sys.argv[1])
keep = []


def sock(family, kind):
    s = socket.socket(family, kind)
    keep.append(s)
    return s


def connected(port):
    c = sock(socket.AF_INET, TCP)
    c.connect(('127.0.0.1', port))
    return c


listener = sock(socket.AF_INET, TCP)
listener.bind(('127.0.0.1', 8080))
listener.listen(5)
empty = sock(socket.AF_INET, TCP)
empty.bind(('0.0.0.0', 8081))
empty.listen(0)
c1 = connected(8080)
s1, _ = listener.accept()
c1.send(b'abc')
c2 = connected(8080)
s2, _ = listener.accept()
c2.shutdown(socket.SHUT_WR)
c3 = connected(8080)
s3, _ = listener.accept()
c3.close()
time.sleep(0.05)
s3.close()
c4 = connected(8080)
bound = sock(socket.AF_INET, TCP)
bound.bind(('127.0.0.1', 8082))
u1 = sock(socket.AF_INET, UDP)
u1.bind(('0.0.0.0', 5353))
u2 = sock(socket.AF_INET, UDP)
u2.connect(('127.0.0.1', 5353))
u2.send(b'hello')
sock(socket.AF_INET, UDP)
x1 = sock(socket.AF_UNIX, TCP)
x1.bind('listener')
x1.listen(3)
x2 = sock(socket.AF_UNIX, TCP)
x2.connect('listener')
x3 = sock(socket.AF_UNIX, UDP)
x3.bind(b'\0abstract\0name')
x4, x5 = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
sock(socket.AF_UNIX, UDP)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
keep.append(raw)
raw.connect(('127.0.0.1', 0))
keep.append(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x806)))
keep.append(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
time.sleep(0.3)

names = ['tcp', 'tcp6', 'udp', 'udp6', 'udplite', 'unix', 'arp', 'route', 'dev', 'igmp', 'snmp', 'netstat', 'sockstat', 'raw', 'raw6', 'icmp', 'packet']
json.dump({name: open('/proc/net/' + name).read() for name in names}, sys.stdout)
