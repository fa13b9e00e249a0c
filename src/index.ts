/** The package's root: hosts, their processes and sockets, clocks, and the in-memory links between hosts. */

export * from './addr/byte-order.ts'
export { getservbyname, getservbyport } from './app/etc.ts'
export { getaddrinfo, getnameinfo, type NamedAddress } from './app/getaddrinfo.ts'
export * from './app/netdb.ts'
export { formatSockets, parseSsFlags, type SsOptions, ss } from './app/ss.ts'
export type { Packet } from './buf/packet.ts'
export { PacketPool } from './buf/pool.ts'
export type { Abort } from './host/abort.ts'
export type { IfConf, IoctlArgument, RLimit } from './host/descriptor-calls.ts'
export { Host, type HostOptions, type SpawnOptions } from './host/host.ts'
export { ATF_COM, ATF_PERM, type IfReq } from './host/ifreq.ts'
export { PIPE_BUF, PIPE_CAPACITY } from './host/pipe.ts'
export type { PollFd } from './host/poll.ts'
export { EXIT_THREW, Process, type Program } from './host/process.ts'
export { ProcessExit } from './host/process-exit.ts'
export { INIT_PID, type ProcessRow } from './host/process-table.ts'
export { RTF_GATEWAY, RTF_HOST, RTF_REJECT, RTF_UP, type RtEntry } from './host/rtentry.ts'
export { FD_CLR, FD_ISSET, FD_SET, FD_ZERO, FdSet } from './host/select.ts'
export type { FileOffset } from './host/sendfile.ts'
export type { SigAction, SigInfo, SignalHandler } from './host/signals.ts'
export { SigSet } from './host/sigset.ts'
export { type SocketHolder, type SocketRow, stateName, type UnixRow } from './host/socket-table.ts'
export type { Stat } from './host/stat.ts'
export { exitLine, signalLine } from './host/strace.ts'
export type { ITimerSpec, ITimerVal, TimeSpec, TimeVal } from './host/time.ts'
export type { DirectoryEntry } from './host/tree-file.ts'
export {
  type WaitStatus,
  WCOREDUMP,
  WEXITSTATUS,
  WIFCONTINUED,
  WIFEXITED,
  WIFSIGNALED,
  WIFSTOPPED,
  WSTOPSIG,
  WTERMSIG,
} from './host/wait.ts'
export { CableEnd, type CableOptions, cable } from './link/cable.ts'
export { F_ALL, F_CSUM, F_GRO, F_SG, F_TSO, F_WIRE, type Link, type Medium } from './link/link.ts'
export { SockAddr } from './sock/address.ts'
export type { ControlData, ControlMessage } from './sock/message.ts'
export type { OptionValue, PeerCredentials } from './sock/sock.ts'
export type { Address, AddressIn, AddressOut } from './socket/address-value.ts'
export * from './socket/arpa-inet.ts'
export * from './socket/cmsg.ts'
export * from './socket/constants.ts'
export type { EpollEvent } from './socket/epoll.ts'
export { IOV_MAX, type MMsgHdr, type MsgHdr } from './socket/msghdr.ts'
export { type MembershipRequest, membershipBytes } from './socket/multicast-options.ts'
export * from './socket/sockaddr.ts'
export type { Interface } from './stack/interface.ts'
export { type InterfaceOptions, Stack, type StackOptions } from './stack/stack.ts'
export { Clock, FunctionTask, FunctionTimer, type Micros, Task, Timer } from './sys/clock.ts'
export { Counters } from './sys/counters.ts'
export { ERRNO, type ErrnoCode, errnoName, SystemError } from './sys/errno.ts'
export { Random } from './sys/random.ts'
export { Sysctls, type SysctlValue } from './sys/sysctl.ts'
export { type DropReason, Trace } from './sys/trace.ts'
export { DEFAULT_EPOCH, VirtualClock } from './sys/virtual-clock.ts'
export { CallGate, type GateOptions } from './thread/gate.ts'
export type { Thread, ThreadEnd, ThreadEntry, ThreadSpawner } from './thread/thread.ts'
export type { ThreadProcess } from './thread/thread-process.ts'
