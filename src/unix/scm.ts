/**
 * What travels beside the bytes of a local socket's message: credentials and open files (unix(7), Ancillary messages;
 * net/core/scm.c). Files in a queue are in flight: counted by user, bounded, and found again by `garbage.ts`.
 */
import { SCM_CREDENTIALS, SCM_RIGHTS, SOL_SOCKET } from '../sock/constants.ts'
import { type ControlData, MALFORMED, type Message, type PassedFile, Scm } from '../sock/message.ts'
import { WANT_CRED } from '../sock/receive-control.ts'
import { EBADF, EINVAL, EPERM, ESRCH, ETOOMANYREFS } from '../sys/errno.ts'
import type { UnixMessage } from './message.ts'
import type { UnixSock } from './unix-sock.ts'

/** Most files of one message (SCM_MAX_FD). */
export const SCM_MAX_FD = 253
/** Who a message is from if nobody asked for it when it was sent (overflowuid, overflowgid). */
const OVERFLOW_ID = 65534

/** The sender wants, or its receiver does, to have its name told (unix_may_passcred). */
export const wantsCredentials = (sock: UnixSock): boolean => (sock.settings.wants & WANT_CRED) !== 0

/** Reads a sender's control messages into `message.scm` (scm_send): 0 or -EINVAL, -EBADF, -EPERM. Done once for a call that sleeps. */
export function readScm(sock: UnixSock, message: Message): number {
  if (message.control === null || message.scm !== null) return 0
  const scm = new Scm()
  for (const control of message.control) {
    let result = 0
    if (control === MALFORMED) result = -EINVAL
    else if (control.level !== SOL_SOCKET) continue
    else if (control.type === SCM_RIGHTS) result = takeFiles(scm, control.data, message)
    else if (control.type === SCM_CREDENTIALS) result = takeCredentials(scm, control.data, sock)
    else result = -EINVAL
    if (result < 0) {
      scm.release()
      return result
    }
  }
  scm.limit = message.files?.limit ?? Infinity
  message.scm = scm
  return 0
}

/** SCM_RIGHTS (scm_fp_copy): each file gets a reference. */
function takeFiles(scm: Scm, data: ControlData, message: Message): number {
  // Data that is no whole number of descriptors loses the rest; a single int is one.
  const fds = typeof data === 'number' ? [data] : [...data]
  if (fds.length > SCM_MAX_FD || scm.files.length + fds.length > SCM_MAX_FD) return -EINVAL
  const files: PassedFile[] = []
  for (const fd of fds) {
    const file = message.files?.get(fd) ?? null
    if (file === null) {
      for (const taken of files) taken.unref()
      return -EBADF
    }
    files.push(file.ref())
  }
  scm.files = [...scm.files, ...files]
  return 0
}

/** SCM_CREDENTIALS: one's own, or of any process if privileged (scm_check_creds). */
function takeCredentials(scm: Scm, data: ControlData, { caller, unix }: UnixSock): number {
  if (typeof data === 'number' || data instanceof Uint8Array || data.length !== 3) return -EINVAL
  const [pid = 0, uid = 0, gid = 0] = data
  const isOwn =
    pid === caller.pid && (uid === caller.uid || uid === caller.euid) && (gid === caller.gid || gid === caller.egid)
  if (!isOwn && caller.euid !== 0) return -EPERM
  if (pid !== caller.pid && !unix.isProcess(pid)) return -ESRCH
  scm.pid = pid
  scm.uid = uid
  scm.gid = gid
  scm.hasCredentials = true
  return 0
}

/** What a message from `from` to `to` carries: null, or with `files` those that are in `sent`, which lets them go. -ETOOMANYREFS. */
export function attach(from: UnixSock, sent: Scm | null, to: UnixSock | null, files: boolean): Scm | null | number {
  const isTold = to !== null && (wantsCredentials(from) || wantsCredentials(to) || !to.isOwned)
  const hasFiles = files && sent !== null && sent.files.length > 0
  if (!hasFiles && sent?.hasCredentials !== true && !isTold) return null
  const { caller, unix } = from
  if (hasFiles && unix.flights.isTooMany(caller, sent.limit)) return -ETOOMANYREFS
  const scm = new Scm()
  if (sent?.hasCredentials === true) scm.setCredentials(sent.pid, sent.uid, sent.gid)
  else if (isTold) scm.setCredentials(caller.pid, caller.uid, caller.gid)
  if (hasFiles) {
    scm.files = sent.files
    scm.user = caller.uid
    sent.files = []
  }
  return scm
}

/** Whether two messages are from one writer (unix_skb_scm_eq). */
export const isSameWriter = (message: UnixMessage, scm: Scm): boolean => {
  const other = message.scm
  if (other === null || !other.hasCredentials) return !scm.hasCredentials || scm.pid === 0
  return other.pid === scm.pid && other.uid === scm.uid && other.gid === scm.gid
}

/** The receiver's record takes over who wrote a message (unix_skb_to_scm). */
export function copyWriter(message: UnixMessage, into: Scm): void {
  const from = message.scm
  if (from?.hasCredentials === true) into.setCredentials(from.pid, from.uid, from.gid)
  else {
    into.setCredentials(0, OVERFLOW_ID, OVERFLOW_ID)
  }
}

/** The files of a message that was read become the receiver's; of one that was peeked at, copies (unix_detach_fds, unix_peek_fds). */
export function handOver(receiver: UnixSock, message: UnixMessage, into: Scm, isPeek: boolean): void {
  const from = message.scm
  if (from === null || from.files.length === 0) return
  if (isPeek) {
    into.files = from.files.map((file) => file.ref())
    return
  }
  receiver.unix.flights.landed(from)
  into.files = from.files
  from.files = []
}
