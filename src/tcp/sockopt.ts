/** Options of level IPPROTO_TCP (tcp(7), tcp_setsockopt): one table, a row an option. IP's are the socket layer's. */

import { SO_KEEPALIVE, SOL_SOCKET } from '../sock/constants.ts'
import type { OptionResult, OptionValue } from '../sock/sock.ts'
import { TCP_CLOSE, TCP_CLOSE_WAIT, TCP_ESTABLISHED, TCP_LISTEN } from '../sock/sock.ts'
import { EINVAL, ENOENT, ENOPROTOOPT, EOPNOTSUPP } from '../sys/errno.ts'
import { findController } from './congestion.ts'
import { delayAck } from './delack.ts'
import { fastOpenOf, KEY_LENGTH, keyOf, TFO_CLIENT_ENABLE } from './fastopen.ts'
import { currentMss } from './mss.ts'
import { NAGLE_PUSH, nagleMode, pushPending } from './output.ts'
import { inPingpong } from './quick-ack.ts'
import { ACK_SCHED, OPT_CORK, OPT_INQ, OPT_NODELAY, type Tcb } from './tcb.ts'
import { sendAck } from './transmit.ts'

export const SOL_TCP = 6
export const TCP_NODELAY = 1
export const TCP_MAXSEG = 2
export const TCP_CORK = 3
export const TCP_KEEPIDLE = 4
export const TCP_KEEPINTVL = 5
export const TCP_KEEPCNT = 6
export const TCP_SYNCNT = 7
export const TCP_LINGER2 = 8
export const TCP_DEFER_ACCEPT = 9
export const TCP_WINDOW_CLAMP = 10
export const TCP_QUICKACK = 12
export const TCP_CONGESTION = 13
export const TCP_USER_TIMEOUT = 18
export const TCP_NOTSENT_LOWAT = 25
export const TCP_INQ = 36
export const TCP_FASTOPEN = 23
export const TCP_FASTOPEN_CONNECT = 30
export const TCP_FASTOPEN_KEY = 33
export const TCP_FASTOPEN_NO_COOKIE = 34

/** MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL, MAX_TCP_KEEPCNT, MAX_TCP_SYNCNT. */
const MAX_KEEP_SECONDS = 32767
const MAX_COUNT = 127

/** One option: `get` gives its value, `set` stores it and returns 0 or -errno. */
interface Row {
  get(t: Tcb): OptionValue
  set(t: Tcb, value: number): number
}

/** An integer kept in a field, allowed from `low` to `high`. */
function bounded(low: number, high: number, get: (t: Tcb) => number, put: (t: Tcb, value: number) => void): Row {
  return {
    get,
    set(t: Tcb, value: number): number {
      if (value < low || value > high) return -EINVAL
      put(t, value)
      return 0
    },
  }
}

const flush = (t: Tcb): void => {
  if (t.state === TCP_ESTABLISHED || t.state === TCP_CLOSE_WAIT) pushPending(t, currentMss(t), nagleMode(t))
}

function row(name: number): Row | undefined {
  switch (name) {
    case TCP_NODELAY:
      return {
        get: (t) => ((t.opt & OPT_NODELAY) !== 0 ? 1 : 0),
        set(t, value): number {
          if (value !== 0) {
            t.opt |= OPT_NODELAY
            if (t.state === TCP_ESTABLISHED || t.state === TCP_CLOSE_WAIT) pushPending(t, currentMss(t), NAGLE_PUSH)
          } else t.opt &= ~OPT_NODELAY
          return 0
        },
      }
    case TCP_CORK:
      return {
        get: (t) => ((t.opt & OPT_CORK) !== 0 ? 1 : 0),
        set(t, value): number {
          if (value !== 0) t.opt |= OPT_CORK
          else {
            t.opt &= ~OPT_CORK
            if (t.txTail !== null && t.sendHead !== null) t.txTail.flags |= 8
            flush(t)
          }
          return 0
        },
      }
    case TCP_MAXSEG:
      return {
        get: (t) =>
          t.state === TCP_CLOSE || t.state === TCP_LISTEN ? (t.snd.userMss > 0 ? t.snd.userMss : 536) : t.snd.mss,
        set(t, value): number {
          if (value !== 0 && (value < 88 || value > 32767)) return -EINVAL
          t.snd.userMss = value
          return 0
        },
      }
    case TCP_QUICKACK:
      return {
        get: (t) => (inPingpong(t) ? 0 : 1),
        set(t, value): number {
          if ((value & 1) === 0) {
            t.pingpong = 1
            return 0
          }
          t.pingpong = 0
          if ((t.state === TCP_ESTABLISHED || t.state === TCP_CLOSE_WAIT) && (t.ackPending & ACK_SCHED) !== 0)
            sendAck(t)
          if ((value & 1) === 0 && t.ackPending !== 0) delayAck(t)
          return 0
        },
      }
    default:
      return simpleRow(name)
  }
}

function simpleRow(name: number): Row | undefined {
  switch (name) {
    case TCP_KEEPIDLE:
      return bounded(
        1,
        MAX_KEEP_SECONDS,
        (t) => t.tuning.keepIdle || t.stack.sysctl.tcp_keepalive_time,
        (t, v) => {
          t.tuning = t.tuning.with('keepIdle', v)
          t.tcp.keepaliveChanged(t)
        },
      )
    case TCP_KEEPINTVL:
      return bounded(
        1,
        MAX_KEEP_SECONDS,
        (t) => t.tuning.keepInterval || t.stack.sysctl.tcp_keepalive_intvl,
        (t, v) => {
          t.tuning = t.tuning.with('keepInterval', v)
        },
      )
    case TCP_KEEPCNT:
      return bounded(
        1,
        MAX_COUNT,
        (t) => t.tuning.keepCount || t.stack.sysctl.tcp_keepalive_probes,
        (t, v) => {
          t.tuning = t.tuning.with('keepCount', v)
        },
      )
    case TCP_SYNCNT:
      return bounded(
        1,
        MAX_COUNT,
        (t) => t.tuning.synRetries || t.stack.sysctl.tcp_syn_retries,
        (t, v) => {
          t.tuning = t.tuning.with('synRetries', v)
        },
      )
    default:
      return tuningRow(name)
  }
}

