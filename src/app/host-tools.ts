/** Small tools about the host itself: hostname(1), ps(1), cat(1), route(8), ifconfig(8). */
import { O_RDONLY } from '../sock/constants.ts'
import { SystemError } from '../sys/errno.ts'
import { interfaceDetails } from './netstat-interfaces.ts'
import { routeTable } from './route-table.ts'
import { strerror } from './strerror.ts'
import { getopt, print, right, type Tool, ToolError } from './tool.ts'

export const hostnameTool: Tool = async (process, argv) => {
  if (argv.length > 0) throw new ToolError('hostname: the name of a virtual host is fixed', 1)
  await print(process, `${process.host.name}\n`)
  return 0
}

/** `ps`: every process of the host, as `ps -e -o pid,ppid,comm` has them. */
export const psTool: Tool = async (process) => {
  const rows = process.host.table.rows().map(({ pid, ppid, name }) => `${right(pid, 7)} ${right(ppid, 7)} ${name}\n`)
  await print(process, `${right('PID', 7)} ${right('PPID', 7)} COMMAND\n${rows.join('')}`)
  return 0
}

/** `cat` (cat(1)): /proc/net/tcp, /etc/hosts, or its input. */
export const catTool: Tool = async (process, argv) => {
  const bytes = new Uint8Array(65536)
  let status = 0
  for (const path of argv.length === 0 ? ['-'] : argv) {
    try {
      const fd = path === '-' ? 0 : process.open(path, O_RDONLY)
      for (let n = await process.read(fd, bytes); n > 0; n = await process.read(fd, bytes))
        await process.write(1, bytes, 0, n)
      if (fd !== 0) await process.close(fd)
    } catch (error) {
      if (!(error instanceof SystemError)) throw error
      await print(process, `cat: ${path}: ${strerror(error)}\n`, 2)
      status = 1
    }
  }
  return status
}

export const routeTool: Tool = async (process, argv) => {
  getopt('route', argv, 'neF')
  await print(process, routeTable(process.host, 'metrics'))
  return 0
}

export const ifconfigTool: Tool = async (process, argv) => {
  const { flags } = getopt('ifconfig', argv, 'a')
  await print(process, interfaceDetails(process.host, flags.has('a')).replace(/^.*\n/, ''))
  return 0
}
