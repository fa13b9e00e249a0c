/** The names a program includes from headers: numbers, address families and readiness bits, in one place. */

export * from '../fs/mode.ts'
export * from '../netlink/constants.ts'
export * from '../packet/constants.ts'
export { INADDR_ANY, INADDR_BROADCAST, INADDR_LOOPBACK } from '../sock/address.ts'
export * from '../sock/constants.ts'
export {
  IP_PMTUDISC_DO,
  IP_PMTUDISC_DONT,
  IP_PMTUDISC_INTERFACE,
  IP_PMTUDISC_OMIT,
  IP_PMTUDISC_PROBE,
  IP_PMTUDISC_WANT,
} from '../sock/sock.ts'
export {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  POLLRDBAND,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
} from '../sock/wait-queue.ts'
export * from './epoll-constants.ts'
export * from './family-names.ts'
export * from './signal-constants.ts'
