/**
 * All options of Linux 6.18's levels SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP and IPPROTO_UDP: what each takes, or how and why it is
 * refused. `docs/options.md` is made of it, and a test holds it against what the sockets do.
 */
import { IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, SOL_SOCKET } from '../sock/constants.ts'

export interface OptionEntry {
  readonly level: number
  readonly number: number
  readonly name: string
  /** Read and write, one of them, or neither: refused. */
  readonly access: 'rw' | 'r' | 'w' | '-'
  /** Type and range; of a refused one the errno. */
  readonly value: string
  readonly doc: string
}

type Row = readonly [number: number, name: string, access: OptionEntry['access'], value: string, doc: string]

const FLAG = 'int, 0 or 1'
const HARDWARE = 'Kept and read back; there is no hardware here that it could speak to.'
const NO_IPSEC = 'There is no IPsec.'
const NO_BPF = 'There are no programs of the extended filter; the classic one is SO_ATTACH_FILTER.'
const NO_REPAIR = 'Connections cannot be taken apart and put together elsewhere.'
const PREQ = 'struct ip_mreqn or ip_mreq'

// biome-ignore format: a line each
const SOCKET: readonly Row[] = [
  [1, 'SO_DEBUG', 'rw', FLAG, 'A mark without effect; to set it needs privileges (EACCES).'],
  [2, 'SO_REUSEADDR', 'rw', FLAG, 'Binds beside connections in TIME_WAIT, and of UDP beside any that has it too.'],
  [3, 'SO_TYPE', 'r', 'int', 'SOCK_STREAM, …'],
  [4, 'SO_ERROR', 'r', 'int', 'The pending error, which is cleared by that.'],
  [5, 'SO_DONTROUTE', 'rw', FLAG, 'Only to hosts of a network of ours.'],
  [6, 'SO_BROADCAST', 'rw', FLAG, 'May send to broadcast addresses (EACCES without).'],
  [7, 'SO_SNDBUF', 'rw', 'int, bytes', 'Doubled; at most twice net.core.wmem_max, at least 4608.'],
  [8, 'SO_RCVBUF', 'rw', 'int, bytes', 'Doubled; at most twice net.core.rmem_max, at least 2304.'],
  [9, 'SO_KEEPALIVE', 'rw', FLAG, 'TCP probes a silent peer.'],
  [10, 'SO_OOBINLINE', 'rw', FLAG, 'Urgent data stay in the stream.'],
  [11, 'SO_NO_CHECK', 'rw', FLAG, 'UDP sends without checksum.'],
  [12, 'SO_PRIORITY', 'rw', 'int, 0 to 6, others with privileges', 'Told by SO_RCVPRIORITY; devices here have one queue.'],
  [13, 'SO_LINGER', 'rw', 'struct linger, seconds', 'What close does with unsent data.'],
  [14, 'SO_BSDCOMPAT', 'rw', 'int', 'Without effect since Linux 2; reads 0.'],
  [15, 'SO_REUSEPORT', 'rw', FLAG, 'Sockets of one user share a port, and what comes is spread over them by its flow. AF_INET only.'],
  [16, 'SO_PASSCRED', 'rw', FLAG, 'Local sockets: credentials of the sender come along.'],
  [17, 'SO_PEERCRED', 'r', 'struct ucred', 'Who made the connection; nobody but for local sockets.'],
  [18, 'SO_RCVLOWAT', 'rw', 'int, bytes', 'So much makes a stream readable.'],
  [19, 'SO_SNDLOWAT', 'r', 'int', 'Always 1.'],
  [20, 'SO_RCVTIMEO', 'rw', 'struct timeval', 'Longest a call waits for data; 0 for ever.'],
  [21, 'SO_SNDTIMEO', 'rw', 'struct timeval', 'Longest a call waits for room or a connection; 0 for ever.'],
  [22, 'SO_SECURITY_AUTHENTICATION', '-', 'ENOPROTOOPT', 'Never was more than a number.'],
  [23, 'SO_SECURITY_ENCRYPTION_TRANSPORT', '-', 'ENOPROTOOPT', 'Never was more than a number.'],
  [24, 'SO_SECURITY_ENCRYPTION_NETWORK', '-', 'ENOPROTOOPT', 'Never was more than a number.'],
  [25, 'SO_BINDTODEVICE', 'rw', 'name of an interface', 'Only packets of this interface; to change it needs privileges.'],
  [26, 'SO_ATTACH_FILTER', 'rw', 'struct sock_filter[]', 'A classic packet filter decides what is queued. The array itself, not a struct sock_fprog: there are no pointers.'],
  [27, 'SO_DETACH_FILTER', 'w', 'int', 'Takes the filter away (ENOENT without).'],
  [28, 'SO_PEERNAME', 'r', 'struct sockaddr', 'As getpeername; room for more than the address is EINVAL.'],
  [29, 'SO_TIMESTAMP', 'rw', FLAG, 'recvmsg tells when a packet came, in microseconds.'],
  [30, 'SO_ACCEPTCONN', 'r', FLAG, 'It listens.'],
  [31, 'SO_PEERSEC', '-', 'ENOPROTOOPT', 'No security module gives out labels.'],
  [32, 'SO_SNDBUFFORCE', 'w', 'int, bytes', 'SO_SNDBUF without limit, with privileges (EPERM).'],
  [33, 'SO_RCVBUFFORCE', 'w', 'int, bytes', 'SO_RCVBUF without limit, with privileges (EPERM).'],
  [34, 'SO_PASSSEC', 'rw', FLAG, 'Local sockets; kept, but nobody has a security label.'],
  [35, 'SO_TIMESTAMPNS', 'rw', FLAG, 'As SO_TIMESTAMP, in nanoseconds.'],
  [36, 'SO_MARK', 'rw', 'int', 'With privileges (EPERM); told by SO_RCVMARK. No rule looks at it.'],
  [37, 'SO_TIMESTAMPING', 'rw', 'struct so_timestamping, SOF_ flags', 'Time stamps of what is sent and received.'],
  [38, 'SO_PROTOCOL', 'r', 'int', 'IPPROTO_TCP, …'],
  [39, 'SO_DOMAIN', 'r', 'int', 'AF_INET, …'],
  [40, 'SO_RXQ_OVFL', 'rw', FLAG, 'recvmsg tells how many packets were lost for want of room.'],
  [41, 'SO_WIFI_STATUS', 'rw', FLAG, HARDWARE],
  [42, 'SO_PEEK_OFF', 'rw', 'int, -1: off', 'Where MSG_PEEK goes on.'],
  [43, 'SO_NOFCS', 'rw', FLAG, HARDWARE],
  [44, 'SO_LOCK_FILTER', 'rw', FLAG, 'The filter stays for good (EPERM to change it).'],
  [45, 'SO_SELECT_ERR_QUEUE', 'rw', FLAG, 'Kept; errors wake with POLLERR in any case.'],
  [46, 'SO_BUSY_POLL', 'rw', 'int >= 0, microseconds', HARDWARE],
  [47, 'SO_MAX_PACING_RATE', 'rw', 'u64 or u32, bytes per second', 'TCP sends no faster.'],
  [48, 'SO_BPF_EXTENSIONS', 'r', 'int', '64: the filter knows the extensions below it.'],
  [49, 'SO_INCOMING_CPU', 'rw', 'int', `${HARDWARE} -1 at first.`],
  [50, 'SO_ATTACH_BPF', '-', 'EINVAL, EBADF', NO_BPF],
  [51, 'SO_ATTACH_REUSEPORT_CBPF', '-', 'EINVAL', 'A group of SO_REUSEPORT is chosen from by the hash of the flow only.'],
  [52, 'SO_ATTACH_REUSEPORT_EBPF', '-', 'EINVAL, EBADF', NO_BPF],
  [53, 'SO_CNX_ADVICE', 'w', 'int', '1: look for the route anew.'],
  [55, 'SO_MEMINFO', 'r', 'u32[9]', 'Memory of the queues, their limits, and packets lost.'],
  [56, 'SO_INCOMING_NAPI_ID', 'r', 'int', '0: interfaces have no such numbers.'],
  [57, 'SO_COOKIE', 'r', 'u64', 'A number no other socket of the host has; room for 8 bytes at least (EINVAL).'],
  [59, 'SO_PEERGROUPS', 'r', 'gid_t[]', 'Supplementary groups of the peer: none. ENODATA where there is no peer.'],
  [60, 'SO_ZEROCOPY', 'rw', FLAG, 'TCP and UDP: MSG_ZEROCOPY is notified of. Bytes are copied all the same, as by Linux on links in memory (SO_EE_CODE_ZEROCOPY_COPIED).'],
  [61, 'SO_TXTIME', 'r', 'struct sock_txtime', 'Zeros. To set it is ENOPROTOOPT: devices have no queue that holds packets back.'],
  [62, 'SO_BINDTOIFINDEX', 'rw', 'int, index of an interface', 'SO_BINDTODEVICE by number.'],
  [63, 'SO_TIMESTAMP_NEW', 'rw', FLAG, 'As SO_TIMESTAMP.'],
  [64, 'SO_TIMESTAMPNS_NEW', 'rw', FLAG, 'As SO_TIMESTAMPNS.'],
  [65, 'SO_TIMESTAMPING_NEW', 'rw', 'struct so_timestamping, SOF_ flags', 'As SO_TIMESTAMPING.'],
  [66, 'SO_RCVTIMEO_NEW', 'rw', 'struct timeval', 'As SO_RCVTIMEO.'],
  [67, 'SO_SNDTIMEO_NEW', 'rw', 'struct timeval', 'As SO_SNDTIMEO.'],
  [68, 'SO_DETACH_REUSEPORT_BPF', '-', 'EINVAL', 'None can be attached.'],
  [69, 'SO_PREFER_BUSY_POLL', 'rw', FLAG, HARDWARE],
  [70, 'SO_BUSY_POLL_BUDGET', 'w', 'int, 0 to 65535', HARDWARE],
  [71, 'SO_NETNS_COOKIE', 'r', 'u64', 'The number of the host’s network namespace; room for 8 bytes (EINVAL).'],
  [72, 'SO_BUF_LOCK', 'rw', 'int, bits 1 and 2', 'Which buffers keep their size: bit 1 sending, bit 2 receiving.'],
  [73, 'SO_RESERVE_MEM', 'r', 'int', '0. To set it is EOPNOTSUPP: memory is charged to no group of processes.'],
  [74, 'SO_TXREHASH', 'rw', 'int, -1 to 1', 'TCP: another path after a timeout. Kept; paths are not chosen by hash here.'],
  [75, 'SO_RCVMARK', 'rw', FLAG, 'recvmsg tells the mark of a packet: 0.'],
  [76, 'SO_PASSPIDFD', '-', 'ENOPROTOOPT', 'There are no descriptors of processes.'],
  [77, 'SO_PEERPIDFD', '-', 'ENODATA', 'There are no descriptors of processes.'],
  [78, 'SO_DEVMEM_LINEAR', '-', 'ENOPROTOOPT', 'No device has memory of its own.'],
  [79, 'SO_DEVMEM_DMABUF', '-', 'ENOPROTOOPT', 'No device has memory of its own.'],
  [80, 'SO_DEVMEM_DONTNEED', '-', 'EBADF, of TCP EINVAL', 'No device has memory of its own.'],
  [82, 'SO_RCVPRIORITY', 'rw', FLAG, 'recvmsg tells the priority of a packet: 0.'],
  [83, 'SO_PASSRIGHTS', 'rw', FLAG, 'Local sockets: descriptors may come along; 1 at first.'],
  [84, 'SO_INQ', '-', 'ENOPROTOOPT', 'FIONREAD tells the same of a local socket.'],
]

