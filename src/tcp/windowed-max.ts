/** The maximum of the last so many rounds, by three samples (Kathleen Nichols' filter, lib/win_minmax.c). */
export class WindowedMax {
  readonly #time: [number, number, number] = [0, 0, 0]
  readonly #value: [number, number, number] = [0, 0, 0]

  get value(): number {
    return this.#value[0]
  }

  reset(time: number, value: number): number {
    this.#time.fill(time)
    this.#value.fill(value)
    return value
  }

  /** Takes in `value` at `time`; the maximum of the `window` before. */
  add(window: number, time: number, value: number): number {
    const t = this.#time
    const v = this.#value
    // A new maximum, or nothing left in the window: forget all before.
    if (value >= v[0] || time - t[2] > window) return this.reset(time, value)
    if (value >= v[1]) {
      v[2] = v[1] = value
      t[2] = t[1] = time
    } else if (value >= v[2]) {
      v[2] = value
      t[2] = time
    }
    return this.#age(window, time, value)
  }

  /** The best leaves the window in time, and the others are of its second and last quarter (minmax_subwin_update). */
  #age(window: number, time: number, value: number): number {
    const t = this.#time
    const v = this.#value
    const age = time - t[0]
    if (age > window) {
      this.#shift(time, value)
      if (time - t[0] > window) this.#shift(time, value)
    } else if (t[1] === t[0] && age > window / 4) {
      v[2] = v[1] = value
      t[2] = t[1] = time
    } else if (t[2] === t[1] && age > window / 2) {
      v[2] = value
      t[2] = time
    }
    return v[0]
  }

  #shift(time: number, value: number): void {
    const t = this.#time
    const v = this.#value
    t[0] = t[1]
    v[0] = v[1]
    t[1] = t[2]
    v[1] = v[2]
    t[2] = time
    v[2] = value
  }
}
