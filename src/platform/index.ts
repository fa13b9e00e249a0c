/** The './platform' entry: time, chance and turns of the event loop of whatever this runs on. */
export { RealClock, SLICE } from './clock.ts'
export { platformRandom } from './random.ts'
export { macrotask, turn } from './turn.ts'
export { Workers, type WorkersOptions } from './worker.ts'
