/** MD5 (RFC 1321), for TCP's signatures (RFC 2385): bytes in pieces, sixteen bytes out. One object serves all digests in turn. */

const SHIFT: readonly number[] = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21]
export const MD5_SIZE = 16
const BLOCK = 64
const LENGTH_AT = 56

/** floor(2^32 |sin(i + 1)|), RFC 1321 §3.4, written out: engines differ in the last bit of a sine. */
const SINES: Int32Array = Int32Array.from(
  (
    'd76aa478e8c7b756242070dbc1bdceeef57c0faf4787c62aa8304613fd469501698098d88b44f7afffff5bb1895cd7be6b901122fd987193' +
    'a679438e49b40821f61e2562c040b340265e5a51e9b6c7aad62f105d02441453d8a1e681e7d3fbc821e1cde6c33707d6f4d50d87455a14ed' +
    'a9e3e905fcefa3f8676f02d98d2a4c8afffa39428771f6816d9d6122fde5380ca4beea444bdecfa9f6bb4b60bebfbc70289b7ec6eaa127fa' +
    'd4ef308504881d05d9d4d039e6db99e51fa27cf8c4ac5665f4292244432aff97ab9423a7fc93a039655b59c38f0ccc92ffeff47d85845dd1' +
    '6fa87e4ffe2ce6e0a30143144e0811a1f7537e82bd3af2352ad7d2bbeb86d391'
  )
    .match(/.{8}/g)
    ?.map((word) => Number.parseInt(word, 16)) ?? [],
)

export class Md5 {
  readonly #state: Int32Array = new Int32Array(4)
  readonly #block: Uint8Array = new Uint8Array(BLOCK)
  readonly #words: Int32Array = new Int32Array(16)
  #length = 0

  begin(): void {
    this.#state.set([0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476])
    this.#length = 0
  }

  update(bytes: Uint8Array, offset: number, length: number): void {
    let at = this.#length % BLOCK
    this.#length += length
    for (const end = offset + length; offset < end; ) {
      const part = Math.min(BLOCK - at, end - offset)
      this.#block.set(bytes.subarray(offset, offset + part), at)
      offset += part
      at += part
      if (at < BLOCK) return
      this.#compress()
      at = 0
    }
  }

  /** Ends the message; the digest goes to `into`. */
  digest(into: Uint8Array, offset: number): void {
    const bits = this.#length * 8
    let at = this.#length % BLOCK
    const block = this.#block
    block[at++] = 0x80
    block.fill(0, at)
    if (at > LENGTH_AT) {
      this.#compress()
      block.fill(0)
    }
    for (let i = 0; i < 8; i++)
      block[LENGTH_AT + i] = (i < 4 ? bits >>> (8 * i) : (bits / 2 ** 32) >>> (8 * i - 32)) & 0xff
    this.#compress()
    for (let i = 0; i < MD5_SIZE; i++) into[offset + i] = ((this.#state[i >> 2] as number) >>> (8 * (i & 3))) & 0xff
  }

  #compress(): void {
    const b = this.#block
    const x = this.#words
    for (let i = 0; i < 16; i++) {
      const o = 4 * i
      x[i] =
        (b[o] as number) | ((b[o + 1] as number) << 8) | ((b[o + 2] as number) << 16) | ((b[o + 3] as number) << 24)
    }
    let [a, c, d, e] = this.#state as unknown as [number, number, number, number]
    for (let i = 0; i < 64; i++) {
      const round = i >> 4
      let f: number
      let g: number
      if (round === 0) {
        f = (c & d) | (~c & e)
        g = i
      } else if (round === 1) {
        f = (e & c) | (~e & d)
        g = (5 * i + 1) & 15
      } else if (round === 2) {
        f = c ^ d ^ e
        g = (3 * i + 5) & 15
      } else {
        f = d ^ (c | ~e)
        g = (7 * i) & 15
      }
      const sum = (a + f + (SINES[i] as number) + (x[g] as number)) | 0
      const shift = SHIFT[4 * round + (i & 3)] as number
      a = e
      e = d
      d = c
      c = (c + ((sum << shift) | (sum >>> (32 - shift)))) | 0
    }
    const s = this.#state
    s[0] = (s[0] as number) + a
    s[1] = (s[1] as number) + c
    s[2] = (s[2] as number) + d
    s[3] = (s[3] as number) + e
  }
}
