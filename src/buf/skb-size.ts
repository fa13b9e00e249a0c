/**
 * Bytes of Linux 6.18's buffers on 64 bits, rounded up to cache lines. Ours are others, but what they are charged to socket
 * buffers decides what a program sees of SO_RCVBUF and SO_SNDBUF.
 */

/** struct sk_buff. */
export const SKB_SIZE = 256
/** struct skb_shared_info, at the end of every head. */
export const SHARED_INFO = 320
/** A head from the cache for small ones (SKB_SMALL_HEAD_CACHE_SIZE). */
export const SMALL_HEAD = 576
/** Truesize of a buffer with such a head. */
export const SMALL_TRUESIZE: number = SKB_SIZE + SMALL_HEAD
