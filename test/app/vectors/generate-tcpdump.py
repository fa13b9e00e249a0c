"""What tcpdump 4.99.3 prints of capture.cap, for every set of options and every filter that tcpdump.test.ts tries.

capture.cap: two namespaces on a veth pair, Linux 6.18, tcpdump -U -w on 10.9.0.2, checksum offload on: ping -s 3000 (fragments), a
request to port 8080 and 2,100 bytes of answer, a refused connection, UDP to an open and to a closed port, ping -Q 2 -t 9.
Run where tcpdump is installed: TZ=UTC python3 generate-tcpdump.py > tcpdump.json
"""
import json, os, subprocess
OPTIONS = ['-n', '-nv', '-nvv', '-ne', '-nev', '-nx', '-nxx', '-nX', '-nXX', '-nA', '-nq', '-nqv', '-nt', '-ntt', '-nttt', '-ntttt', '-nttttt', '-nS', '-n --number', '-nc 3']
FILTERS = ['icmp', 'tcp', 'udp', 'arp', 'ip', 'host 10.9.0.1', 'src host 10.9.0.2', 'dst 10.9.0.2 and tcp', 'port 8080', 'tcp port 81',
  'udp port 5005 or icmp', 'not tcp and not arp', 'src port 8080', 'dst portrange 5000-5010', 'net 10.9.0.0/16', 'src net 10.9.0.0 mask 255.255.255.0',
  'net 10.8', 'tcp[tcpflags] & (tcp-syn|tcp-fin) != 0', 'tcp[13] = 2', 'tcp[tcpflags] == tcp-syn|tcp-ack', 'icmp[icmptype] == icmp-echo', 'ip[8] < 64', 'ip[6:2] & 0x1fff != 0', 'len > 500', 'less 80', 'greater 1000',
  'ether host 02:00:00:00:00:01', 'ether src 02:00:00:00:00:02', 'broadcast', 'ether broadcast', 'multicast', 'ip proto 17', 'ip proto \\icmp', 'ether proto \\arp', '(tcp or udp) and src 10.9.0.1',
  'tcp and (port 81 or 8080)', '! (tcp || udp)', 'host 10.9.0.1 and host 10.9.0.2', 'src or dst port 81', 'src and dst net 10.9.0.0/24', 'udp[4:2] > 10', 'tcp[2:2] = 8080', 'ip[0] & 0xf = 5 and ip[9] = 6', 'arp host 10.9.0.1', 'port http', 'ip host 10.9.0.1', 'arp or icmp']
os.environ['TZ'] = 'UTC'
def run(words): return subprocess.run(['tcpdump', '-r', 'capture.cap', *words], capture_output=True, text=True).stdout
print(json.dumps({'options': {o: run(o.split()) for o in OPTIONS}, 'filters': {f: run(['-n', '--number', f]) for f in FILTERS}}, indent=1))
