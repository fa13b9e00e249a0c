/** `sockeye TOOL …`: a tool on the host that a running `sockeye serve` serves, or on one of its own on a TAP device. */
import * as cidr from '../addr/cidr.ts'
import * as ip4 from '../addr/ip4.ts'
import { Session } from '../app/session.ts'
import { Host } from '../host/host.ts'
import { RealClock } from '../platform/clock.ts'
import { platformRandom } from '../platform/random.ts'
import { openTap } from '../platform/tap.ts'
import { STATUS_FAILED, UsageError } from './arguments.ts'
import { findControl, runRemote } from './control.ts'

/** Where a tool is to run: the options of ours before its own. */
interface Place {
  readonly at: string | undefined
  readonly tap: string | undefined
  readonly address: string | undefined
  readonly gateway: string | undefined
  readonly argv: readonly string[]
}

const OURS: readonly string[] = ['at', 'tap', 'address', 'gateway']

function place(args: readonly string[]): Place {
  const given = new Map<string, string>()
  let i = 0
  for (; i < args.length; i++) {
    const [, name = '', attached] = /^--([a-z]+)(?:=(.*))?$/.exec(args[i] as string) ?? []
    if (!OURS.includes(name)) break
    const value = attached ?? args[++i]
    if (value === undefined) throw new UsageError(`--${name}: value missing`)
    given.set(name, value)
  }
  const [at, tap, address, gateway] = OURS.map((name) => given.get(name))
  if (tap === undefined && (address !== undefined || gateway !== undefined))
    throw new UsageError('--address and --gateway need --tap NAME')
  if (tap !== undefined && address === undefined) throw new UsageError('--tap: needs --address CIDR')
  if (tap !== undefined && at !== undefined) throw new UsageError('--at and --tap: either, not both')
  return { at, tap, address, gateway, argv: args.slice(i) }
}

/** Runs the command `sockeye NAME ARGS`; the tool's exit status. */
export async function toolCommand(name: string, args: readonly string[]): Promise<number> {
  const { at, tap, address, gateway, argv } = place(args)
  if (tap === undefined || address === undefined) return await runRemote(findControl(at), [name, ...argv])
  if (!address.includes('/') || cidr.parse(address) === undefined)
    throw new UsageError(`--address: not an address with prefix length: '${address}'`)
  const via = gateway === undefined ? undefined : ip4.parse(gateway)
  if (gateway !== undefined && via === undefined) throw new UsageError(`--gateway: not an address: '${gateway}'`)
  const clock = new RealClock()
  const host = new Host({ name: 'sockeye', clock, random: platformRandom() })
  host.sysctl.arp_notify = 1
  const device = await openTap(tap, { clock, pool: host.stack.pool }).catch((error: Error) => {
    throw new UsageError(error.message, STATUS_FAILED)
  })
  try {
    host.addInterface(tap, device, { addresses: [address] })
    if (via !== undefined && host.stack.routes.add({ destination: 0, prefix: 0, gateway: via }) < 0)
      throw new UsageError(`--gateway: not in the network of --address: '${gateway as string}'`)
    return await attended(new Session(host, name, argv, terminal()))
  } finally {
    device.close()
  }
}

const terminal = (): { out: (bytes: Uint8Array) => void; err: (bytes: Uint8Array) => void } => ({
  out: (bytes) => void process.stdout.write(bytes),
  err: (bytes) => void process.stderr.write(bytes),
})

/** A session with this process's input and Ctrl-C, until it is over; its exit status. */
async function attended(session: Session): Promise<number> {
  const { stdin } = process
  const onData = (data: Buffer): void => {
    stdin.pause()
    void session.write(Uint8Array.from(data)).then(() => {
      if (!session.process.isOver) stdin.resume()
    })
  }
  const onEnd = (): void => session.end()
  const onInterrupt = (): void => session.interrupt()
  stdin.on('data', onData)
  stdin.on('end', onEnd)
  process.on('SIGINT', onInterrupt)
  try {
    return await session.exited
  } finally {
    stdin.off('data', onData)
    stdin.off('end', onEnd)
    stdin.pause()
    process.off('SIGINT', onInterrupt)
  }
}
