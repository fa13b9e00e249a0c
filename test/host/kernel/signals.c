/*
 * The kernel's side of the scripts about processes and signals: reads one script from standard input, a step a line, makes
 * the calls and prints what each gave. The other side is signals.ts; the language is described in scripts.txt.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINES 200
#define MAX_NAMES 32
#define MS 1000000L

static char *lines[MAX_LINES];
static int count;
static struct { char name[16]; long value; } names[MAX_NAMES];
static int known;
/* Times are short for virtual time: real machines have other things to do as well. */
static long ms(long value) { return value > 0 && value < 1000 ? 4 * value : value; }

static char who[16] = "p";
static char *handlers[65];

static void run(int from, int depth);

static long *variable(const char *name) {
  for (int i = 0; i < known; i++) if (!strcmp(names[i].name, name)) return &names[i].value;
  strcpy(names[known].name, name);
  return &names[known++].value;
}

static const char *constants[] = {"SIGHUP","SIGINT","SIGKILL","SIGUSR1","SIGUSR2","SIGPIPE","SIGALRM","SIGTERM","SIGCHLD","SIGCONT","SIGSTOP","SIGTSTP","SIGURG","SIGIO","SIGWINCH","SIGRTMIN","RT1","SIG_BLOCK","SIG_UNBLOCK","SIG_SETMASK","WNOHANG","WUNTRACED","WCONTINUED","WEXITED","WSTOPPED","WNOWAIT","P_ALL","P_PID","P_PGID","SHUT_RD","SHUT_WR","SHUT_RDWR","MSG_NOSIGNAL","F_SETOWN","F_SETSIG","F_GETSIG","F_GETOWN","F_SETFL","F_GETFL","O_ASYNC","O_NONBLOCK","DFL","IGN","SIGRTMAX",0};
static const long values[] = {SIGHUP,SIGINT,SIGKILL,SIGUSR1,SIGUSR2,SIGPIPE,SIGALRM,SIGTERM,SIGCHLD,SIGCONT,SIGSTOP,SIGTSTP,SIGURG,SIGIO,SIGWINCH,34,35,SIG_BLOCK,SIG_UNBLOCK,SIG_SETMASK,WNOHANG,WUNTRACED,WCONTINUED,WEXITED,WSTOPPED,WNOWAIT,P_ALL,P_PID,P_PGID,SHUT_RD,SHUT_WR,SHUT_RDWR,MSG_NOSIGNAL,F_SETOWN,F_SETSIG,F_GETSIG,F_GETOWN,F_SETFL,F_GETFL,O_ASYNC,O_NONBLOCK,0,1,64};

/* A number, a constant, a variable, -variable, or some of them joined by |. */
static long value(const char *text) {
  char copy[100];
  strcpy(copy, text);
  char *bar = strchr(copy, '|');
  if (bar) { *bar = 0; return value(copy) | value(bar + 1); }
  if (*copy == '-' && copy[1] > '9') return -value(copy + 1);
  if (*copy == '-' || (*copy >= '0' && *copy <= '9')) return atol(copy);
  if (!strcmp(copy, "self")) return getpid();
  for (int i = 0; constants[i]; i++) if (!strcmp(constants[i], copy)) return values[i];
  return *variable(copy);
}

/* Process ids by the names of their variables. */
static const char *pid_name(long pid) {
  static char text[32];
  if (pid == 0) return "0";
  if (pid == getpid()) return "self";
  for (int i = 0; i < known; i++) if (names[i].value == pid && pid > 100) return names[i].name;
  sprintf(text, pid > 100 ? "other" : "%ld", pid);
  return text;
}

static void say(const char *format, const char *a, const char *b) {
  char text[400];
  int n = sprintf(text, "%s: ", who);
  n += sprintf(text + n, format, a, b);
  text[n++] = '\n';
  if (write(1, text, n) < 0) _exit(9);
}

