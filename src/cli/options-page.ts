/** docs/options.md, made of the options' list: `node --import tsx src/cli/options-page.ts > docs/options.md`. */
import { fileURLToPath } from 'node:url'
import { IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, SOL_SOCKET } from '../sock/constants.ts'
import { OPTIONS } from '../socket/option-list.ts'

const LEVELS: readonly (readonly [level: number, title: string])[] = [
  [SOL_SOCKET, 'SOL_SOCKET'],
  [IPPROTO_IP, 'IPPROTO_IP'],
  [IPPROTO_TCP, 'IPPROTO_TCP'],
  [IPPROTO_UDP, 'IPPROTO_UDP'],
]

const HEAD = `# Socket options

Every option of Linux 6.18 at these levels: what it takes and does here, or the errno it is refused with and why. \`rw\`: getsockopt
and setsockopt; \`r\`, \`w\`: one of them, the other is ENOPROTOOPT; \`–\`: refused. Values cross as numbers, names and structs by their
fields, or as Linux's bytes: then optlen counts exactly as it does there. Sockets of AF_UNIX have SOL_SOCKET only (EOPNOTSUPP). At
IPPROTO_IPV6 and levels nobody has, sockets of AF_INET answer as Linux's: getsockopt EOPNOTSUPP, setsockopt ENOPROTOOPT.

This page is made by \`src/cli/options-page.ts\` of \`src/socket/option-list.ts\`; tests hold the list against Linux's headers, against
what the sockets do, and the sockets against the kernel.
`

/** The page. */
export function optionsPage(): string {
  const tables = LEVELS.map(([level, title]) => {
    const rows = OPTIONS.filter((o) => o.level === level).map(
      ({ number, name, access, value, doc }) =>
        `| ${number} | ${name} | ${access === '-' ? '–' : access} | ${value} | ${doc} |`,
    )
    return [`## ${title}`, '', '| | option | | value | |', '|---|---|---|---|---|', ...rows, ''].join('\n')
  })
  return [HEAD, ...tables].join('\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(optionsPage())
