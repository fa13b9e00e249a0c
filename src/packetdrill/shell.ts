/** Shell texts of scripts, emulated: sysctls, routes, devices, queueing disciplines and counters of our host (README a.7). */

import { F_TSO } from '../link/link.ts'
import { TCP_LISTEN } from '../sock/sock.ts'
import type { SysctlValue } from '../sys/sysctl.ts'
import { Unsupported } from './values.ts'
import type { World } from './world.ts'

/** What `defaults.sh` sets. */
export const DEFAULTS: Readonly<Record<string, string>> = {
  tcp_rmem: '4096 540000 15728640',
  tcp_wmem: '4096 262144 4194304',
  tcp_timestamps: '1',
  tcp_syn_retries: '5',
  tcp_synack_retries: '5',
  tcp_frto: '2',
  tcp_sack: '1',
  tcp_dsack: '1',
  tcp_reordering: '3',
  tcp_congestion_control: 'cubic',
  tcp_slow_start_after_idle: '0',
  tcp_early_retrans: '4',
  tcp_recovery: '1',
  tcp_tso_win_divisor: '3',
  tcp_ecn: '0',
  tcp_pacing_ss_ratio: '200',
  tcp_pacing_ca_ratio: '120',
  tcp_notsent_lowat: '4294967295',
  tcp_syncookies: '1',
  tcp_fastopen_key: 'a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4',
}

/** The shell of one run: knows what sysctls were before. */
export class Shell {
  readonly #world: World
  readonly #saved: Map<string, SysctlValue> = new Map()
  readonly #counters: Map<string, number> = new Map()

  constructor(world: World) {
    this.#world = world
  }