static void done(const char *step, long result) {
  char text[64];
  if (result < 0) strcpy(text, strerrorname_np(errno));
  else sprintf(text, "%ld", result);
  say("%s = %s", step, text);
}

static void handler(int signo, siginfo_t *info, void *context) {
  int saved = errno;
  char text[120];
  (void)context;
  if (info->si_code == SI_USER || info->si_code == SI_TKILL) sprintf(text, "signal %d by %s", signo, pid_name(info->si_pid));
  else if (info->si_code == SI_QUEUE) sprintf(text, "signal %d by %s value %d", signo, pid_name(info->si_pid), info->si_value.sival_int);
  else if (signo == SIGCHLD) sprintf(text, "signal %d code %d of %s status %d", signo, info->si_code, pid_name(info->si_pid), info->si_status);
  else if (info->si_code > 0 && info->si_code < 7) sprintf(text, "signal %d code %d fd %d band %lx", signo, info->si_code, info->si_fd, info->si_band);
  else sprintf(text, "signal %d code %d", signo, info->si_code);
  say("%s%s", text, "");
  if (handlers[signo]) {
    char *then = handlers[signo];
    handlers[signo] = 0;
    char *kept = lines[MAX_LINES - 1];
    lines[MAX_LINES - 1] = then;
    int all = count;
    count = MAX_LINES;
    run(MAX_LINES - 1, 0);
    count = all;
    lines[MAX_LINES - 1] = kept;
    say("handler of %s ends%s", text, "");
  }
  errno = saved;
}

static sigset_t set_of(char *list) {
  sigset_t set;
  sigemptyset(&set);
  char copy[200];
  strcpy(copy, list);
  for (char *at = strtok(copy, ","); at; at = strtok(0, ",")) if (strcmp(at, "none")) sigaddset(&set, value(at));
  return set;
}

static const char *set_text(const sigset_t *set) {
  static char text[300];
  int n = 0;
  for (int i = 1; i <= 64; i++) if (sigismember(set, i) == 1) n += sprintf(text + n, "%s%d", n ? "," : "", i);
  if (n == 0) strcpy(text, "none");
  return text;
}

static const char *status_text(int status) {
  static char text[40];
  if (WIFEXITED(status)) sprintf(text, "exited %d", WEXITSTATUS(status));
  else if (WIFSIGNALED(status)) sprintf(text, "killed %d", WTERMSIG(status));
  else if (WIFSTOPPED(status)) sprintf(text, "stopped %d", WSTOPSIG(status));
  else sprintf(text, "continued");
  return text;
}

static int end_of(int from) {
  for (int depth = 0, i = from; i < count; i++) {
    if (strstr(lines[i], "fork ") == lines[i]) depth++;
    if (!strcmp(lines[i], "end") && --depth == 0) return i;
  }
  return count;
}

