/** The symbol of `await using`; where the runtime has none of its own yet, the one that compilers agree on. */
export const asyncDispose: symbol = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')
