/** Numbers of signal(7), sigaction(2), wait(2) and fcntl(2)'s signal-driven I/O with Linux's values (x86-64 and arm64). */

export const SIGHUP = 1
export const SIGINT = 2
export const SIGQUIT = 3
export const SIGILL = 4
export const SIGTRAP = 5
export const SIGABRT = 6
export const SIGBUS = 7
export const SIGFPE = 8
export const SIGKILL = 9
export const SIGUSR1 = 10
export const SIGSEGV = 11
export const SIGUSR2 = 12
export const SIGPIPE = 13
export const SIGALRM = 14
export const SIGTERM = 15
export const SIGSTKFLT = 16
export const SIGCHLD = 17
export const SIGCONT = 18
export const SIGSTOP = 19
export const SIGTSTP = 20
export const SIGTTIN = 21
export const SIGTTOU = 22
export const SIGURG = 23
export const SIGXCPU = 24
export const SIGXFSZ = 25
export const SIGVTALRM = 26
export const SIGPROF = 27
export const SIGWINCH = 28
export const SIGIO = 29
export const SIGPOLL = 29
export const SIGPWR = 30
export const SIGSYS = 31
/** First real-time signal as the kernel counts; the C library keeps 32 and 33 for its threads and starts at 34. */
export const SIGRTMIN_KERNEL = 32
export const SIGRTMIN = 34
export const SIGRTMAX = 64

/** Names of the standard signals by number. */
export const SIGNAL_NAMES: readonly string[] = (
  '- HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU ' +
  'URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'
).split(' ')

/** A signal as strace(1) writes it. */
export function signalName(signal: number): string {
  if (signal === 0 || signal > SIGRTMAX) return String(signal)
  return signal < SIGRTMIN_KERNEL ? `SIG${SIGNAL_NAMES[signal]}` : `SIGRT_${signal - SIGRTMIN_KERNEL}`
}

// Dispositions beside a function, and flags of struct sigaction.
export const SIG_DFL = 0
export const SIG_IGN = 1
export const SA_NOCLDSTOP = 0x1
export const SA_NOCLDWAIT = 0x2
export const SA_SIGINFO = 0x4
export const SA_ONSTACK = 0x08000000
export const SA_RESTART = 0x10000000
export const SA_NODEFER = 0x40000000
export const SA_RESETHAND = 0x80000000

// sigprocmask(2).
export const SIG_BLOCK = 0
export const SIG_UNBLOCK = 1
export const SIG_SETMASK = 2

// si_code (sigaction(2)): who sent it; what became of a child; what is ready.
export const SI_USER = 0
export const SI_KERNEL = 0x80
export const SI_QUEUE = -1
export const SI_TIMER = -2
export const SI_SIGIO = -5
export const SI_TKILL = -6
export const CLD_EXITED = 1
export const CLD_KILLED = 2
export const CLD_DUMPED = 3
export const CLD_TRAPPED = 4
export const CLD_STOPPED = 5
export const CLD_CONTINUED = 6
export const POLL_IN = 1
export const POLL_OUT = 2
export const POLL_MSG = 3
export const POLL_ERR = 4
export const POLL_PRI = 5
export const POLL_HUP = 6

// wait(2).
export const WNOHANG = 0x1
export const WUNTRACED = 0x2
export const WSTOPPED = 0x2
export const WEXITED = 0x4
export const WCONTINUED = 0x8
export const WNOWAIT = 0x01000000
export const P_ALL = 0
export const P_PID = 1
export const P_PGID = 2
export const P_PIDFD = 3

// setitimer(2).
export const ITIMER_REAL = 0
export const ITIMER_VIRTUAL = 1
export const ITIMER_PROF = 2

// fcntl(2) and ioctl(2): whose signals tell of a file.
export const F_SETOWN = 8
export const F_GETOWN = 9
export const F_SETSIG = 10
export const F_GETSIG = 11
export const F_SETOWN_EX = 15
export const F_GETOWN_EX = 16
export const F_OWNER_TID = 0
export const F_OWNER_PID = 1
export const F_OWNER_PGRP = 2
export const FIOSETOWN = 0x8901
export const SIOCSPGRP = 0x8902
export const FIOGETOWN = 0x8903
export const SIOCGPGRP = 0x8904
export const FIOASYNC = 0x5452

// signalfd(2).
export const SFD_NONBLOCK = 0o4000
export const SFD_CLOEXEC = 0o2000000
