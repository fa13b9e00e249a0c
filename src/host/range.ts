/** Checks of what a program hands to a call. */

/** TypeError or RangeError unless [offset, offset + length) lies in `bytes`. */
export function checkRange(bytes: Uint8Array, offset: number, length: number): void {
  if (!(bytes instanceof Uint8Array)) throw new TypeError(`bytes: not a Uint8Array: ${String(bytes)}`)
  if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length)) {
    throw new RangeError(`offset and length: ${offset}, ${length} do not lie in ${bytes.length} bytes`)
  }
}
