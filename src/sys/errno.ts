/**
 * Error numbers by POSIX names with Linux's values (errno(3), asm-generic/errno.h), and the one error class the outside
 * sees. Below the system-call surface a failing call returns the negative number.
 */

export const EPERM = 1
export const ENOENT = 2
export const ESRCH = 3
export const EINTR = 4
export const EIO = 5
export const ENXIO = 6
export const E2BIG = 7
export const EBADF = 9
export const ECHILD = 10
export const EAGAIN = 11
export const ENOMEM = 12
export const EACCES = 13
export const EFAULT = 14
export const EBUSY = 16
export const EEXIST = 17
export const EXDEV = 18
export const ENODEV = 19
export const ENOTDIR = 20
export const EISDIR = 21
export const EINVAL = 22
export const ENFILE = 23
export const EMFILE = 24
export const ENOTTY = 25
export const EFBIG = 27
export const ENOSPC = 28
export const ESPIPE = 29
export const EROFS = 30
export const EMLINK = 31
export const EPIPE = 32
export const EDOM = 33
export const ERANGE = 34
export const EDEADLK = 35
export const ENAMETOOLONG = 36
export const ENOSYS = 38
export const ENOTEMPTY = 39
export const ELOOP = 40
export const ENOMSG = 42
export const ENODATA = 61
export const ETIME = 62
export const ENONET = 64
export const ENOLINK = 67
export const ECOMM = 70
export const EPROTO = 71
export const EBADMSG = 74
export const EOVERFLOW = 75
export const EILSEQ = 84
export const EUSERS = 87
export const ENOTSOCK = 88
export const EDESTADDRREQ = 89
export const EMSGSIZE = 90
export const EPROTOTYPE = 91
export const ENOPROTOOPT = 92
export const EPROTONOSUPPORT = 93
export const ESOCKTNOSUPPORT = 94
export const EOPNOTSUPP = 95
export const EPFNOSUPPORT = 96
export const EAFNOSUPPORT = 97
export const EADDRINUSE = 98
export const EADDRNOTAVAIL = 99
export const ENETDOWN = 100
export const ENETUNREACH = 101
export const ENETRESET = 102
export const ECONNABORTED = 103
export const ECONNRESET = 104
export const ENOBUFS = 105
export const EISCONN = 106
export const ENOTCONN = 107
export const ESHUTDOWN = 108
export const ETOOMANYREFS = 109
export const ETIMEDOUT = 110
export const ECONNREFUSED = 111
export const EHOSTDOWN = 112
export const EHOSTUNREACH = 113
export const EALREADY = 114
export const EINPROGRESS = 115
export const ESTALE = 116
export const EDQUOT = 122
export const ECANCELED = 125
export const EOWNERDEAD = 130

/** The name of an error, as `SystemError.code` carries it. */
export type ErrnoCode =
  | 'EPERM'
  | 'ENOENT'
  | 'ESRCH'
  | 'EINTR'
  | 'EIO'
  | 'ENXIO'
  | 'E2BIG'
  | 'EBADF'
  | 'ECHILD'
  | 'EAGAIN'
  | 'ENOMEM'
  | 'EACCES'
  | 'EFAULT'
  | 'EBUSY'
  | 'EEXIST'
  | 'EXDEV'
  | 'ENODEV'
  | 'ENOTDIR'
  | 'EISDIR'
  | 'EINVAL'
  | 'ENFILE'
  | 'EMFILE'
  | 'ENOTTY'
  | 'EFBIG'
  | 'ENOSPC'
  | 'ESPIPE'
  | 'EROFS'
  | 'EMLINK'
  | 'EPIPE'
  | 'EDOM'
  | 'ERANGE'
  | 'EDEADLK'
  | 'ENAMETOOLONG'
  | 'ENOSYS'
  | 'ENOTEMPTY'
  | 'ELOOP'
  | 'ENOMSG'
  | 'ENODATA'
  | 'ETIME'
  | 'ENONET'
  | 'ENOLINK'
  | 'ECOMM'
  | 'EPROTO'
  | 'EBADMSG'
  | 'EOVERFLOW'
  | 'EILSEQ'
  | 'EUSERS'
  | 'ENOTSOCK'
  | 'EDESTADDRREQ'
  | 'EMSGSIZE'
  | 'EPROTOTYPE'
  | 'ENOPROTOOPT'
  | 'EPROTONOSUPPORT'
  | 'ESOCKTNOSUPPORT'
  | 'EOPNOTSUPP'
  | 'EPFNOSUPPORT'
  | 'EAFNOSUPPORT'
  | 'EADDRINUSE'
  | 'EADDRNOTAVAIL'
  | 'ENETDOWN'
  | 'ENETUNREACH'
  | 'ENETRESET'
  | 'ECONNABORTED'
  | 'ECONNRESET'
  | 'ENOBUFS'
  | 'EISCONN'
  | 'ENOTCONN'
  | 'ESHUTDOWN'
  | 'ETOOMANYREFS'
  | 'ETIMEDOUT'
  | 'ECONNREFUSED'
  | 'EHOSTDOWN'
  | 'EHOSTUNREACH'
  | 'EALREADY'
  | 'EINPROGRESS'
  | 'ESTALE'
  | 'EDQUOT'
  | 'ECANCELED'
  | 'EOWNERDEAD'

