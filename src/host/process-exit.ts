/** Thrown out of a call that ends the process: `exit`, or a signal that kills it. Never seen outside its program. */
export class ProcessExit extends Error {
  readonly exitCode: number
  constructor(exitCode: number, message: string = `exit ${exitCode}`) {
    super(message)
    this.exitCode = exitCode
  }
}
