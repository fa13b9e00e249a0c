/** What a device is to programs: hardware types and flags with Linux's values (linux/if_arp.h, linux/if.h). */

/** Room for a name of a device with its terminating zero. */
export const IFNAMSIZ = 16

export const ARPHRD_ETHER = 1
export const ARPHRD_LOOPBACK = 772
/** No link-layer header and no address (tun). */
export const ARPHRD_NONE = 0xfffe

export const IFF_UP = 0x1
export const IFF_BROADCAST = 0x2
export const IFF_LOOPBACK = 0x8
export const IFF_POINTOPOINT = 0x10
export const IFF_RUNNING = 0x40
export const IFF_NOARP = 0x80
export const IFF_PROMISC = 0x100
export const IFF_ALLMULTI = 0x200
export const IFF_MULTICAST = 0x1000
export const IFF_LOWER_UP = 0x10000
