/** Names on a command line. */
import type { Process } from '../host/process.ts'
import { AF_INET } from '../sock/address.ts'
import { SOCK_STREAM } from '../sock/constants.ts'
import { getaddrinfo } from './getaddrinfo.ts'
import { GaiError, gai_strerror } from './netdb.ts'
import type { ToolError } from './tool.ts'

/** The IPv4 address of `name` as text; a ToolError `complain(reason)` if there is none. */
export async function resolve(
  process: Process,
  name: string,
  complain: (reason: string) => ToolError,
): Promise<string> {
  try {
    const [first] = await getaddrinfo(process, name, null, { family: AF_INET, socktype: SOCK_STREAM })
    if (first !== undefined) return first.addr.address
  } catch (error) {
    if (error instanceof GaiError) throw complain(gai_strerror(error.errcode))
    throw error
  }
  throw complain('No address associated with hostname')
}
