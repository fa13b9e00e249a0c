/** Chance from the platform: a generator seeded by its cryptographic source (W3C Web Crypto §10.1.1). */
import { Random } from '../sys/random.ts'

/** A `Random` whose sequence nobody can foresee: for hosts on real networks. */
export function platformRandom(): Random {
  const seed = new Int32Array(8)
  globalThis.crypto.getRandomValues(seed)
  return new Random(...seed)
}
