/** The Internet checksum the slow and obvious way: RFC 1071 §4.1, one 16-bit word at a time, carries added at once. */
export function slowSum(bytes: Uint8Array, start: number = 0): number {
  let sum = start
  for (let i = 0; i < bytes.length; i += 2) {
    sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)
    if (sum > 0xffff) sum -= 0xffff
  }
  return sum
}
