/** Times of system calls: what C has as struct timespec and struct timeval, and their microseconds. */

import type { Micros } from '../sys/clock.ts'
import { EINVAL } from '../sys/errno.ts'

/** struct timespec. */
export interface TimeSpec {
  sec: number
  nsec: number
}

/** struct timeval. */
export interface TimeVal {
  sec: number
  usec: number
}

/** struct itimerspec. */
export interface ITimerSpec {
  interval: TimeSpec
  value: TimeSpec
}

/** struct itimerval. */
export interface ITimerVal {
  interval: TimeVal
  value: TimeVal
}

/** Microseconds of a timespec, rounded up; -EINVAL for one that is none (timespec64_valid). */
export function specMicros({ sec, nsec }: TimeSpec): Micros {
  if (!(sec >= 0 && nsec >= 0 && nsec < 1e9)) return -EINVAL
  return Math.trunc(sec) * 1e6 + Math.ceil(nsec / 1000)
}

/** Microseconds of a timeval; more than a second of microseconds is fine (kern_select), negative ones are -EINVAL. */
export function valMicros({ sec, usec }: TimeVal): Micros {
  if (!(sec >= 0 && usec >= 0)) return -EINVAL
  return Math.trunc(sec) * 1e6 + Math.trunc(usec)
}

export function toSpec(micros: Micros): TimeSpec {
  const sec = Math.floor(micros / 1e6)
  return { sec, nsec: Math.round(micros - sec * 1e6) * 1000 }
}

export function toVal(micros: Micros): TimeVal {
  const { sec, nsec } = toSpec(micros)
  return { sec, usec: nsec / 1000 }
}
