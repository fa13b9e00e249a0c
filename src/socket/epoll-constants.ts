/** Numbers of epoll(7), eventfd(2), timerfd_create(2), select(2) and of clocks, with Linux's values. */

export const EPOLL_CLOEXEC = 0o2000000
export const EPOLL_CTL_ADD = 1
export const EPOLL_CTL_DEL = 2
export const EPOLL_CTL_MOD = 3

// Events: those of poll(2), and how to tell them.
export {
  POLLERR as EPOLLERR,
  POLLHUP as EPOLLHUP,
  POLLIN as EPOLLIN,
  POLLNVAL as EPOLLNVAL,
  POLLOUT as EPOLLOUT,
  POLLPRI as EPOLLPRI,
  POLLRDBAND as EPOLLRDBAND,
  POLLRDHUP as EPOLLRDHUP,
  POLLRDNORM as EPOLLRDNORM,
  POLLWRBAND as EPOLLWRBAND,
  POLLWRNORM as EPOLLWRNORM,
} from '../sock/wait-queue.ts'
export const EPOLLMSG = 0x400
export const EPOLLEXCLUSIVE = 0x10000000
export const EPOLLWAKEUP = 0x20000000
export const EPOLLONESHOT = 0x40000000
export const EPOLLET = 0x80000000

/** Largest `maxevents` (INT_MAX / sizeof(struct epoll_event)). */
export const EP_MAX_EVENTS = 178956970
/** Epoll sets in a chain of sets that contain each other: one more than this. */
export const EP_MAX_NESTS = 4

export const EFD_SEMAPHORE = 1
export const EFD_NONBLOCK = 0o4000
export const EFD_CLOEXEC = 0o2000000

export const TFD_TIMER_ABSTIME = 1
export const TFD_TIMER_CANCEL_ON_SET = 2
export const TFD_NONBLOCK = 0o4000
export const TFD_CLOEXEC = 0o2000000

// Clocks (clock_gettime(2)).
export const CLOCK_REALTIME = 0
export const CLOCK_MONOTONIC = 1
export const CLOCK_BOOTTIME = 7
export const CLOCK_REALTIME_ALARM = 8
export const CLOCK_BOOTTIME_ALARM = 9
/** Of clock_nanosleep(2): until that time, not for so long. */
export const TIMER_ABSTIME = 1

/** Descriptors a `FdSet` has room for. */
export const FD_SETSIZE = 1024
