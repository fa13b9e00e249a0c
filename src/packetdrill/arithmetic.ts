/** Integer arithmetic of `$((…))`: + - * / and parentheses. */
export function arithmetic(text: string): number {
  const words = text.match(/0x[0-9a-fA-F]+|\d+|[-+*/()]/g) ?? []
  let at = 0
  const primary = (): number => {
    const word = words[at++]
    if (word === '(') {
      const value = sum()
      at++
      return value
    }
    return word === '-' ? -primary() : Number(word ?? 0)
  }
  const product = (): number => {
    let value = primary()
    while (words[at] === '*' || words[at] === '/')
      value = words[at++] === '*' ? value * primary() : Math.trunc(value / primary())
    return value
  }
  const sum = (): number => {
    let value = product()
    while (words[at] === '+' || words[at] === '-') value = words[at++] === '+' ? value + product() : value - product()
    return value
  }
  return sum()
}