// biome-ignore format: a line each
const IP: readonly Row[] = [
  [1, 'IP_TOS', 'rw', 'int or byte, 0 to 255', 'Of TCP the two ECN bits are its own.'],
  [2, 'IP_TTL', 'rw', 'int or byte, 1 to 255; -1: the host’s', 'Of unicasts.'],
  [3, 'IP_HDRINCL', 'rw', FLAG, 'Raw sockets: the program gives the IP header.'],
  [4, 'IP_OPTIONS', 'rw', 'IP options, at most 40 bytes', 'Go with every datagram. Of TCP ENOPROTOOPT: its segments leave no room for them.'],
  [5, 'IP_ROUTER_ALERT', 'r', 'int', '0. To set it is EINVAL: no router hands packets with the alert option to a socket.'],
  [6, 'IP_RECVOPTS', 'rw', FLAG, 'recvmsg tells the IP options.'],
  [7, 'IP_RETOPTS', 'rw', FLAG, 'recvmsg tells the IP options as an answer has them.'],
  [8, 'IP_PKTINFO', 'rw', FLAG, 'recvmsg tells interface and destination.'],
  [9, 'IP_PKTOPTIONS', 'r', 'control messages', 'Streams: nothing.'],
  [10, 'IP_MTU_DISCOVER', 'rw', 'int, IP_PMTUDISC_', 'Whether DF is set, and whose MTU counts.'],
  [11, 'IP_RECVERR', 'rw', FLAG, 'Errors wait in the error queue (MSG_ERRQUEUE).'],
  [12, 'IP_RECVTTL', 'rw', FLAG, 'recvmsg tells the TTL.'],
  [13, 'IP_RECVTOS', 'rw', FLAG, 'recvmsg tells the TOS.'],
  [14, 'IP_MTU', 'r', 'int, bytes', 'Of the path of a connected socket (ENOTCONN), at most 65535.'],
  [15, 'IP_FREEBIND', 'rw', FLAG, 'May bind to an address that is not (yet) the host’s.'],
  [16, 'IP_IPSEC_POLICY', '-', 'EOPNOTSUPP', NO_IPSEC],
  [17, 'IP_XFRM_POLICY', '-', 'EINVAL', NO_IPSEC],
  [18, 'IP_PASSSEC', 'rw', FLAG, 'Kept; no security module gives out labels.'],
  [19, 'IP_TRANSPARENT', 'r', 'int', '0. To set it is ENOPROTOOPT: connections of others are not led to a proxy.'],
  [20, 'IP_ORIGDSTADDR', 'rw', FLAG, 'recvmsg tells the destination and its port.'],
  [21, 'IP_MINTTL', 'rw', 'int or byte, 0 to 255', 'TCP drops segments of a connection with less (RFC 5082).'],
  [22, 'IP_NODEFRAG', 'r', 'int', '0. To set it is ENOPROTOOPT: nothing puts fragments together on the way out.'],
  [23, 'IP_CHECKSUM', 'rw', FLAG, 'recvmsg tells a checksum that a device has computed: none does.'],
  [24, 'IP_BIND_ADDRESS_NO_PORT', 'rw', FLAG, 'bind to port 0 leaves the port to connect.'],
  [25, 'IP_RECVFRAGSIZE', 'r', 'int', '0. To set it is ENOPROTOOPT: reassembly does not keep the size of the fragments. Streams: EINVAL.'],
  [26, 'IP_RECVERR_RFC4884', 'r', 'int', '0. To set it is ENOPROTOOPT: extensions of ICMP messages are not read.'],
  [32, 'IP_MULTICAST_IF', 'rw', `struct in_addr, ${PREQ}; read: struct in_addr`, 'By which interface, and from which address.'],
  [33, 'IP_MULTICAST_TTL', 'rw', 'int or byte, 0 to 255; -1: 1', 'Of multicasts; with 0 they stay on the host. Streams: EINVAL.'],
  [34, 'IP_MULTICAST_LOOP', 'rw', 'int or byte, 0 or 1', 'This host hears the multicasts it sends; 1 at first.'],
  [35, 'IP_ADD_MEMBERSHIP', 'w', PREQ, 'Joins a group. EADDRINUSE, ENODEV, ENOBUFS beyond net.ipv4.igmp_max_memberships; streams: EPROTO.'],
  [36, 'IP_DROP_MEMBERSHIP', 'w', PREQ, 'Leaves a group (EADDRNOTAVAIL).'],
  [37, 'IP_UNBLOCK_SOURCE', 'w', 'struct ip_mreq_source', 'Hears a source again.'],
  [38, 'IP_BLOCK_SOURCE', 'w', 'struct ip_mreq_source', 'Hears a source of a group no more.'],
  [39, 'IP_ADD_SOURCE_MEMBERSHIP', 'w', 'struct ip_mreq_source', 'Joins a group to hear this source, and others added so.'],
  [40, 'IP_DROP_SOURCE_MEMBERSHIP', 'w', 'struct ip_mreq_source', 'Takes that back; without a source left it leaves.'],
  [41, 'IP_MSFILTER', 'rw', 'struct ip_msfilter', 'Mode and sources at once (RFC 3678).'],
  [42, 'MCAST_JOIN_GROUP', 'w', 'struct group_req', 'As IP_ADD_MEMBERSHIP, by index.'],
  [43, 'MCAST_BLOCK_SOURCE', 'w', 'struct group_source_req', 'As IP_BLOCK_SOURCE.'],
  [44, 'MCAST_UNBLOCK_SOURCE', 'w', 'struct group_source_req', 'As IP_UNBLOCK_SOURCE.'],
  [45, 'MCAST_LEAVE_GROUP', 'w', 'struct group_req', 'As IP_DROP_MEMBERSHIP.'],
  [46, 'MCAST_JOIN_SOURCE_GROUP', 'w', 'struct group_source_req', 'As IP_ADD_SOURCE_MEMBERSHIP.'],
  [47, 'MCAST_LEAVE_SOURCE_GROUP', 'w', 'struct group_source_req', 'As IP_DROP_SOURCE_MEMBERSHIP.'],
  [48, 'MCAST_MSFILTER', 'rw', 'struct group_filter', 'As IP_MSFILTER.'],
  [49, 'IP_MULTICAST_ALL', 'rw', 'int or byte, 0 or 1', 'Hears groups that only other sockets joined; 1 at first.'],
  [50, 'IP_UNICAST_IF', 'rw', 'index in network order', 'By which interface unicasts leave.'],
  [51, 'IP_LOCAL_PORT_RANGE', 'rw', 'u32: low and high', 'Cuts the range that free ports are taken from.'],
  [52, 'IP_PROTOCOL', 'r', 'int', 'Of a raw socket its protocol, of others the port.'],
]

