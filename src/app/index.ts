/** The tools of virtual hosts: `findTool('ss')`, run in a process of a host by `runTool`, or from outside by a `Session`. */

export { type Output, Session } from './session.ts'
export { runTool, type Tool, ToolError } from './tool.ts'
export { findTool, TOOL_NAMES } from './tools.ts'