  /** Runs `text`; its exit status. */
  run(text: string): number {
    let status = 0
    const joined = text
      .replace(/\\\n/g, ' ')
      .replace(/\$\{?PPID\}?/g, '1')
      .replace(/\$\(\(([^)]*(?:\([^)]*\)[^)]*)*)\)\)/g, (_, e: string) => String(arithmetic(e)))
    for (const line of joined.split('\n')) {
      const clean = line.replace(/(^|\s)#.*$/, '').trim()
      if (clean !== '') status = this.#list(clean)
    }
    return status
  }

  /** Commands with ; && || between. */
  #list(line: string): number {
    let status = 0
    let operator = ';'
    for (const part of splitOperators(line)) {
      if (part === ';' || part === '&&' || part === '||') operator = part
      else if (operator === ';' || (operator === '&&' && status === 0) || (operator === '||' && status !== 0))
        status = this.#pipeline(part)
    }
    return status
  }

  #pipeline(text: string): number {
    // A subshell or a group is its list.
    const group = /^[({]\s*([\s\S]*?);?\s*[)}]$/.exec(text)
    if (group !== null) return this.#list(group[1] as string)
    const commands = text.split('|').map((c) => c.replace(/[0-9&]*>+\s*(&\d|[^\s]+)/g, ' ').trim())
    const first = argumentsOf(commands[0] ?? '')
    if (first.length === 0) return 0
    let out = this.#command(first)
    for (const filter of commands.slice(1)) out = filterOutput(argumentsOf(filter), out.text)
    return out.status
  }

  #command(args: readonly string[]): Output {
    const name = (args[0] as string).replace(/^.*\//, '')
    if (name.startsWith('sysctl_restore')) return this.#restore()
    switch (name) {
      case 'defaults.sh':
        return this.#defaults((args[0] as string).includes('common/'))
      case 'set_sysctls.py':
      case 'sysctl':
        return this.#sysctl(args.slice(1))
      case 'ip':
        return this.#ip(args.slice(1))
      case 'ethtool':
        return this.#ethtool(args.slice(1))
      case 'tc':
        return this.#tc(args.slice(1))
      case 'nstat':
        return { status: 0, text: this.#nstat() }
      case 'grep':
        return filterOutput(
          args.filter((a) => !a.startsWith('/proc/')),
          this.#proc(args),
        )
      case 'cat':
        return { status: 0, text: this.#proc(args) }
      case 'dd':
        return this.#dd(args.slice(1))
      case 'rm':
      case 'echo':
      case 'true':
      case 'modprobe':
      case 'sync':
      case 'ls':
      case 'test':
      case '[':
      case 'exit':
      case 'printf':
      case 'sleep':
        return DONE
      case 'false':
        return { status: 1, text: '' }
      default:
        throw new Unsupported(`shell command ${args.join(' ')}`)
    }
  }

  #defaults(isGoogle: boolean): Output {
    for (const [name, value] of Object.entries(DEFAULTS)) this.#set(`net.ipv4.${name}`, value)
    this.#set('net.ipv4.tcp_fastopen', isGoogle ? String(0x70403) : '3')
    this.#world.tcp.metrics.flush()
    this.#world.device.isCongested = false
    return DONE
  }

  /** NAME=VALUE of sysctl(8), or /proc/sys/… of set_sysctls.py; flags -q -w -e -n. */
  #sysctl(args: readonly string[]): Output {
    let isLenient = false
    for (const arg of args) {
      if (/^-[a-z]+$/.test(arg)) {
        if (arg.includes('e')) isLenient = true
        continue
      }
      const at = arg.indexOf('=')
      if (at < 0) continue
      const name = arg
        .slice(0, at)
        .replace(/^\/proc\/sys\//, '')
        .replaceAll('/', '.')
      if (!this.#set(name, arg.slice(at + 1)) && !isLenient) throw new Unsupported(`sysctl ${arg}`)
    }
    return DONE
  }

  #set(name: string, text: string): boolean {
    const { sysctl } = this.#world.stack
    const old = sysctl.get(name)
    if (typeof old === 'symbol') return false
    if (!this.#saved.has(name)) this.#saved.set(name, old)
    const value = /^0x[0-9a-f]+$/i.test(text) ? String(Number(text)) : text
    return sysctl.set(name, value) === 0
  }

  #restore(): Output {
    for (const [name, value] of this.#saved) this.#world.stack.sysctl.set(name, value)
    return DONE
  }

  #ip(args: readonly string[]): Output {
    const words = args.filter((a) => !a.startsWith('-'))
    const [what, action] = words
    if (what === 'tcp_metrics' || what === 'tcpmetrics') {
      this.#world.tcp.metrics.flush()
      return DONE
    }
    const after = (name: string): number | undefined => {
      const at = words.indexOf(name)
      const value = words[at + 1] === 'lock' ? words[at + 2] : words[at + 1]
      return at < 0 || value === undefined ? undefined : Number(value)
    }
    if (what === 'link' && action === 'set') {
      const mtu = after('mtu')
      if (mtu !== undefined) {
        this.#world.stack.interface('tun0')?.setMtu(mtu)
        this.#world.device.currentMtu = mtu
      }
      return DONE
    }
    if (
      (what === 'route' || what === 'ro' || what === 'r') &&
      (action === 'change' || action === 'replace' || action === 'add')
    ) {
      if (words.includes('initrwnd') || words.includes('quickack') || words.includes('features'))
        throw new Unsupported(`ip ${args.join(' ')}`)
      const [advmss, initcwnd, mtu] = [after('advmss'), after('initcwnd'), after('mtu')]
      this.#world.setRoute(mtu ?? 0, {
        ...(advmss === undefined ? {} : { advmss }),
        ...(initcwnd === undefined ? {} : { initcwnd }),
        mtuLocked: words.includes('lock'),
      })
      return DONE
    }
    if (what === 'route' || what === 'addr' || what === 'rule') return DONE
    throw new Unsupported(`ip ${args.join(' ')}`)
  }

  #ethtool(args: readonly string[]): Output {
    const tun = this.#world.stack.interface('tun0')
    if (tun !== undefined && /\b[tg]so off\b/.test(args.join(' '))) tun.features &= ~F_TSO
    return DONE
  }

  #tc(args: readonly string[]): Output {
    const text = args.join(' ')
    if (text.includes('limit 0')) this.#world.device.isCongested = true
    else if (/\b(del|delete)\b/.test(text) || /\b(pfifo|pfifo_fast|fq_codel|noqueue|fq)\b/.test(text))
      this.#world.device.isCongested = false
    this.#world.setPacing(/\bfq\b/.test(text) && !/\b(del|delete)\b/.test(text))
    return DONE
  }

  /** Counters that changed since the last call, as nstat prints them. */
  #nstat(): string {
    let text = '#kernel\n'
    for (const [name, value] of Object.entries(this.#world.stack.counters)) {
      if (typeof value !== 'number') continue
      const change = value - (this.#counters.get(name) ?? 0)
      if (change !== 0) text += `${name.padEnd(32)}${String(change).padEnd(18)}0.0\n`
      this.#counters.set(name, value)
    }
    return text
  }

  /** /proc/net/tcp: enough of it to find a listener. */
  #proc(args: readonly string[]): string {
    if (!args.some((a) => a === '/proc/net/tcp')) return ''
    let text = ''
    for (const t of this.#world.tcp.sockets) {
      const state = t.state.toString(16).toUpperCase().padStart(2, '0')
      const port = t.localPort.toString(16).toUpperCase().padStart(4, '0')
      if (t.state === TCP_LISTEN)
        text += `/proc/net/tcp:   0: 00000000:${port} 00000000:0000 ${state} 00000000:00000000\n`
    }
    return text
  }

  #dd(args: readonly string[]): Output {
    const values = new Map(args.map((a) => a.split('=') as [string, string]))
    this.#world.files.set(values.get('of') ?? '', Number(values.get('bs') ?? 512) * Number(values.get('count') ?? 1))
    return DONE
  }
}

