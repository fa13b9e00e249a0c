/** Shell texts of scripts, emulated: sysctls, routes, devices, queueing disciplines and counters of our host (README a.7). */

import { F_TSO } from '../link/link.ts'
import { TCP_LISTEN } from '../sock/sock.ts'
import type { SysctlValue } from '../sys/sysctl.ts'
import { type Commands, DONE, type Output, ShellText } from './shell-text.ts'
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
export class Shell implements Commands {
  readonly #world: World
  readonly #saved: Map<string, SysctlValue> = new Map()
  readonly #counters: Map<string, number> = new Map()
  /** Files that were written. */
  readonly #texts: Map<string, string> = new Map()

  constructor(world: World) {
    this.#world = world
  }

  /** Runs `text`; its exit status. */
  run(text: string): number {
    return new ShellText(text, this).run().status
  }

  readFile(path: string): string {
    if (path.startsWith('/proc/sys/')) return `${String(this.#world.stack.sysctl.get(sysctlName(path)))}\n`
    return this.#texts.get(path) ?? this.#proc([path])
  }

  writeFile(path: string, text: string): void {
    if (path.startsWith('/proc/sys/')) {
      if (!this.#set(sysctlName(path), text.trim())) throw new Unsupported(`sysctl ${path}`)
    } else if (path.startsWith('/dev/')) return
    else this.#texts.set(path, text)
  }

  command(args: readonly string[], input: string): Output {
    const [name = '', ...rest] = args
    switch (name.replace(/^.*\//, '')) {
      case 'echo':
      case 'printf':
        return { status: 0, text: `${rest.filter((word) => word !== '-n' && word !== '-e').join(' ')}\n` }
      case 'cat':
        return { status: 0, text: rest.length === 0 ? input : rest.map((path) => this.readFile(path)).join('') }
      case 'grep':
      case 'egrep':
        return grep(rest, input, (path) => this.readFile(path))
      case 'wc':
        return { status: 0, text: `${input.split('\n').length - 1}\n` }
      case 'awk':
        return awk(rest, input)
      case 'test':
        return test(rest)
      case '[':
        return test(rest.slice(0, -1))
      case 'sleep':
        this.#world.runTo(this.#world.now + Number(rest[0] ?? 0) * 1e6)
        return DONE
      default:
        return this.#command(args)
    }
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
        return { status: 0, text: this.#nstat(args.slice(1)) }
      case 'dd':
        return this.#dd(args.slice(1))
      case 'rm':
      case 'mkdir':
      case 'touch':
      case 'chmod':
      case 'true':
      case 'modprobe':
      case 'sync':
      case 'ls':
      case 'sort':
      case 'head':
      case 'tail':
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

  /** NAME=VALUE of sysctl(8), or /proc/sys/… of set_sysctls.py; flags -q -w -e -n. A NAME alone is printed. */
  #sysctl(args: readonly string[]): Output {
    const flags = args.filter((a) => /^-[a-z]+$/.test(a)).join('')
    if (flags.includes('a')) throw new Unsupported('sysctl -a')
    let text = ''
    for (const arg of args.filter((a) => !a.startsWith('-'))) {
      const at = arg.indexOf('=')
      const name = sysctlName(at < 0 ? arg : arg.slice(0, at).trim())
      if (at < 0) text += `${flags.includes('n') ? '' : `${name} = `}${String(this.#world.stack.sysctl.get(name))}\n`
      else if (!this.#set(name, arg.slice(at + 1).trim()) && !flags.includes('e'))
        throw new Unsupported(`sysctl ${arg}`)
    }
    return { status: 0, text }
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

  /** Counters that changed since the last call, as nstat prints them; -a: since ever, -z: those of 0 too, -n: none. */
  #nstat(args: readonly string[]): string {
    const flags = args.filter((a) => a.startsWith('-')).join('')
    const asked = args.filter((a) => !a.startsWith('-'))
    let text = '#kernel\n'
    for (const [name, value] of Object.entries(this.#world.stack.counters)) {
      if (typeof value !== 'number') continue
      const change = flags.includes('a') ? value : value - (this.#counters.get(name) ?? 0)
      const isAsked = asked.length === 0 || asked.includes(name)
      if (isAsked && (change !== 0 || flags.includes('z')))
        text += `${name.padEnd(32)}${String(change).padEnd(18)}0.0\n`
      if (!flags.includes('s')) this.#counters.set(name, value)
    }
    return flags.includes('n') ? '' : text
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

const sysctlName = (name: string): string => name.replace(/^\/proc\/sys\//, '').replaceAll('/', '.')

/** grep [-qvciE] PATTERN [FILE…]. */
function grep(args: readonly string[], input: string, read: (path: string) => string): Output {
  const flags = args.filter((a) => /^-[a-zA-Z]+$/.test(a)).join('')
  const [pattern = '', ...paths] = args.filter((a) => !/^-[a-zA-Z]+$/.test(a))
  const text = paths.length === 0 ? input : paths.map(read).join('')
  const expression = new RegExp(pattern, flags.includes('i') ? 'i' : '')
  const lines = text.split('\n').filter((l) => l !== '' && expression.test(l) !== flags.includes('v'))
  const shown = flags.includes('c') ? [String(lines.length)] : lines
  return { status: lines.length > 0 ? 0 : 1, text: flags.includes('q') ? '' : shown.map((l) => `${l}\n`).join('') }
}

/** awk '/PATTERN/ {print $N}'. */
function awk(args: readonly string[], input: string): Output {
  const [, pattern = '', field] = /^(?:\/(.*)\/)?\s*\{\s*print(?:\s+\$(\d+))?;?\s*\}$/.exec(args[0]?.trim() ?? '') ?? []
  if (field === undefined && pattern === '') throw new Unsupported(`awk ${args.join(' ')}`)
  const lines = input.split('\n').filter((l) => l !== '' && new RegExp(pattern).test(l))
  const shown = lines.map((l) => (Number(field ?? 0) === 0 ? l : (l.trim().split(/\s+/)[Number(field) - 1] ?? '')))
  return { status: 0, text: shown.map((l) => `${l}\n`).join('') }
}

const COMPARISONS: Readonly<Record<string, (a: string, b: string) => boolean>> = {
  '=': (a, b) => a === b,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '-eq': (a, b) => Number(a) === Number(b),
  '-ne': (a, b) => Number(a) !== Number(b),
  '-lt': (a, b) => Number(a) < Number(b),
  '-le': (a, b) => Number(a) <= Number(b),
  '-gt': (a, b) => Number(a) > Number(b),
  '-ge': (a, b) => Number(a) >= Number(b),
}

/** test(1): strings and numbers; every file is there. */
function test(args: readonly string[]): Output {
  const [a = '', b = '', c = ''] = args
  if (a === '!') return { status: test(args.slice(1)).status === 0 ? 1 : 0, text: '' }
  const compare = COMPARISONS[b]
  const isTrue =
    compare !== undefined ? compare(a, c) : a === '-z' ? b === '' : args.at(-1) !== undefined && args.at(-1) !== ''
  return { status: isTrue ? 0 : 1, text: '' }
}
