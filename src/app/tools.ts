/** The tools of virtual hosts by name. */
import { arpTool } from './arp-tool.ts'
import { catTool, hostnameTool, ifconfigTool, psTool, routeTool } from './host-tools.ts'
import { ipTool } from './ip.ts'
import { ncTool } from './nc.ts'
import { netstatTool } from './netstat.ts'
import { pingTool } from './ping-tool.ts'
import { ssTool } from './ss.ts'
import { sysctlTool } from './sysctl.ts'
import { tcpdumpTool } from './tcpdump.ts'
import type { Tool } from './tool.ts'
import { tracerouteTool } from './traceroute.ts'

const TOOLS: Readonly<Record<string, Tool>> = {
  arp: arpTool,
  cat: catTool,
  hostname: hostnameTool,
  ifconfig: ifconfigTool,
  ip: ipTool,
  nc: ncTool,
  netstat: netstatTool,
  ping: pingTool,
  ps: psTool,
  route: routeTool,
  ss: ssTool,
  sysctl: sysctlTool,
  tcpdump: tcpdumpTool,
  traceroute: tracerouteTool,
}

/** Their names, in alphabetical order. */
export const TOOL_NAMES: readonly string[] = Object.keys(TOOLS)

/** The tool of this name. */
export const findTool = (name: string): Tool | undefined => (Object.hasOwn(TOOLS, name) ? TOOLS[name] : undefined)