interface Output {
  readonly status: number
  readonly text: string
}
const DONE: Output = { status: 0, text: '' }

/** grep and wc behind a pipe. */
function filterOutput(args: readonly string[], input: string): Output {
  if (args[0] === 'grep') {
    const isInverted = args.some((a) => /^-[a-z]*v/.test(a))
    const pattern = args.slice(1).find((a) => !/^-[a-zA-Z]+$/.test(a)) ?? ''
    const expression = new RegExp(pattern)
    const lines = input.split('\n').filter((l) => l !== '' && expression.test(l) !== isInverted)
    return { status: lines.length > 0 ? 0 : 1, text: lines.join('\n') }
  }
  return { status: 0, text: input }
}

/** Words with their quotes taken off. */
function argumentsOf(text: string): string[] {
  return (text.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? []).map((w) => w.replace(/["']/g, ''))
}

function splitOperators(line: string): string[] {
  return (line.match(/&&|\|\||;|(?:"[^"]*"|'[^']*'|2>&1|&>|&\d|(?!&&|\|\||;)[\s\S])+/g) ?? [])
    .map((p) => p.trim())
    .filter((p) => p !== '')
}

/** Integer arithmetic of `$((…))`: + - * / and parentheses. */
function arithmetic(text: string): number {
  const words = text.match(/0x[0-9a-fA-F]+|\d+|[-+*/()]/g) ?? []
  let at = 0
  const primary = (): number => {
    const word = words[at++]
    if (word === '(') {
      const value = sum()
      at++
      return value
    }
    return word === '-' ? -primary() : Number(word ?? 0)
  }
  const product = (): number => {
    let value = primary()
    while (words[at] === '*' || words[at] === '/')
      value = words[at++] === '*' ? value * primary() : Math.trunc(value / primary())
    return value
  }
  const sum = (): number => {
    let value = product()
    while (words[at] === '+' || words[at] === '-') value = words[at++] === '+' ? value + product() : value - product()
    return value
  }
  return sum()
}
