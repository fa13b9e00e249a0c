/** Numbers of netlink with Linux's values (netlink(7), rtnetlink(7), linux/netlink.h, rtnetlink.h, if_link.h, if_addr.h, neighbour.h). */

// Protocols.
export const NETLINK_ROUTE = 0
export const NETLINK_SOCK_DIAG = 4

// Options of SOL_NETLINK.
export const SOL_NETLINK = 270
export const NETLINK_ADD_MEMBERSHIP = 1
export const NETLINK_DROP_MEMBERSHIP = 2
export const NETLINK_PKTINFO = 3
export const NETLINK_BROADCAST_ERROR = 4
export const NETLINK_NO_ENOBUFS = 5
export const NETLINK_LISTEN_ALL_NSID = 8
export const NETLINK_LIST_MEMBERSHIPS = 9
export const NETLINK_CAP_ACK = 10
export const NETLINK_EXT_ACK = 11
export const NETLINK_GET_STRICT_CHK = 12

// struct nlmsghdr: its length, flags, and types that are not a protocol's.
export const NLMSG_HDRLEN = 16
export const NLM_F_REQUEST = 0x01
export const NLM_F_MULTI = 0x02
export const NLM_F_ACK = 0x04
export const NLM_F_DUMP_FILTERED = 0x20
export const NLM_F_ROOT = 0x100
export const NLM_F_MATCH = 0x200
export const NLM_F_DUMP = 0x300
export const NLM_F_REPLACE = 0x100
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400
export const NLM_F_APPEND = 0x800
export const NLM_F_CAPPED = 0x100
export const NLMSG_NOOP = 1
export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3
export const NLMSG_MIN_TYPE = 0x10

// Types of NETLINK_ROUTE.
export const RTM_NEWLINK = 16
export const RTM_DELLINK = 17
export const RTM_GETLINK = 18
export const RTM_SETLINK = 19
export const RTM_NEWADDR = 20
export const RTM_DELADDR = 21
export const RTM_GETADDR = 22
export const RTM_NEWROUTE = 24
export const RTM_DELROUTE = 25
export const RTM_GETROUTE = 26
export const RTM_NEWNEIGH = 28
export const RTM_DELNEIGH = 29
export const RTM_GETNEIGH = 30
export const RTM_NEWRULE = 32
export const RTM_GETRULE = 34

// Sizes of the structs that follow the header: ifinfomsg, ifaddrmsg, rtmsg, ndmsg, fib_rule_hdr.
export const SIZEOF_IFINFOMSG = 16
export const SIZEOF_IFADDRMSG = 8
export const SIZEOF_RTMSG = 12
export const SIZEOF_NDMSG = 12
export const SIZEOF_FIB_RULE_HDR = 12

// Groups, by number; a mask has bit number - 1.
export const RTNLGRP_LINK = 1
export const RTNLGRP_NEIGH = 3
export const RTNLGRP_IPV4_IFADDR = 5
export const RTNLGRP_IPV4_ROUTE = 7

// Attributes of links (struct ifinfomsg).
export const IFLA_ADDRESS = 1
export const IFLA_BROADCAST = 2
export const IFLA_IFNAME = 3
export const IFLA_MTU = 4
export const IFLA_QDISC = 6
export const IFLA_STATS = 7
export const IFLA_TXQLEN = 13
export const IFLA_MAP = 14
export const IFLA_OPERSTATE = 16
export const IFLA_LINKMODE = 17
export const IFLA_STATS64 = 23
export const IFLA_GROUP = 27
export const IFLA_PROMISCUITY = 30
export const IFLA_NUM_TX_QUEUES = 31
export const IFLA_NUM_RX_QUEUES = 32
export const IFLA_CARRIER = 33
export const IFLA_PROTO_DOWN = 39
export const IFLA_GSO_MAX_SEGS = 40
export const IFLA_GSO_MAX_SIZE = 41
export const IFLA_MIN_MTU = 50
export const IFLA_MAX_MTU = 51
export const IFLA_ALLMULTI = 61

// Attributes of addresses (struct ifaddrmsg), and flags.
export const IFA_ADDRESS = 1
export const IFA_LOCAL = 2
export const IFA_LABEL = 3
export const IFA_BROADCAST = 4
export const IFA_CACHEINFO = 6
export const IFA_FLAGS = 8
export const IFA_F_SECONDARY = 0x01
export const IFA_F_PERMANENT = 0x80

// Attributes of routes (struct rtmsg), metrics, and flags.
export const RTA_DST = 1
export const RTA_SRC = 2
export const RTA_OIF = 4
export const RTA_GATEWAY = 5
export const RTA_PRIORITY = 6
export const RTA_PREFSRC = 7
export const RTA_METRICS = 8
export const RTA_MULTIPATH = 9
export const RTA_CACHEINFO = 12
export const RTA_TABLE = 15
export const RTA_UID = 25
export const RTAX_LOCK = 1
export const RTAX_MTU = 2
export const RTAX_ADVMSS = 8
export const RTAX_INITCWND = 11
export const RTM_F_CLONED = 0x200
export const RTCF_LOCAL = 0x80000000
export const RTNH_F_LINKDOWN = 16

// Attributes of neighbours (struct ndmsg).
export const NDA_DST = 1
export const NDA_LLADDR = 2
export const NDA_CACHEINFO = 3
export const NDA_PROBES = 4

// Attributes of rules (struct fib_rule_hdr).
export const FRA_PRIORITY = 6
export const FRA_SUPPRESS_PREFIXLEN = 14
export const FRA_TABLE = 15
export const FRA_PROTOCOL = 21

// NETLINK_SOCK_DIAG (sock_diag(7), linux/sock_diag.h, inet_diag.h).
export const SOCK_DIAG_BY_FAMILY = 20
export const INET_DIAG_TOS = 5
export const INET_DIAG_SHUTDOWN = 8
export const INET_DIAG_MARK = 15
