/** What `--help` says. */

import { findTool } from '../app/tools.ts'

const GENERAL = `sockeye - hosts with Berkeley sockets on a complete TCP/IP stack

  sockeye demo    two hosts, a client and a server, every packet and state change shown
  sockeye serve   a host on a real TAP device: echo, HTTP, forwarding
  sockeye dump    a capture file (pcap, pcapng) as text
  sockeye packetdrill    scripts in packetdrill's language, on our stack in virtual time
  sockeye shell   a prompt on a small network of virtual hosts, with the tools below

tools, with Linux's options and output, on the host of a running 'sockeye serve' or one of their own on a TAP device
  arp cat hostname ifconfig ip nc netstat ping ps route ss sysctl tcpdump traceroute

  sockeye COMMAND --help    what a command takes
  sockeye --version
`

const DEMO = `sockeye demo [--seed N] [--out FILE]

  Two hosts on a switch in virtual time run the one-shot server and client of examples/one-shot. Shows every packet
  as it passes, what it does to the state of both ends, a lost segment sent again, the close, and TIME_WAIT.

  --seed N      another course of chance (default 1); the same seed gives the same packets, byte for byte
  --out FILE    where the capture goes (default sockeye-demo.pcapng)
`

const SERVE = `sockeye serve --tap NAME --address CIDR ... [options]

  A host of ours on a TAP device of this machine (root, /dev/net/tun and the package koffi). The kernel's end of the
  device is set up with ip(8). SIGINT or SIGTERM ends it and prints statistics. While it runs, tools look at the host
  from another terminal, through a control socket of this user's: sockeye ss -tan, sockeye tcpdump -n ...

  --tap NAME        the device; with --address, once for each interface
  --address CIDR    our address on it: 192.0.2.2/24
  --mtu N           sets the MTU of the devices (default: what they have)
  --gateway IP      default route
  --forward         forwards between the interfaces (net.ipv4.ip_forward)
  --echo PORT       TCP echo: what comes is sent back, half-close included
  --discard PORT    TCP sink: what comes is read and forgotten
  --source PORT     TCP source: zeros as fast as they are taken, until the peer closes
  --http PORT       HTTP with Node's http module: GET, HEAD (ranges) from --root; PUT and POST answer with the SHA-256
                    of the body, and below /upload/ also keep it in --root
  --root DIR        what HTTP serves (default: nothing)
  --impair SPEC     what the wires do: loss=2%,duplicate=1%,delay=5ms,reorder=1%,direction=both,seed=7 ...
  --pcap FILE       writes every packet to a pcapng file, what --impair dropped with a comment
  --snaplen N       bytes kept of each packet (default all)
  --sysctl K=V      sets a sysctl of the host: net.ipv4.tcp_rmem=...; may be given more than once
`

const DUMP = `sockeye dump [-S] [-v] FILE

  A pcap or pcapng file as text, as tcpdump -n prints it, with times of day in UTC and the packets' comments.

  -S, --absolute    absolute TCP sequence numbers
  -v, --tree        the fields of every layer below each line
`

const PACKETDRILL = `sockeye packetdrill [--ignore-psh] [-q] [-v] [--variant V] [OPTION...] FILE|FOLDER...

  Runs packetdrill scripts on our stack in virtual time, without root. A line for each script and variant, then the
  counts; exit status 1 if one failed, 2 if one is not in the language (FILE:LINE: what is wrong). A script that needs
  what is not there is skipped with the reason.

  --ignore-psh      does not compare the PSH flag of outbound packets
  --variant V       ipv4, ipv4-mapped-ipv6 or ipv6 only
  --dry_run         parses the scripts only
  -q, -v            prints failures and the counts only; what passed, too
  -D NAME=VALUE     a definition, as --define=NAME=VALUE in a script
  --init_scripts F  shell text of these files (commas between) runs first

  Options of scripts, which go before their own: --tolerance_usecs --tolerance_percent --mss --mtu --bind_port --local_ip
  --connect_port --remote_ip --netmask_ip --ip_version --strict_segments --tcp_ts_tick_usecs --tcp_ts_ecr_scaled --non_fatal
`

const SHELL = `sockeye shell [-c 'COMMAND; COMMAND...'] [--seed N]

  alice - router - bob: three virtual hosts on two cables, and a prompt on one of them. 'host NAME' goes to another,
  'help' lists the rest. Without a terminal, or with -c, commands run in virtual time: nothing waits.

  -c, --command TEXT    runs these commands and ends with the status of the last
  --seed N              another course of chance (default 1)

  sockeye shell -c 'ping -c 3 198.51.100.10; ss -ta; host router; ip route'
`

const TOOL = `sockeye TOOL [--at PID|PATH | --tap NAME --address CIDR [--gateway IP]] [options of the tool]

  Runs a tool of virtual hosts: arp cat hostname ifconfig ip nc netstat ping ps route ss sysctl tcpdump traceroute.
  Options and output are those of Linux's tools (iproute2, net-tools, procps, iputils, OpenBSD's nc, tcpdump).

  (none)            on the host of the one 'sockeye serve' that runs
  --at PID|PATH     on that of the serve with this process id or control socket
  --tap NAME        on a host made for this, on a TAP device of this machine (root)
  --address CIDR    its address: 192.0.2.2/24
  --gateway IP      its default route
`

const BY_COMMAND: Readonly<Record<string, string>> = {
  demo: DEMO,
  serve: SERVE,
  dump: DUMP,
  packetdrill: PACKETDRILL,
  shell: SHELL,
}

/** The help of one command, or of the whole. */
export function helpOf(command: string | undefined): string {
  if (command === undefined) return GENERAL
  if (Object.hasOwn(BY_COMMAND, command)) return BY_COMMAND[command] as string
  return findTool(command) === undefined ? GENERAL : TOOL
}