// biome-ignore format: a line each
const TCP: readonly Row[] = [
  [1, 'TCP_NODELAY', 'rw', FLAG, 'Nagle’s algorithm off.'],
  [2, 'TCP_MAXSEG', 'rw', 'int, 88 to 32767; 0', 'Largest segment, before the connection; then what it is.'],
  [3, 'TCP_CORK', 'rw', FLAG, 'Only full segments, for 200 ms.'],
  [4, 'TCP_KEEPIDLE', 'rw', 'int, 1 to 32767 s', 'Silence before the first probe.'],
  [5, 'TCP_KEEPINTVL', 'rw', 'int, 1 to 32767 s', 'Between probes.'],
  [6, 'TCP_KEEPCNT', 'rw', 'int, 1 to 127', 'Probes without answer.'],
  [7, 'TCP_SYNCNT', 'rw', 'int, 1 to 127', 'Retransmissions of the SYN.'],
  [8, 'TCP_LINGER2', 'rw', 'int, up to 120 s; -1: none', 'Life of FIN-WAIT-2 without a program.'],
  [9, 'TCP_DEFER_ACCEPT', 'rw', 'int, s', 'accept waits for data; kept in retransmissions of the SYN-ACK.'],
  [10, 'TCP_WINDOW_CLAMP', 'rw', 'int, bytes; at least 1152', 'Largest window.'],
  [11, 'TCP_INFO', 'r', 'struct tcp_info', 'State, timers, counts.'],
  [12, 'TCP_QUICKACK', 'rw', FLAG, 'Acknowledges at once, for the time being.'],
  [13, 'TCP_CONGESTION', 'rw', 'name', 'Congestion control (ENOENT).'],
  [14, 'TCP_MD5SIG', 'w', 'struct tcp_md5sig', 'A key for a peer: segments are signed (RFC 2385).'],
  [16, 'TCP_THIN_LINEAR_TIMEOUTS', 'r', 'int', '0. To set it is ENOPROTOOPT: timeouts always double.'],
  [17, 'TCP_THIN_DUPACK', 'rw', FLAG, 'Without effect since Linux 4.11; reads 0.'],
  [18, 'TCP_USER_TIMEOUT', 'rw', 'int >= 0, ms', 'Unacknowledged data for so long end the connection.'],
  [19, 'TCP_REPAIR', 'r', 'int', `0. To set it is ENOPROTOOPT. ${NO_REPAIR}`],
  [20, 'TCP_REPAIR_QUEUE', '-', 'ENOPROTOOPT', NO_REPAIR],
  [21, 'TCP_QUEUE_SEQ', '-', 'ENOPROTOOPT', NO_REPAIR],
  [22, 'TCP_REPAIR_OPTIONS', '-', 'ENOPROTOOPT', NO_REPAIR],
  [23, 'TCP_FASTOPEN', 'rw', 'int >= 0', 'Listener: data of the SYN are taken; so many at a time.'],
  [24, 'TCP_TIMESTAMP', 'r', 'int', 'The time stamp a segment would carry now. To set it is EPERM without TCP_REPAIR.'],
  [25, 'TCP_NOTSENT_LOWAT', 'rw', 'u32, bytes', 'Writable while less is unsent.'],
  [26, 'TCP_CC_INFO', 'r', 'bytes', 'What the congestion control tells: struct tcp_bbr_info of bbr, of others nothing.'],
  [27, 'TCP_SAVE_SYN', 'rw', 'int, 0 to 2', 'Of a listener: keep the headers of the SYN for each connection, from IP (1) or the link layer (2) on.'],
  [28, 'TCP_SAVED_SYN', 'r', 'bytes', 'The headers kept, once.'],
  [29, 'TCP_REPAIR_WINDOW', '-', 'ENOPROTOOPT', NO_REPAIR],
  [30, 'TCP_FASTOPEN_CONNECT', 'rw', FLAG, 'connect waits for the first write, which goes with the SYN.'],
  [31, 'TCP_ULP', 'r', 'name', 'Nothing. To set it is ENOENT: there are no protocols above TCP to be put in.'],
  [32, 'TCP_MD5SIG_EXT', 'w', 'struct tcp_md5sig', 'As TCP_MD5SIG, for a network.'],
  [33, 'TCP_FASTOPEN_KEY', 'rw', '16 or 32 bytes', 'Key of the cookies.'],
  [34, 'TCP_FASTOPEN_NO_COOKIE', 'rw', FLAG, 'Data with the SYN without a cookie.'],
  [35, 'TCP_ZEROCOPY_RECEIVE', '-', 'ENOPROTOOPT', 'A program’s memory cannot be mapped.'],
  [36, 'TCP_INQ', 'rw', FLAG, 'recvmsg tells how much is left.'],
  [37, 'TCP_TX_DELAY', 'r', 'int', '0. To set it is ENOPROTOOPT: delay belongs to the links here.'],
  [38, 'TCP_AO_ADD_KEY', '-', 'ENOPROTOOPT', 'No RFC 5925, as in a kernel built without it.'],
  [39, 'TCP_AO_DEL_KEY', '-', 'ENOPROTOOPT', 'No RFC 5925, as in a kernel built without it.'],
  [40, 'TCP_AO_INFO', '-', 'ENOPROTOOPT', 'No RFC 5925, as in a kernel built without it.'],
  [41, 'TCP_AO_GET_KEYS', '-', 'ENOPROTOOPT', 'No RFC 5925, as in a kernel built without it.'],
  [42, 'TCP_AO_REPAIR', '-', 'ENOPROTOOPT', 'No RFC 5925, as in a kernel built without it.'],
  [43, 'TCP_IS_MPTCP', 'r', 'int', '0: it is not.'],
  [44, 'TCP_RTO_MAX_MS', 'rw', 'int, ms', 'Longest retransmission timeout, 1000..120000.'],
  [45, 'TCP_RTO_MIN_US', 'rw', 'int, us', 'Shortest retransmission timeout, 2000..200000, in ticks of a millisecond.'],
  [46, 'TCP_DELACK_MAX_US', 'rw', 'int, us', 'Longest delay of an acknowledgement, 2000..200000, in ticks of a millisecond.'],
]

