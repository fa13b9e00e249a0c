/**
 * The shared memory of threads. One board for all threads of a gate says who has posted something; one area for each thread
 * holds its call in words, what the call carries in bytes, and the leases of its sockets.
 *
 * Every word is written by `Atomics`, so that what was written before it is seen after it (ECMAScript, memory model).
 */

/**
 * Words of the board. How often the gate has gone to sleep or woken up: odd while it sleeps, and then each thread that posts
 * something kicks it once. No thread relies on another's kick, which may die before it has sent it. Then one bit a thread that has
 * posted something.
 */
export const BOARD_PARKED = 0
export const BOARD_POSTED = 1

/** Words of an area. What a call says: its number, descriptor, flags, and how many bytes are in the data. */
export const AREA_STATE = 0
export const AREA_CALL = 1
export const AREA_FD = 2
export const AREA_FLAGS = 3
export const AREA_LENGTH = 4
/** The answer: a result or -errno. What else there is to say is in the data. */
export const AREA_RESULT = 5
/** Signal handlers that the thread has to run. */
export const AREA_SIGNALS = 6
/** Beginning of the leases: `LEASES` of `LEASE_WORDS` each. */
const AREA_LEASES = 16
const AREA_WORDS = 64

/** Values of AREA_STATE. POSTED becomes ASLEEP when the thread stops spinning; an answer to that must wake it. */
export const IDLE = 0
export const POSTED = 1
export const ASLEEP = 2
export const DONE = 3

/** Numbers of the calls that carry nothing but words and bytes; all others are `CALL_NAMED` plus their place in a list. */
export const CALL_READ = 0
export const CALL_WRITE = 1
export const CALL_RECV = 2
export const CALL_SEND = 3
export const CALL_NAMED = 16

/** How a call by name ended: the answer holds its value and its arguments, or what the error says. */
export const ENDED_WELL = 0
export const ENDED_SYSTEM_ERROR = 1
export const ENDED_TYPE_ERROR = 2
export const ENDED_RANGE_ERROR = 3
export const ENDED_ERROR = 4

/** Leases of a thread: descriptor `fd` has place `fd & (LEASES - 1)`. */
export const LEASES = 4
export const LEASE_WORDS = 8
/** Words of a lease: its descriptor or -1; bytes that may be sent without asking; bytes mirrored for reading. */
export const LEASE_FD = 0
export const LEASE_ROOM = 1
export const LEASE_MIRRORED = 2
/** Bytes posted, and bytes read, with `RECALLED` when the lease is over: only ever changed by compare and exchange. */
export const LEASE_SENT = 3
export const LEASE_TAKEN = 4
export const RECALLED: number = 1 << 31
/** Bytes for sending and bytes for reading of one lease. */
export const LEASE_BYTES = 32768

/** Bytes before each message posted: its length. */
export const POST_HEADER = 4
/** Bytes that a posted message of `length` takes. */
export const postSize = (length: number): number => (POST_HEADER + length + 3) & ~3

/** Bytes of data unless asked for otherwise: the largest datagram of AF_UNIX fits with Linux's default limits. */
export const DATA_BYTES: number = 256 * 1024

/** Bytes that the threads of a process share unless asked for otherwise. */
export const MEMORY_BYTES = 65536

/** Bytes of data of the calls that signal handlers make. */
export const FRAME_BYTES = 65536

/** Most threads of a gate. */
export const MAX_THREADS = 1024

/** Memory for `words` numbers in shared memory. */
export const sharedWords = (words: number): Int32Array => new Int32Array(new SharedArrayBuffer(4 * words))

/** A new board. */
export const makeBoard = (): Int32Array => sharedWords(BOARD_POSTED + MAX_THREADS / 32)

/** One thread's shared memory. */
export class Area {
  readonly buffer: SharedArrayBuffer
  readonly words: Int32Array
  readonly data: Uint8Array
  /** The bytes of its leases: of each, first those to be sent, then those to be read. */
  readonly leased: Uint8Array
  readonly #parts: (Uint8Array | null)[] = [null, null]

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer
    this.words = new Int32Array(buffer, 0, AREA_WORDS)
    this.leased = new Uint8Array(buffer, 4 * AREA_WORDS, 2 * LEASES * LEASE_BYTES)
    this.data = new Uint8Array(buffer, 4 * AREA_WORDS + this.leased.length)
  }

  static make(dataBytes: number): Area {
    return new Area(new SharedArrayBuffer(4 * AREA_WORDS + 2 * LEASES * LEASE_BYTES + dataBytes))
  }

  /** The first `length` bytes of data: the same view again while the length is the same. */
  part(length: number): Uint8Array {
    const last = this.#parts[0]
    if (last?.length === length) return last
    const part = this.data.subarray(0, length)
    this.#parts[0] = part
    return part
  }
}

/** Index of word `word` of lease `lease` in the words of an area. */
export const leaseWord = (lease: number, word: number): number => AREA_LEASES + lease * LEASE_WORDS + word