static void step(char *line) {
  char copy[300], text[200];
  strcpy(copy, line);
  char *w[8] = {0};
  int n = 0;
  for (char *at = copy, *next; n < 8 && (next = strsep(&at, " ")); ) if (*next) w[n++] = next;
  long a = n > 1 ? value(w[1]) : 0, b = n > 2 ? value(w[2]) : 0, c = n > 3 ? value(w[3]) : 0;
  static char bytes[100000];
  const char *call = w[0];
#define IS(name) (!strcmp(call, name))
  if (IS("sigaction")) {
    if (n == 2) { done(line, sigaction(a, 0, 0)); return; }
    struct sigaction action = {0};
    if (!strcmp(w[2], "catch")) { action.sa_sigaction = handler; action.sa_flags = SA_SIGINFO; }
    else action.sa_handler = b ? SIG_IGN : SIG_DFL;
    for (int i = 3; i < n; i++) {
      if (!strcmp(w[i], "restart")) action.sa_flags |= SA_RESTART;
      else if (!strcmp(w[i], "nodefer")) action.sa_flags |= SA_NODEFER;
      else if (!strcmp(w[i], "resethand")) action.sa_flags |= SA_RESETHAND;
      else if (!strcmp(w[i], "nocldwait")) action.sa_flags |= SA_NOCLDWAIT;
      else if (!strcmp(w[i], "nocldstop")) action.sa_flags |= SA_NOCLDSTOP;
      else action.sa_mask = set_of(w[i]);
    }
    done(line, sigaction(a, &action, 0));
  } else if (IS("in_handler")) {
    handlers[a] = strchr(strchr(line, ' ') + 1, ' ') + 1;
  } else if (IS("disposition")) {
    struct sigaction action;
    if (sigaction(a, 0, &action) < 0) done(line, -1);
    else say("%s = %s", line, action.sa_handler == SIG_DFL ? "DFL" : action.sa_handler == SIG_IGN ? "IGN" : "caught");
  } else if (IS("kill")) done(line, kill(a, b));
  else if (IS("raise")) done(line, raise(a) ? -1 : 0);
  else if (IS("sigqueue")) { union sigval v = {.sival_int = c}; done(line, sigqueue(a, b, v)); }
  else if (IS("mask")) { sigset_t set = set_of(w[2]), old; long r = sigprocmask(a, &set, &old); if (r < 0) done(line, r); else say("%s was %s", line, set_text(&old)); }
  else if (IS("pending")) { sigset_t set; sigpending(&set); say("%s = %s", line, set_text(&set)); }
  else if (IS("pause")) done(line, pause());
  else if (IS("sigsuspend")) { sigset_t set = set_of(w[1]); done(line, sigsuspend(&set)); }
  else if (IS("sigwait")) {
    sigset_t set = set_of(w[1]);
    siginfo_t info;
    b = ms(b);
    struct timespec limit = {b / 1000, b % 1000 * MS};
    long r = n > 2 ? sigtimedwait(&set, &info, &limit) : sigwaitinfo(&set, &info);
    if (r < 0) done(line, r);
    else { sprintf(text, "%ld code %d value %d", r, info.si_code, info.si_code == SI_QUEUE ? info.si_value.sival_int : 0); say("%s = %s", line, text); }
  } else if (IS("sleep")) {
    a = ms(a);
    struct timespec left = {0, 0}, time = {a / 1000, a % 1000 * MS};
    long r = nanosleep(&time, &left);
    if (r < 0) { sprintf(text, "%s", strerrorname_np(errno)); say("%s = %s", line, text); } else if (strcmp(w[n - 1], "quietly")) done(line, r);
  } else if (IS("alarm")) done(line, alarm(a));
  else if (IS("timer")) { a = ms(a); b = ms(b); struct itimerval t = {{b / 1000, b % 1000 * 1000}, {a / 1000, a % 1000 * 1000}}; done(line, setitimer(ITIMER_REAL, &t, 0)); }
  else if (IS("wait") || IS("waitpid")) {
    int status = -1;
    long r = IS("wait") ? wait(&status) : waitpid(a, &status, b);
    if (r <= 0) done(line, r); else { sprintf(text, "%s %s", pid_name(r), status_text(status)); say("%s = %s", line, text); }
  } else if (IS("waitid")) {
    siginfo_t info = {0};
    long r = waitid(a, b, &info, c);
    if (r < 0) done(line, r); else { sprintf(text, "%s code %d status %d", pid_name(info.si_pid), info.si_code, info.si_status); say("%s = %s", line, text); }
  } else if (IS("getppid")) say("%s = %s", line, pid_name(getppid()));
  else if (IS("getpgid")) { long r = getpgid(a); if (r < 0) done(line, r); else say("%s = %s", line, pid_name(r)); }
  else if (IS("getsid")) { long r = getsid(a); if (r < 0) done(line, r); else say("%s = %s", line, pid_name(r)); }
  else if (IS("setpgid")) done(line, setpgid(a, b));
  else if (IS("setsid")) done(line, setsid() < 0 ? -1 : 0);
  else if (IS("exit")) _exit(a);
  else if (IS("pipe")) { int fds[2]; done(line, pipe(fds)); *variable(w[1]) = fds[0]; *variable(w[2]) = fds[1]; }
  else if (IS("socketpair")) { int fds[2]; done(line, socketpair(AF_UNIX, !strcmp(w[3], "stream") ? SOCK_STREAM : !strcmp(w[3], "dgram") ? SOCK_DGRAM : SOCK_SEQPACKET, 0, fds)); *variable(w[1]) = fds[0]; *variable(w[2]) = fds[1]; }
  else if (IS("read")) done(line, read(a, bytes, b));
  else if (IS("write")) done(line, write(a, bytes, b));
  else if (IS("send")) done(line, send(a, bytes, b, c));
  else if (IS("recv")) done(line, recv(a, bytes, b, c));
  else if (IS("rcvtimeo")) { b = ms(b); struct timeval t = {b / 1000, b % 1000 * 1000}; done(line, setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t)); }
  else if (IS("shutdown")) done(line, shutdown(a, b));
  else if (IS("close")) done(line, close(a));
  else if (IS("fcntl")) done(line, fcntl(a, b, c));
  else if (IS("poll")) { b = ms(b); struct pollfd fd = {a, POLLIN, 0}; sigset_t set; struct timespec limit = {b / 1000, b % 1000 * MS}; if (n > 3) set = set_of(w[3]); done(line, ppoll(&fd, a < 0 ? 0 : 1, b < 0 ? 0 : &limit, n > 3 ? &set : 0)); }
  else if (IS("select")) { a = ms(a); struct timeval limit = {a / 1000, a % 1000 * 1000}; done(line, select(0, 0, 0, 0, a < 0 ? 0 : &limit)); }
  else if (IS("epoll")) { struct epoll_event e; sigset_t set; if (n > 2) set = set_of(w[2]); int ep = epoll_create1(0); long r = epoll_pwait(ep, &e, 1, ms(a), n > 2 ? &set : 0); done(line, r); int saved = errno; close(ep); errno = saved; }
  else if (IS("signalfd")) { sigset_t set = set_of(w[2]); int fd = signalfd(-1, &set, SFD_NONBLOCK); *variable(w[1]) = fd; done(line, fd); }
  else if (IS("readsig")) { struct signalfd_siginfo info[4]; memset(info, 0, sizeof info); long r = read(a, info, b * sizeof info[0]); if (r < 0) done(line, r); else { int m = sprintf(text, "%ld:", r); for (int i = 0; i < r / (long)sizeof info[0]; i++) m += sprintf(text + m, " %u/%d/%s/%d/%d", info[i].ssi_signo, info[i].ssi_code, pid_name(info[i].ssi_pid), info[i].ssi_status, info[i].ssi_int); say("%s = %s", line, text); } }
  else if (IS("say")) say("%s%s", line + 4, "");
  else { say("no such step: %s%s", line, ""); _exit(9); }
}

static void run(int from, int depth) {
  for (int i = from; i < count; i++) {
    if (!strncmp(lines[i], "fork ", 5)) {
      int end = end_of(i);
      long pid = fork();
      if (pid == 0) {
        *variable("parent") = getppid();
        strcpy(who, lines[i] + 5);
        count = end;
        run(i + 1, depth + 1);
        _exit(0);
      }
      *variable(lines[i] + 5) = pid;
      i = end;
    } else step(lines[i]);
  }
}

int main(void) {
  char *line = 0;
  size_t size = 0;
  setpgid(0, 0);
  while (getline(&line, &size, stdin) > 0 && count < MAX_LINES - 1) {
    line[strcspn(line, "\n")] = 0;
    char *at = line + strspn(line, " ");
    if (*at) lines[count++] = strdup(at);
  }
  run(0, 0);
  _exit(0);
}
