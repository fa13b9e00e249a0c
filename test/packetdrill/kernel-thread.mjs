/** Starts kernel-thread.ts: a worker does not have the loader of the thread that made it. */
import { register } from 'tsx/esm/api'

register()
await import('./kernel-thread.ts')
