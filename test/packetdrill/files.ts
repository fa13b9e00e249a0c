/** Files with scripts. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Scripts in a folder and those below, in order; a file is itself. */
export function scriptsBelow(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path]
  return readdirSync(path, { withFileTypes: true })
    .flatMap((e) => (e.isDirectory() || e.name.endsWith('.pkt') ? scriptsBelow(join(path, e.name)) : []))
    .sort()
}
