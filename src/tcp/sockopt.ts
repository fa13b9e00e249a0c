/** Options of level IPPROTO_TCP (tcp(7), tcp_setsockopt): one table, a row an option. IP's are the socket layer's. */

import {
  SO_KEEPALIVE,
  SO_MAX_PACING_RATE,
  SO_RCVLOWAT,
  SOL_SOCKET,
  SOL_TCP,
  TCP_CONGESTION,
  TCP_CORK,
  TCP_DEFER_ACCEPT,
  TCP_DELACK_MAX_US,
  TCP_FASTOPEN,
  TCP_FASTOPEN_CONNECT,
  TCP_FASTOPEN_KEY,
  TCP_FASTOPEN_NO_COOKIE,
  TCP_INQ,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_LINGER2,
  TCP_MAXSEG,
  TCP_MD5SIG,
  TCP_MD5SIG_EXT,
  TCP_NODELAY,
  TCP_NOTSENT_LOWAT,
  TCP_QUICKACK,
  TCP_RTO_MAX_MS,
  TCP_RTO_MIN_US,
  TCP_SAVE_SYN,
  TCP_SAVED_SYN,
  TCP_SYNCNT,
  TCP_THIN_DUPACK,
  TCP_TIMESTAMP,
  TCP_ULP,
  TCP_USER_TIMEOUT,
  TCP_WINDOW_CLAMP,
} from '../sock/constants.ts'
import { intOf, nameOf } from '../sock/option-value.ts'
import type { OptionResult, OptionValue } from '../sock/sock.ts'
import { SF_RCVBUF_LOCK, TCP_CLOSE, TCP_CLOSE_WAIT, TCP_ESTABLISHED, TCP_LISTEN } from '../sock/sock.ts'
import { POLLIN, POLLRDBAND, POLLRDNORM } from '../sock/wait-queue.ts'
import { EINVAL, ENOENT, ENOPROTOOPT, EOPNOTSUPP, EPERM } from '../sys/errno.ts'
import { findController } from './congestion.ts'
import { fastOpenOf, KEY_LENGTH, keyOf, TFO_CLIENT_ENABLE } from './fastopen.ts'
import { changeKeys } from './md5.ts'
import { pushAfterAck } from './output.ts'
import { pacingOf } from './pacing.ts'
import { DELACK_MAX, enterPingpong, inPingpong } from './quick-ack.ts'
import { TIMEOUT_MIN } from './rack.ts'
import { cleanUp } from './read.ts'
import { rtoMax, rtoMin, TCP_RTO_MAX } from './rtt.ts'
import { statusOption } from './status-options.ts'
import { ACK_PUSHED, ACK_SCHED, OPT_CORK, OPT_INQ, OPT_NODELAY, OPT_PUSH_QUEUED, type Tcb } from './tcb.ts'
import { isReadable, setWindowClamp, spaceFromWindow } from './window.ts'

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

/** Longest life of FIN-WAIT-2 that TCP_LINGER2 may ask for, in seconds; room of TCP_CONGESTION. */
const TCP_FIN_TIMEOUT_MAX = 120
const TCP_CA_NAME_MAX = 16
/** First and longest retransmission timeout in seconds, and most retransmissions TCP_DEFER_ACCEPT counts in one byte. */
const TIMEOUT_INIT = 1
const RTO_MAX: number = TCP_RTO_MAX / 1_000_000
const MAX_DEFER = 255
/** TCP_RTO_MIN: the most TCP_RTO_MIN_US may ask for, in microseconds. */
const RTO_MIN = 200000
/** Microseconds in whole ticks of a millisecond (usecs_to_jiffies). */
const toTicks = (us: number): number => Math.ceil(us / 1000) * 1000

/** TCP_DEFER_ACCEPT is counted in SYN-ACKs: the seconds so many take that `seconds` pass (secs_to_retrans, retrans_to_secs). */
function deferSeconds(seconds: number): number {
  let period = 0
  for (let n = 0, timeout = TIMEOUT_INIT; period < seconds && n < MAX_DEFER; n++) {
    period += timeout
    timeout = Math.min(timeout * 2, RTO_MAX)
  }
  return period
}

/** So much must fit before it is read (tcp_set_rcvlowat), unless the program fixed the buffer's size. */
function makeRoom(t: Tcb, bytes: number): void {
  const space = spaceFromWindow(t, bytes)
  if (t.isFlag(SF_RCVBUF_LOCK) || space <= t.rcvbuf) return
  t.rcvbuf = space
  if (t.rcv.windowClamp !== 0) t.rcv.windowClamp = bytes
}

