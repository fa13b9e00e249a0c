/** The demo's output: time, the states of both ends, what happened; in columns. */
import type { Host } from '../host/host.ts'
import { TCP_LISTEN } from '../sock/sock.ts'
import { DissectContext, line } from '../wire/dissect.ts'
import { FIN, SYN } from '../wire/tcp.ts'
import { endSeq, flags, isTcp, payloadLength } from './demo-packets.ts'
import { type Paint, type Palette, pad } from './terminal.ts'

const TIME = 11
const STATE = 13
const ARROW = 3

/** One end of the connection, as last shown. */
class End {
  readonly host: Host
  readonly paint: Paint
  shown = 'CLOSED'
  /** The sequence number after the last sent, once there is one. */
  sentTo: number | undefined

  constructor(host: Host, paint: Paint) {
    this.host = host
    this.paint = paint
  }

  /** The connection's state, or the listener's while there is none. */
  get state(): string {
    const rows = this.host.sockets()
    const row = rows.find((r) => r.state !== TCP_LISTEN) ?? rows[0]
    const name = row?.stateName ?? 'CLOSED'
    return name === 'ESTAB' ? 'ESTABLISHED' : name
  }
}

export class Screen {
  readonly #style: Palette
  readonly #write: (text: string) => void
  readonly #context: DissectContext = new DissectContext()
  #ends: readonly End[] = []
  #pending = false

  constructor(style: Palette, write: (text: string) => void) {
    this.#style = style
    this.#write = write
  }

  #line(text = ''): void {
    this.#write(`${text.trimEnd()}\n`)
  }

  open(client: Host, server: Host, delay: string): void {
    const { bold, dim, cyan, magenta } = this.#style
    this.#ends = [new End(client, cyan), new End(server, magenta)]
    const place = ({ host, paint }: End): string => {
      const eth0 = host.stack.interface('eth0')
      return `${paint(host.name)} ${dim(addressOf(eth0?.addresses[0]?.address ?? 0))}`
    }
    const [a, b] = this.#ends as [End, End]
    this.#line(bold('sockeye demo'))
    this.#line(`${place(a)} ${dim('──────')} switch ${dim('──────')} ${place(b)}   ${dim(`${delay}, virtual time`)}`)
    this.#line()
    const heading = `${pad('time', TIME)}${pad('client', STATE)}${pad('server', STATE)}${' '.repeat(ARROW)}packet`
    this.#line(bold(heading))
  }

  /** A state changed; the next packet of this instant shows it, or `flush` does. */
  changed(): void {
    this.#pending = true
  }

  /** Shows a change of state that no packet came of. */
  flush(now: number): void {
    if (!this.#pending) return
    this.#pending = false
    const states = this.#states()
    if (states.changed) this.#line(`${this.#time(now)}${states.text}`)
  }

  /** A packet that `host` sends, with what it means. */
  packet(now: number, host: Host, bytes: Uint8Array, lost: boolean): void {
    this.#pending = false
    const { red, yellow, bold } = this.#style
    const end = this.#ends.find((e) => e.host === host) as End
    const isClient = end === this.#ends[0]
    const again = this.#isAgain(end, bytes)
    const arrow = end.paint(lost ? (isClient ? '─✗ ' : ' ✗─') : isClient ? '──▶' : '◀──')
    let text = line(bytes, { context: this.#context })
    if (isTcp(bytes) && (flags(bytes) & (SYN | FIN)) !== 0) text = bold(text)
    let mark = ''
    if (lost) mark = red('  ✗ lost')
    else if (again) mark = yellow('  ↻ sent again')
    const tint = lost ? red : again ? yellow : (t: string): string => t
    this.#line(`${this.#time(now)}${this.#states().text}${arrow} ${tint(text)}${mark}`)
  }

  /** Says that nothing happens for a while. */
  pause(text: string): void {
    const { dim } = this.#style
    this.#line(dim(`${pad('⋮', TIME)}${text}`))
  }

  /** What a program wrote. */
  note(now: number, name: string, text: string): void {
    this.flush(now)
    const end = this.#ends.find((e) => e.host.name === name)
    const { dim } = this.#style
    this.#line(`${this.#time(now)}${this.#states().text}${dim(' │ ')} ${end?.paint(name) ?? name}${dim(':')} ${text}`)
  }

  /** The socket tables of the hosts. */
  sockets(when: string, now: number, tables: readonly (readonly [string, string])[]): void {
    const { bold, dim } = this.#style
    this.#line()
    this.#line(`${bold(`sockets ${when}`)} ${dim(`(${(now / 1e6).toFixed(3)} s)`)}`)
    for (const [name, text] of tables) {
      const lines = text.trimEnd().split('\n')
      this.#line(
        `  ${this.#ends.find((e) => e.host.name === name)?.paint(name) ?? name}${dim(lines.length > 1 ? ' $ ss -tanp' : ': none')}`,
      )
      if (lines.length > 1) for (const row of lines) this.#line(`    ${row}`)
    }
    this.#line()
  }

  close(file: string, packets: number, seed: number): void {
    const { bold, dim } = this.#style
    this.#line(
      `${bold(String(packets))} packets in ${bold(file)}   ${dim(`sockeye dump ${file}; Wireshark reads it, too; seed ${seed}`)}`,
    )
  }

  #time(now: number): string {
    return this.#style.dim(pad((now / 1e6).toFixed(6), TIME))
  }

  /** Both states, those that changed since last shown in colour. */
  #states(): { readonly text: string; readonly changed: boolean } {
    let text = ''
    let changed = false
    for (const end of this.#ends) {
      const { state } = end
      const isNew = state !== end.shown
      end.shown = state
      changed ||= isNew
      text += pad(isNew ? this.#style.bold(end.paint(state)) : this.#style.dim(state), STATE)
    }
    return { text, changed }
  }

  /** Were these bytes sent before? */
  #isAgain(end: End, bytes: Uint8Array): boolean {
    if (!isTcp(bytes) || payloadLength(bytes) === 0) return false
    const to = endSeq(bytes)
    if (end.sentTo !== undefined && ((to - end.sentTo) | 0) <= 0) return true
    end.sentTo = to
    return false
  }
}

const addressOf = (address: number): string =>
  `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`
