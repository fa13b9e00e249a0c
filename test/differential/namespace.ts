/** The sockets of the namespace, from /proc/net, in the words of `ss`. */
import { readFileSync } from 'node:fs'
import { stateText } from './symbols.ts'

export function namespaceSockets(): string[] {
  const rows: string[] = []
  for (const protocol of ['tcp', 'udp', 'raw']) {
    for (const line of readFileSync(`/proc/net/${protocol}`, 'latin1').split('\n').slice(1)) {
      const [, local, remote, state, queues] = line.trim().split(/\s+/)
      if (local === undefined || remote === undefined) continue
      const [tx, rx] = (queues as string).split(':').map((hex) => Number.parseInt(hex, 16)) as [number, number]
      rows.push(
        `${protocol} ${stateText(Number.parseInt(state as string, 16))} ${rx} ${tx} ${endpoint(local)} ${endpoint(remote)}`,
      )
    }
  }
  return rows.sort()
}

/** `0100007F:0050` */
function endpoint(text: string): string {
  const [address, port] = text.split(':') as [string, string]
  const bytes = Buffer.from(address, 'hex').reverse()
  return `${bytes.join('.')}:${portText(Number.parseInt(port, 16))}`
}

/** Ports the system chose are shown as such. */
export const portText = (port: number): string =>
  port === 0 ? '*' : port >= 32768 && port <= 60999 ? 'e' : String(port)