// biome-ignore format: a line each
const UDP: readonly Row[] = [
  [1, 'UDP_CORK', 'rw', FLAG, 'Several calls make one datagram.'],
  [100, 'UDP_ENCAP', 'rw', 'int, 0', 'Anything but 0 is ENOPROTOOPT: there is no IPsec whose packets could be taken out.'],
  [101, 'UDP_NO_CHECK6_TX', 'rw', FLAG, 'Means something to sockets of AF_INET6 only; others keep it.'],
  [102, 'UDP_NO_CHECK6_RX', 'rw', FLAG, 'Means something to sockets of AF_INET6 only; others keep it.'],
  [103, 'UDP_SEGMENT', 'rw', 'int, 0 to 65535 bytes', 'One call makes several datagrams of so many bytes.'],
  [104, 'UDP_GRO', 'rw', FLAG, 'Datagrams of a flow are received as one.'],
]

const entries = (level: number, rows: readonly Row[]): OptionEntry[] =>
  rows.map(([number, name, access, value, doc]) => ({ level, number, name, access, value, doc }))

/** Every option, by level and number. */
export const OPTIONS: readonly OptionEntry[] = [
  ...entries(SOL_SOCKET, SOCKET),
  ...entries(IPPROTO_IP, IP),
  ...entries(IPPROTO_TCP, TCP),
  ...entries(IPPROTO_UDP, UDP),
]