function row(name: number): Row | undefined {
  switch (name) {
    case TCP_NODELAY:
      return {
        get: (t) => ((t.opt & OPT_NODELAY) !== 0 ? 1 : 0),
        set(t, value): number {
          if (value !== 0) {
            t.opt |= OPT_NODELAY | OPT_PUSH_QUEUED
            pushAfterAck(t)
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
            if ((t.opt & OPT_NODELAY) !== 0) t.opt |= OPT_PUSH_QUEUED
            if (t.txTail !== null && t.sendHead !== null) t.txTail.flags |= 8
            pushAfterAck(t)
          }
          return 0
        },
      }
    case TCP_MAXSEG:
      return {
        get: (t) =>
          (t.state === TCP_CLOSE || t.state === TCP_LISTEN) && t.snd.userMss > 0 ? t.snd.userMss : t.snd.mss,
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
          if (value === 0) enterPingpong(t)
          else t.pingpong = 0
          const isOpen = t.state === TCP_ESTABLISHED || t.state === TCP_CLOSE_WAIT
          if (value !== 0 && isOpen && (t.ackPending & ACK_SCHED) !== 0) {
            t.ackPending |= ACK_PUSHED
            cleanUp(t, 1)
            // An even number: this once.
            if ((value & 1) === 0) enterPingpong(t)
          }
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
    case TCP_SAVE_SYN:
      return bounded(
        0,
        2,
        (t) => t.tuning.saveSyn,
        (t, v) => {
          t.tuning = t.tuning.with('saveSyn', v)
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
          t.tuning = t.tuning.with('linger2', v < 0 ? -1 : Math.min(v, TCP_FIN_TIMEOUT_MAX))
        },
      )
    case TCP_DEFER_ACCEPT:
      return bounded(
        -0x80000000,
        0x7fffffff,
        (t) => t.tuning.deferAccept,
        (t, v) => {
          t.tuning = t.tuning.with('deferAccept', deferSeconds(v))
        },
      )
    case TCP_WINDOW_CLAMP:
      return {
        get: (t) => t.rcv.windowClamp,
        set(t, value): number {
          // To take it back is for sockets that are not connected yet.
          if (value === 0 && t.state !== TCP_CLOSE) return -EINVAL
          if (value === 0) t.rcv.windowClamp = 0
          else setWindowClamp(t, value)
          return 0
        },
      }
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
        -0x80000000,
        0x7fffffff,
        (t) => t.tuning.notsentLowat,
        (t, v) => {
          t.tuning = t.tuning.with('notsentLowat', v >>> 0)
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
      return timerRow(name)
  }
}

function timerRow(name: number): Row | undefined {
  switch (name) {
    case TCP_RTO_MAX_MS:
      return bounded(
        1000,
        RTO_MAX * 1000,
        (t) => rtoMax(t) / 1000,
        (t, v) => {
          t.tuning = t.tuning.with('rtoMaxMs', v)
        },
      )
    case TCP_RTO_MIN_US:
      return bounded(TIMEOUT_MIN, RTO_MIN, rtoMin, (t, v) => {
        t.tuning = t.tuning.with('rtoMinUs', toTicks(v))
      })
    case TCP_DELACK_MAX_US:
      return bounded(
        TIMEOUT_MIN,
        DELACK_MAX,
        (t) => t.tuning.delackMaxUs || DELACK_MAX,
        (t, v) => {
          t.tuning = t.tuning.with('delackMaxUs', toTicks(v))
        },
      )
    // Taken, and without effect since Linux 4.11.
    case TCP_THIN_DUPACK:
      return bounded(
        0,
        1,
        () => 0,
        () => {},
      )
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
    if (level === SOL_SOCKET && name === SO_RCVLOWAT) {
      // There may be enough now (tcp_set_rcvlowat, tcp_data_ready).
      if (t.closedRead || isReadable(t, t.rcvLowat)) t.wake(POLLIN | POLLRDNORM | POLLRDBAND)
      makeRoom(t, value as number)
      return 0
    }
    if (level === SOL_SOCKET && name === SO_MAX_PACING_RATE) {
      pacingOf(t).maxRate = value as number
      return 0
    }
    if (level !== SOL_TCP) return -ENOPROTOOPT
    t.tcp.now = t.stack.clock.now()
    const isEmpty = value instanceof Uint8Array && value.length === 0
    // There are no protocols above TCP to be named (tls, smc, …).
    if (name === TCP_ULP) return isEmpty ? -EINVAL : -ENOENT
    if (name === TCP_TIMESTAMP) return Number.isNaN(intOf(value)) ? -EINVAL : -EPERM
    if (name === TCP_CONGESTION) {
      const wanted = nameOf(value, TCP_CA_NAME_MAX - 1)
      if (wanted === undefined || isEmpty) return -EINVAL
      const found = findController(wanted)
      if (found === undefined) return -ENOENT
      t.ca = found
      t.caData = null
      // What is not connected begins with it when it is (tcp_reinit_congestion_control).
      if (!isIdle(t)) t.ca.init?.(t)
      return 0
    }
    if (name === TCP_MD5SIG || name === TCP_MD5SIG_EXT) {
      if (!(value instanceof Uint8Array)) return -EINVAL
      const keys = changeKeys(t.tuning.md5, value, name === TCP_MD5SIG_EXT)
      if (typeof keys === 'number') return keys
      t.tuning = t.tuning.with('md5', keys)
      return 0
    }
    if (name === TCP_FASTOPEN_KEY) {
      if (!(value instanceof Uint8Array) || (value.length !== KEY_LENGTH && value.length !== 2 * KEY_LENGTH))
        return -EINVAL
      fastOpenOf(t).key = value.slice()
      return 0
    }
    // do_tcp_setsockopt reads an int before it looks which option it is for.
    const n = intOf(value)
    if (Number.isNaN(n)) return -EINVAL
    return row(name)?.set(t, n) ?? -ENOPROTOOPT
  }

  get(t: Tcb, level: number, name: number, result: OptionResult): number {
    if (level !== SOL_TCP) return -ENOPROTOOPT
    if (name === TCP_CONGESTION) {
      result.value = t.ca.name
      return 0
    }
    if (name === TCP_FASTOPEN_KEY) {
      const key = keyOf(t)
      // None was given to the socket or the host.
      result.value = key.every((b) => b === 0) ? new Uint8Array(0) : key
      return 0
    }
    if (name === TCP_SAVED_SYN && (t.tuning.savedSyn?.length ?? 0) > result.room) return -EINVAL
    const answer = row(name)?.get(t) ?? statusOption(t, name)
    if (answer === undefined) return -ENOPROTOOPT
    result.value = answer
    return 0
  }
}
