/** packetdrill in virtual time: scripts against our own stack, without root. */
export { parseScript } from './parser.ts'
export { ScriptError } from './lexer.ts'
export { type Outcome, Run, type RunOptions } from './runner.ts'
export { type Report, runScript, type Variant, VARIANTS } from './variants.ts'
