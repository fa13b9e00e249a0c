#!/bin/bash
# Makes kernel.pcap: two network namespaces joined by veth, ping, TCP, UDP, fragments, ICMP errors, IGMP, ECN.
# Needs root, iproute2, ethtool, tcpdump, python3. Run: unshare -n bash capture.sh
set +e
ip link set lo up
# second namespace by pid
unshare -n sleep 100 & P=$!
sleep 0.5
ip link add v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02
ip link set v1 netns $P
N="nsenter -t $P -n"
$N ip link set lo up
sysctl -qw net.ipv6.conf.v0.disable_ipv6=1; $N sysctl -qw net.ipv6.conf.v1.disable_ipv6=1
ip addr add 10.0.0.1/24 dev v0; ip link set v0 up
$N ip addr add 10.0.0.2/24 dev v1; $N ip link set v1 up
ethtool -K v0 tx off tso off gso off gro off 2>/dev/null || true
$N ethtool -K v1 tx off tso off gso off gro off 2>/dev/null || true
tcpdump -i v0 -w kernel.pcap -U not ip6 2>/dev/null & T=$!
sleep 1
ping -c 2 -i 0.2 10.0.0.2 >/dev/null
ping -c 1 -s 3000 10.0.0.2 >/dev/null
ping -c 1 -R 10.0.0.2 >/dev/null || true
ping -c 1 -T tsonly 10.0.0.2 >/dev/null || true
ping -c 1 -t 1 -Q 0x2e 10.0.0.2 > /dev/null || true
cat > s.py <<'P'
import socket,threading,time,sys
srv=socket.socket(); srv.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)
srv.bind(('10.0.0.2',8000)); srv.listen(5)
u=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); u.bind(('10.0.0.2',5000))
def udp():
  while True:
    d,a=u.recvfrom(70000); u.sendto(d,a)
threading.Thread(target=udp,daemon=True).start()
print('ready',flush=True)
while True:
  c,a=srv.accept()
  d=c.recv(10000); c.sendall(b'reply:'+d[:100]); time.sleep(0.1)
  try: c.sendall(b'x'*4000)
  except OSError: pass
  c.close()
P
$N python3 s.py & S=$!
sleep 1
python3 - <<'P'
import socket,time,struct
s=socket.socket(); s.connect(('10.0.0.2',8000)); s.sendall(b'hello\n'); s.send(b'!',socket.MSG_OOB)
try:
  while s.recv(10000): pass
except OSError: pass
s.close()
s=socket.socket(); s.connect(('10.0.0.2',8000)); s.setsockopt(socket.SOL_SOCKET,socket.SO_LINGER,struct.pack('ii',1,0)); s.sendall(b'bye'); time.sleep(0.05); s.close()
s=socket.socket()
try: s.connect(('10.0.0.2',8001))
except OSError: pass
s=socket.socket(); s.setsockopt(6,30,1)  # fastopen connect
try:
  s.connect(('10.0.0.2',8000)); s.send(b'tfo'); s.recv(1000); s.close()
except OSError as e: print(e)
u=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); u.connect(('10.0.0.2',5000)); u.send(b'ping'); u.recv(10); u.send(b''); u.recv(10); u.send(bytes(4000)); u.recv(5000)
u.connect(('10.0.0.2',5001)); u.send(b'nobody')
time.sleep(.2)
u=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)
u.setsockopt(0,socket.IP_MULTICAST_IF,socket.inet_aton('10.0.0.1')); u.setsockopt(0,socket.IP_ADD_MEMBERSHIP,socket.inet_aton('239.1.2.3')+socket.inet_aton('10.0.0.1'))
u.sendto(b'mc',('239.1.2.3',5000))
time.sleep(.1)
P
sysctl -qw net.ipv4.tcp_ecn=1
python3 - <<'P'
import socket
s=socket.socket(); s.connect(('10.0.0.2',8000)); s.sendall(b'GET / HTTP/1.0\r\n\r\n')
try:
  while s.recv(10000): pass
except OSError: pass
s.close()
P
ping -c 1 -W 1 10.0.0.9 >/dev/null || true
sleep 0.5
kill $S; kill $T; sleep 0.3; kill $P
