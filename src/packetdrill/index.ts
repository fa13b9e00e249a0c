/** packetdrill in virtual time: scripts against our own stack, without root. */

export { ScriptError } from './lexer.ts'
export { parseScript } from './parser.ts'
export { type Outcome, Run, type RunOptions } from './runner.ts'
export { DEFINITIONS, type MoreOptions, type Report, runScript, VARIANTS, type Variant } from './variants.ts'