function tuningRow(name: number): Row | undefined {
  switch (name) {
    case TCP_LINGER2:
      return bounded(
        -0x80000000,
        0x7fffffff,
        (t) => (t.tuning.linger2 < 0 ? t.tuning.linger2 : t.tuning.linger2 || t.stack.sysctl.tcp_fin_timeout),
        (t, v) => {
          t.tuning = t.tuning.with('linger2', v < 0 ? -1 : v > 120 ? 0 : v)
        },
      )
    case TCP_DEFER_ACCEPT:
      return bounded(
        -0x80000000,
        0x7fffffff,
        (t) => t.tuning.deferAccept,
        (t, v) => {
          t.tuning = t.tuning.with('deferAccept', Math.max(0, v))
        },
      )
    case TCP_WINDOW_CLAMP:
      return bounded(
        0,
        0x7fffffff,
        (t) => t.rcv.windowClamp,
        (t, v) => {
          t.rcv.windowClamp = v === 0 ? 0 : Math.max(v, 1152)
          t.rcv.ssthresh = Math.min(t.rcv.wnd, t.rcv.windowClamp)
        },
      )
    case TCP_USER_TIMEOUT:
      return bounded(
        0,
        0x7fffffff,
        (t) => t.tuning.userTimeout,
        (t, v) => {
          t.tuning = t.tuning.with('userTimeout', v)
        },
      )
    case TCP_NOTSENT_LOWAT:
      return bounded(
        0,
        0xffffffff,
        (t) => t.tuning.notsentLowat,
        (t, v) => {
          t.tuning = t.tuning.with('notsentLowat', v)
        },
      )
    default:
      return fastOpenRow(name)
  }
}

const isIdle = (t: Tcb): boolean => t.state === TCP_CLOSE || t.state === TCP_LISTEN

function fastOpenRow(name: number): Row | undefined {
  switch (name) {
    case TCP_INQ:
      return {
        get: (t) => ((t.opt & OPT_INQ) !== 0 ? 1 : 0),
        set(t, value): number {
          if (value < 0 || value > 1) return -EINVAL
          t.opt = value === 1 ? t.opt | OPT_INQ : t.opt & ~OPT_INQ
          return 0
        },
      }
    case TCP_FASTOPEN:
      return {
        get: (t) => t.fastOpen?.queueMost ?? 0,
        set(t, value): number {
          if (value < 0 || !isIdle(t)) return -EINVAL
          fastOpenOf(t).queueMost = Math.min(value, t.stack.sysctl.somaxconn)
          return 0
        },
      }
    case TCP_FASTOPEN_CONNECT:
      return {
        get: (t) => (t.fastOpen?.onConnect === true ? 1 : 0),
        set(t, value): number {
          if (value < 0 || value > 1) return -EINVAL
          if ((t.stack.sysctl.tcp_fastopen & TFO_CLIENT_ENABLE) === 0) return -EOPNOTSUPP
          if (t.state !== TCP_CLOSE) return -EINVAL
          fastOpenOf(t).onConnect = value === 1
          return 0
        },
      }
    case TCP_FASTOPEN_NO_COOKIE:
      return {
        get: (t) => (t.fastOpen?.noCookie === true ? 1 : 0),
        set(t, value): number {
          if (value < 0 || value > 1 || !isIdle(t)) return -EINVAL
          fastOpenOf(t).noCookie = value === 1
          return 0
        },
      }
    default:
      return undefined
  }
}

export class TcpOptions {
  /** setsockopt at level IPPROTO_TCP: 0, -EINVAL, -ENOPROTOOPT, -ENOENT for an unknown congestion control. */
  set(t: Tcb, level: number, name: number, value: OptionValue): number {
    if (level === SOL_SOCKET && name === SO_KEEPALIVE) {
      t.tcp.keepaliveChanged(t)
      return 0
    }
    if (level !== SOL_TCP) return -ENOPROTOOPT
    t.tcp.now = t.stack.clock.now()
    if (name === TCP_CONGESTION) {
      if (typeof value !== 'string') return -EINVAL
      const found = findController(value)
      if (found === undefined) return -ENOENT
      t.ca = found
      t.caData = null
      t.ca.init?.(t)
      return 0
    }
    if (name === TCP_FASTOPEN_KEY) {
      if (!(value instanceof Uint8Array) || (value.length !== KEY_LENGTH && value.length !== 2 * KEY_LENGTH))
        return -EINVAL
      fastOpenOf(t).key = value.slice()
      return 0
    }
    const found = row(name)
    if (found === undefined) return -ENOPROTOOPT
    if (typeof value !== 'number') return -EINVAL
    return found.set(t, value)
  }

  get(t: Tcb, level: number, name: number, result: OptionResult): number {
    if (level !== SOL_TCP) return -ENOPROTOOPT
    if (name === TCP_CONGESTION) {
      result.value = t.ca.name
      return 0
    }
    if (name === TCP_FASTOPEN_KEY) {
      result.value = keyOf(t)
      return 0
    }
    const found = row(name)
    if (found === undefined) return -ENOPROTOOPT
    result.value = found.get(t)
    return 0
  }
}
