"""Runs scripts of system calls on the kernel: JSON lists of steps on stdin, JSON lists of outcomes on stdout."""
import ctypes, json, os, select, socket, struct, sys, time

libc = ctypes.CDLL(None, use_errno=True)
NONBLOCK = 0o4000


class Run:
    def __init__(self):
        self.fds = {}

    def call(self, name, *args):
        result = getattr(libc, name)(*args)
        return result if result >= 0 else -ctypes.get_errno()

    def fd(self, name):
        return self.fds.get(name, 63)

    def guard(self, call):
        try:
            return call()
        except OSError as error:
            return -error.errno

    def own(self, name, sock):
        self.fds[name] = sock.detach()

    def new(self, name, fd):
        if fd >= 0:
            self.fds[name] = fd
        return min(fd, 0)

    def settle(self):
        time.sleep(0.001)

    def step(self, op, *args):
        return getattr(self, 'op_' + op)(*args)

    def op_pair(self, a, b):
        listener = socket.create_server(('127.0.0.1', 0))
        one = socket.create_connection(listener.getsockname())
        two = listener.accept()[0]
        one.setblocking(False)
        two.setblocking(False)
        self.own(a, one)
        self.own(b, two)
        listener.close()
        return 0

    def op_udp(self, a, b):
        pair = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for s in pair:
            s.bind(('127.0.0.1', 0))
            s.setblocking(False)
        names = [s.getsockname() for s in pair]
        pair[0].connect(names[1])
        pair[1].connect(names[0])
        self.own(a, pair[0])
        self.own(b, pair[1])
        return 0

    def op_local(self, a, b, type=1):
        pair = (ctypes.c_int * 2)()
        result = self.call('socketpair', 1, type | NONBLOCK, 0, pair)
        self.fds[a], self.fds[b] = pair
        return result

    def op_pipe(self, a, b):
        pair = (ctypes.c_int * 2)()
        result = self.call('pipe2', pair, NONBLOCK)
        self.fds[a], self.fds[b] = pair
        return result

    def op_socket(self, name):
        s = socket.socket()
        s.setblocking(False)
        self.own(name, s)
        return 0

    def op_listen(self, name):
        s = socket.create_server(('127.0.0.1', 0))
        s.setblocking(False)
        self.own(name, s)
        return 0

    def op_connect(self, name, to):
        s = socket.socket()
        s.setblocking(False)
        peer = socket.socket(fileno=os.dup(self.fd(to)))
        address = peer.getsockname()
        peer.close()
        result = self.guard(lambda: s.connect(address) or 0)
        self.own(name, s)
        self.settle()
        return 0 if result == -115 else result

    def op_accept(self, name, at):
        return self.new(name, self.call('accept4', self.fd(at), None, None, NONBLOCK))

    def op_epoll(self, name, flags=0):
        return self.new(name, self.call('epoll_create1', flags))

    def op_ctl(self, ep, op, name, events=None, data=0):
        event = None if events is None else struct.pack('=IQ', events, data)
        return self.call('epoll_ctl', self.fd(ep), op, self.fd(name), event)

    def op_wait(self, ep, most):
        room = ctypes.create_string_buffer(12 * max(most, 1))
        n = self.call('epoll_wait', self.fd(ep), room, most, 0)
        return n if n < 0 else [list(struct.unpack_from('=IQ', room, 12 * i))[::-1] for i in range(n)]

    def op_send(self, name, n, settle=True):
        result = self.guard(lambda: os.write(self.fd(name), b'x' * n))
        if settle:
            self.settle()
        return result

    def op_recv(self, name, n, settle=True):
        result = self.guard(lambda: len(os.read(self.fd(name), n)))
        if settle:
            self.settle()
        return result

    def op_shutdown(self, name, how, settle=True):
        result = self.call('shutdown', self.fd(name), how)
        if settle:
            self.settle()
        return result

    def op_close(self, name, settle=True):
        result = self.call('close', self.fd(name))
        self.fds.pop(name, None)
        if settle:
            self.settle()
        return result

    def op_dup(self, name, copy):
        return self.new(copy, self.call('dup', self.fd(name)))

    def op_dup2(self, name, to):
        return min(self.call('dup2', self.fd(name), self.fd(to)), 0)

    def op_eventfd(self, name, initial=0, flags=NONBLOCK):
        return self.new(name, self.call('eventfd', initial, flags))

    def op_write64(self, name, value):
        return self.guard(lambda: os.write(self.fd(name), int(value).to_bytes(8, 'little')))

    def op_read64(self, name):
        return self.guard(lambda: str(int.from_bytes(os.read(self.fd(name), 8), 'little')))

    def op_timerfd(self, name, clock=1, flags=NONBLOCK):
        return self.new(name, self.call('timerfd_create', clock, flags))

    def op_settime(self, name, flags, value, interval=(0, 0)):
        return self.call('timerfd_settime', self.fd(name), flags, struct.pack('=4q', *interval, *value), None)

    def op_poll(self, name, events):
        room = ctypes.create_string_buffer(struct.pack('=ihh', self.fd(name), events, 0), 8)
        self.call('poll', room, 1, 0)
        return struct.unpack('=ihH', room.raw)[2]

    def op_select(self, *names):
        sets = [ctypes.create_string_buffer(128) for _ in range(3)]
        for s, wanted in zip(sets, names):
            for name in wanted:
                fd = self.fd(name)
                s[fd // 8] = bytes([s[fd // 8][0] | 1 << fd % 8])
        n = self.call('select', 1024, *sets, struct.pack('=qq', 0, 0))
        if n < 0:
            return n
        found = [[m for m in wanted if s[self.fd(m) // 8][0] >> self.fd(m) % 8 & 1] for s, wanted in zip(sets, names)]
        return [n, *found]

    def over(self):
        os.closerange(3, 256)


def run(script):
    r = Run()
    try:
        return [r.step(*step) for step in script]
    finally:
        r.over()


json.dump([run(script) for script in json.load(sys.stdin)], sys.stdout)
