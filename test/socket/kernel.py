"""Socket addresses on this machine's kernel: reads steps as JSON, prints each answer (0 or more, or -errno)."""
import ctypes
import json
import os
import sys

libc = ctypes.CDLL(None, use_errno=True)


def answer(result):
    return -ctypes.get_errno() if result < 0 else result


def socket(family, kind, protocol):
    fd = libc.socket(family, kind, protocol)
    result = answer(fd)
    if fd >= 0:
        os.close(fd)
        return 0
    return result


def name(call, fd, room):
    """getsockname with `room` bytes: the answer, the length and the bytes there was room for, ports of chance as 0."""
    buffer = ctypes.create_string_buffer(b'\xaa' * 128, 128)
    length = ctypes.c_uint32(room)
    result = answer(call(fd, buffer, ctypes.byref(length)))
    return [result, length.value, buffer.raw[: min(room, length.value)].hex()] if result == 0 else [result]


def address(family, kind, call, data, addrlen):
    """bind, connect or sendto of a fresh socket with the bytes of an address."""
    fd = libc.socket(family, kind | 0o4000, 0)
    data = bytes.fromhex(data)
    buffer = ctypes.create_string_buffer(data, max(len(data), 1))
    try:
        if call == 'sendto':
            return [answer(libc.sendto(fd, b'x', 1, 0x4000, buffer, addrlen))]
        result = answer(getattr(libc, call)(fd, buffer, addrlen))
        # What bind makes of a name, in rooms of several sizes.
        if call == 'bind' and result == 0:
            return [result] + [name(libc.getsockname, fd, room) for room in (0, 1, 2, 5, 16, 111, 128)]
        return [result]
    finally:
        os.close(fd)


os.chdir(sys.argv[1])
# Paths that the steps bind are relative and short; nothing is left of them for the next step.
steps = json.load(sys.stdin)
out = []
for step in steps:
    out.append(globals()[step[0]](*step[1:]))
    for left in os.listdir('.'):
        os.unlink(left)
json.dump(out, sys.stdout)
