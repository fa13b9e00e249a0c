/** The helper programs that scripts call by relative paths, made for the kernel in a folder of their own. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULTS } from '../../src/packetdrill/shell.ts'

const CONGESTION = 'tcp_congestion_control'
const CONGESTION_SET = /tcp_congestion_control="?(\w+)"?/g

/** A folder with `defaults.sh` and `set_sysctls.py`. */
export function makeTools(isGoogle: boolean): string {
  const folder = mkdtempSync(join(tmpdir(), 'packetdrill-'))
  const settings = Object.entries({ ...DEFAULTS, tcp_fastopen: isGoogle ? '0x70403' : '0x3', [CONGESTION]: 'reno' })
  const defaults = settings.map(([name, value]) => `echo "${value}" > /proc/sys/net/ipv4/${name}`)
  writeFileSync(
    join(folder, 'defaults.sh'),
    `#!/bin/sh\nset -e\n${defaults.join('\n')}\nip tcp_metrics flush all > /dev/null 2>&1\ntc qdisc replace dev tun0 root pfifo\n`,
    { mode: 0o755 },
  )
  const setOne = `for s in "$@"; do echo "\${s#*=}" > "\${s%%=*}" || exit 1; done\n`
  writeFileSync(join(folder, 'set_sysctls.py'), `#!/bin/sh\n${setOne}`, { mode: 0o755 })
  return folder
}

/**
 * The text of a script with the paths of those programs; the namespace goes, so there is nothing to restore. Namespaces may not
 * have any congestion control as their default (tcp_set_default_congestion_control): reno they may.
 */
export const toolText = (text: string, folder: string): string =>
  text
    .replace(/[^\s`]*\/(defaults\.sh|set_sysctls\.py)/g, (_, name: string) => join(folder, name))
    .replace(/\/tmp\/sysctl_restore_\S+/g, 'true')
    .replace(CONGESTION_SET, `${CONGESTION}=reno`)

/** The congestion control that sockets are to have after that text, if it says so. */
export const congestionOf = (text: string): string | undefined =>
  [...text.matchAll(CONGESTION_SET)].at(-1)?.[1] ?? (text.includes('defaults.sh') ? DEFAULTS[CONGESTION] : undefined)
