/** Colours and widths of a terminal: escape codes on a TTY that wants them, plain text everywhere else. */

export type Paint = (text: string) => string

/** SGR codes of ECMA-48 §8.3.117 as functions; all do nothing when colour is off. */
export interface Palette {
  readonly bold: Paint
  readonly dim: Paint
  readonly red: Paint
  readonly green: Paint
  readonly yellow: Paint
  readonly blue: Paint
  readonly magenta: Paint
  readonly cyan: Paint
}

/** A palette; `colour` as from `wantsColour`. */
export function palette(colour: boolean): Palette {
  const sgr = (on: number, off: number): Paint =>
    colour ? (text) => (text === '' ? '' : `\x1b[${on}m${text}\x1b[${off}m`) : (text) => text
  return {
    bold: sgr(1, 22),
    dim: sgr(2, 22),
    red: sgr(31, 39),
    green: sgr(32, 39),
    yellow: sgr(33, 39),
    blue: sgr(34, 39),
    magenta: sgr(35, 39),
    cyan: sgr(36, 39),
  }
}

/** True if `stream` is a terminal and NO_COLOR (no-color.org) is not set to anything. */
export function wantsColour(stream: { readonly isTTY?: boolean }, environment: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && (environment.NO_COLOR ?? '') === '' && environment.TERM !== 'dumb'
}

/** Characters of `text` that take a place on the screen: without escape codes. */
export function width(text: string): number {
  return stripped(text).length
}

/** `text` without escape codes. */
export function stripped(text: string): string {
  let out = ''
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) === 0x1b) {
      while (i < text.length && text[i] !== 'm') i++
    } else out += text[i] as string
  }
  return out
}

/** `text` filled up with spaces to `columns`. */
export function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - width(text)))
}

/** Rows as columns that line up; the first row is the heading. */
export function table(rows: readonly (readonly string[])[], gap = 2): string[] {
  const columns = rows.reduce((most, row) => Math.max(most, row.length), 0)
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map((row) => width(row[i] ?? ''))))
  return rows.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : pad(cell, (widths[i] as number) + gap)))
      .join('')
      .trimEnd(),
  )
}
