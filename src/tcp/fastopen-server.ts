/** The server's side of Fast Open: is the data of a SYN to be taken, and which cookie goes back (RFC 7413 §4.1)? */
import { cookieOf, keyOf, makeCookie, TFO_SERVER_COOKIE_NOT_REQD, TFO_SERVER_ENABLE, validity } from './fastopen.ts'
import type { Request } from './request.ts'
import type { Segment } from './segment.ts'

/** True if the SYN makes a child at once (tcp_try_fastopen). Sets the cookie for the SYN-ACK. */
export function takesEarly(r: Request, g: Segment): boolean {
  const { listener, tcp } = r
  const f = listener.fastOpen
  const cookie = cookieOf(g.bytes, tcp.parsed)
  const bits = tcp.stack.sysctl.tcp_fastopen
  const { counters } = tcp
  if (cookie.length === 0) counters.TcpExtTCPFastOpenCookieReqd++
  if (f === null || (bits & TFO_SERVER_ENABLE) === 0 || (g.length === 0 && !g.isFin && cookie.length < 0)) return false
  if (f.queueMost === 0 || f.queued >= f.queueMost) {
    if (f.queueMost > 0) counters.TcpExtTCPFastOpenListenOverflow++
    return false
  }
  let valid = 1
  if (!f.noCookie && (bits & TFO_SERVER_COOKIE_NOT_REQD) === 0) {
    if (cookie.length < 0) return false
    valid = cookie.length === 0 ? 0 : validity(listener, cookie, r.remote, r.local)
    if (valid !== 1) {
      const fresh = makeCookie(keyOf(listener), 0, r.remote, r.local)
      r.cookie = { cookie: fresh, cookieLength: fresh.length, isExperimental: cookie.isExperimental }
    }
    if (valid === 0) {
      if (cookie.length > 0) counters.TcpExtTCPFastOpenPassiveFail++
      return false
    }
  }
  counters.TcpExtTCPFastOpenPassive++
  f.queued++
  return true
}
