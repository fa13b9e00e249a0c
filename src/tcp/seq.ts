/** Sequence-number arithmetic modulo 2^32, RFC 9293 §3.4. A Seq is an int32: print it with `>>> 0`. */
export type Seq = number

/** a + n, modulo 2^32. */
export const add = (a: Seq, n: number): Seq => (a + n) | 0
/** Signed distance a - b; meaningful while |a - b| < 2^31. */
export const diff = (a: Seq, b: Seq): number => (a - b) | 0
/** a comes before b. */
export const before = (a: Seq, b: Seq): boolean => ((a - b) | 0) < 0
/** a comes after b. */
export const after = (a: Seq, b: Seq): boolean => ((b - a) | 0) < 0
/** low <= s <= high. */
export const between = (s: Seq, low: Seq, high: Seq): boolean => (high - low) >>> 0 >= (s - low) >>> 0
/** The later of two. */
export const max = (a: Seq, b: Seq): Seq => (((a - b) | 0) < 0 ? b : a)