/** Name to number, for printing and for tests. */
export const ERRNO: Readonly<Record<ErrnoCode, number>> = {
  EPERM,
  ENOENT,
  ESRCH,
  EINTR,
  EIO,
  ENXIO,
  E2BIG,
  EBADF,
  ECHILD,
  EAGAIN,
  ENOMEM,
  EACCES,
  EFAULT,
  EBUSY,
  EEXIST,
  EXDEV,
  ENODEV,
  ENOTDIR,
  EISDIR,
  EINVAL,
  ENFILE,
  EMFILE,
  ENOTTY,
  EFBIG,
  ENOSPC,
  ESPIPE,
  EROFS,
  EMLINK,
  EPIPE,
  EDOM,
  ERANGE,
  EDEADLK,
  ENAMETOOLONG,
  ENOSYS,
  ENOTEMPTY,
  ELOOP,
  ENOMSG,
  ENODATA,
  ETIME,
  ENONET,
  ENOLINK,
  ECOMM,
  EPROTO,
  EBADMSG,
  EOVERFLOW,
  EILSEQ,
  EUSERS,
  ENOTSOCK,
  EDESTADDRREQ,
  EMSGSIZE,
  EPROTOTYPE,
  ENOPROTOOPT,
  EPROTONOSUPPORT,
  ESOCKTNOSUPPORT,
  EOPNOTSUPP,
  EPFNOSUPPORT,
  EAFNOSUPPORT,
  EADDRINUSE,
  EADDRNOTAVAIL,
  ENETDOWN,
  ENETUNREACH,
  ENETRESET,
  ECONNABORTED,
  ECONNRESET,
  ENOBUFS,
  EISCONN,
  ENOTCONN,
  ESHUTDOWN,
  ETOOMANYREFS,
  ETIMEDOUT,
  ECONNREFUSED,
  EHOSTDOWN,
  EHOSTUNREACH,
  EALREADY,
  EINPROGRESS,
  ESTALE,
  EDQUOT,
  ECANCELED,
  EOWNERDEAD,
}

/** The name of errno `number` (positive or negative), or `E<number>` where Linux has none in our table. */
export function errnoName(number: number): ErrnoCode {
  const value = Math.abs(number)
  for (const name of Object.keys(ERRNO) as ErrnoCode[]) if (ERRNO[name] === value) return name
  return `E${value}` as ErrnoCode
}

/**
 * What a failing system call throws, with the fields and the message of Node's own system errors:
 * `connect ECONNREFUSED 192.0.2.1:80`. `errno` is negative, as Node's is.
 */
export class SystemError extends Error {
  readonly code: ErrnoCode
  readonly errno: number
  readonly syscall: string
  declare readonly address?: string
  declare readonly port?: number

  /** `errno`: the error's number, positive or negative. */
  constructor(syscall: string, errno: number, address?: string, port?: number) {
    const code = errnoName(errno)
    super(`${syscall} ${code}${address === undefined ? '' : ` ${address}${port === undefined ? '' : `:${port}`}`}`)
    this.name = 'SystemError'
    this.code = code
    this.errno = -Math.abs(errno)
    this.syscall = syscall
    if (address !== undefined) this.address = address
    if (port !== undefined) this.port = port
  }
}
