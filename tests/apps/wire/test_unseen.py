"""The wire plane and bytes that libc moves by itself: stdio, dprintf, aio; connections from other processes.

Each program sends plaintext without an interposed read or write. Unwrapped the plaintext passes, as it does under a
policy that refuses nothing.
"""

import os
import socket
import subprocess

from lib import hello, peers
from lib.process import DEADLINE, PROGRAMS, run, temporary_directory
from lib.tap import Tap, check, contains, equal
from lib.wrap import WireWrap

DATA = b"words that must not be read\n"
HELLO = hello.client_hello([hello.TLS13, hello.TLS12], [0xC02F, 0x1301], [0x1D])

PRELUDE = f"""
import array, ctypes, os, socket, struct, sys
port, DATA, HELLO = int(sys.argv[1]), {DATA!r}, {HELLO!r}
c = ctypes.CDLL(None, use_errno=True)
c.fdopen.restype = ctypes.c_void_p
def failed(): raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
def connected(): return socket.create_connection(('127.0.0.1', port))
"""

# If this fails, nothing has connected, and the listener would wait.
FAST_OPEN = """
s = socket.socket(); where = struct.pack('=HHBBBB8x', socket.AF_INET, socket.htons(port), 127, 0, 0, 1)
def failed_to_connect(): error = ctypes.get_errno(); connected().close(); raise OSError(error, os.strerror(error))
"""

# A connection that is inspected, whose number libc has closed by itself: `number` is free.
CLOSED = """
l = socket.create_server(('127.0.0.1', 0)); first = socket.create_connection(l.getsockname()); first.sendall(HELLO)
def close_first():
    number = first.detach(); f = c.fdopen(number, b'w')
    if not f or c.fclose(ctypes.c_void_p(f)) != 0: failed()
    return number
def sends(d, number):
    if d.fileno() != number: raise OSError('the number is not used again')
    d.sendall(DATA)
"""

SENDERS = {
    "by a stream of stdio": """
s = connected(); f = c.fdopen(s.fileno(), b'w')
if not f: failed()
c.fputs(DATA, ctypes.c_void_p(f)); c.fflush(ctypes.c_void_p(f))
""",
    "by a stream made before the connection": """
s = socket.socket(); f = c.fdopen(s.fileno(), b'w'); s.connect(('127.0.0.1', port))
c.fputs(DATA, ctypes.c_void_p(f)); c.fflush(ctypes.c_void_p(f))
""",
    "by a duplicate made before the connection": """
s = socket.socket(); d = s.dup(); s.connect(('127.0.0.1', port)); d.sendall(DATA)
""",
    "by a duplicate at a number that libc has closed": CLOSED + """
s = connected(); number = close_first(); sends(s.dup(), number)
""",
    "by a duplicate made before the connection, at a number that libc has closed": CLOSED + """
s = socket.socket(); number = close_first(); d = s.dup(); s.connect(('127.0.0.1', port)); sends(d, number)
""",
    "by a duplicate of a socket at a number that libc has closed": CLOSED + """
number = close_first(); s = socket.socket(); d = s.dup(); s.connect(('127.0.0.1', port)); sends(d, d.fileno())
if s.fileno() != number: raise OSError('the number is not used again')
""",
    "by dprintf": """
s = connected()
if c.dprintf(s.fileno(), b'%s', DATA) != len(DATA): failed()
""",
    "by the fortified vdprintf": """
s = connected()
if c.__dprintf_chk(s.fileno(), 1, b'%s', DATA) != len(DATA): failed()
""",
    "by aio_write": """
class aiocb(ctypes.Structure):  # aio.h
    _fields_ = [('fildes', ctypes.c_int), ('opcode', ctypes.c_int), ('priority', ctypes.c_int),
                ('buf', ctypes.c_char_p), ('nbytes', ctypes.c_size_t), ('signal', ctypes.c_int),
                ('notify', ctypes.c_int), ('rest', ctypes.c_char * 256)]
s = connected(); request = aiocb(fildes=s.fileno(), buf=DATA, nbytes=len(DATA), notify=1)
request.signal, request.notify = 0, 0
event = ctypes.cast(ctypes.byref(request, aiocb.signal.offset), ctypes.POINTER(ctypes.c_int))
event[3] = 1  # SIGEV_NONE
if c.aio_write(ctypes.byref(request)) != 0: failed()
list = (ctypes.c_void_p * 1)(ctypes.addressof(request)); c.aio_suspend(list, 1, None)
""",
    "by splice": """
s = connected(); r, w = os.pipe(); os.write(w, DATA)
if c.splice(r, None, s.fileno(), None, ctypes.c_size_t(100), 0) != len(DATA): failed()
""",
    "by sendmmsg that connects (MSG_FASTOPEN)": FAST_OPEN + """
class mmsghdr(ctypes.Structure):  # recvmmsg(2)
    _fields_ = [('name', ctypes.c_char_p), ('namelen', ctypes.c_uint), ('iov', ctypes.c_void_p), ('iovlen', ctypes.c_size_t),
                ('control', ctypes.c_void_p), ('controllen', ctypes.c_size_t), ('flags', ctypes.c_int), ('len', ctypes.c_uint)]
data = ctypes.create_string_buffer(DATA); part = (ctypes.c_size_t * 2)(ctypes.addressof(data), len(DATA))
message = mmsghdr(name=where, namelen=len(where), iov=ctypes.addressof(part), iovlen=1)
if c.sendmmsg(s.fileno(), ctypes.byref(message), 1, socket.MSG_FASTOPEN) != 1: failed_to_connect()
""",
    "by syscall(), sendto that connects (MSG_FASTOPEN)": FAST_OPEN + """
number = {'x86_64': 44, 'aarch64': 206}[os.uname().machine]
if c.syscall(ctypes.c_long(number), s.fileno(), DATA, ctypes.c_size_t(len(DATA)), socket.MSG_FASTOPEN, where,
             len(where)) != len(DATA): failed_to_connect()
""",
    "by a duplicate, in a child of clone(2) by its number that has called vfork(2)": """
import subprocess
number = {'x86_64': 56, 'aarch64': 220}[os.uname().machine]
child = c.syscall(ctypes.c_long(number), ctypes.c_long(17), 0, 0, 0, 0)  # SIGCHLD
if child != 0: sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
subprocess.run(['true'], stdout=subprocess.DEVNULL, check=True)
s = connected(); os.dup2(s.fileno(), 50); os.write(50, DATA)
""",
    "on a connection that it received in a message": """
s = connected(); a, b = socket.socketpair(); a.sendmsg([b'x'], [(1, 1, array.array('i', [s.fileno()]))])
d = socket.socket(fileno=array.array('i', b.recvmsg(9, 99)[1][0][2])[0])
d.sendall(DATA)
""",
}


def senders(tap):
    for words, script in SENDERS.items():
        with tap.case(f"plaintext {words} is refused if the policy refuses it, and only then"):
            for wrap, passes in ((None, True), (WireWrap("log", tls="log"), True), (WireWrap("refuse", mode="audit"), True),
                                 (WireWrap("refuse"), False)):
                argv = ["python3", "-c", PRELUDE + script]
                with peers.Recorder() as peer:
                    result = run([*(wrap.argv(argv) if wrap else argv), peer.port])
                log = f"{result!r}; log: {wrap.tail() if wrap else 'none'}"
                equal((result.status == 0, peer.received), (passes, DATA if passes else b""), log)
                if wrap and not passes and "aio" not in words:
                    equal(len(wrap.events("refused", rule="wire")), 1, log)


def pair():
    """Both ends of a new TCP connection: the one that connected, and the one that accepted."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), DEADLINE)
        return client, listener.accept()[0]


def answer(client):
    data = b""
    try:
        while more := client.recv(4096):
            data += more
    except OSError:
        pass
    return data


def inherited(tap):
    programs = temporary_directory()
    by_stdio = programs / "sock_inetd_stdio"
    os.symlink(PROGRAMS / "seal/sock_inetd", by_stdio)
    number = ["python3", "-c", "import os; print(os.read(7, 99), os.write(7, b'the answer'), flush=True)"]

    def ask(wrap, argv, words, low=True):
        client, server = pair()
        with client, server:
            if words is not None:
                client.sendall(words)
            client.shutdown(socket.SHUT_WR)
            if not low:
                os.dup2(server.fileno(), 7)
            process = subprocess.Popen(wrap.argv(argv) if wrap else argv, stdin=server if low else subprocess.DEVNULL,
                                       stdout=server if low else subprocess.DEVNULL, stderr=subprocess.PIPE,
                                       pass_fds=() if low else (7,))
            server.close()
            if not low:
                os.close(7)
            found = answer(client)
            error = process.communicate(timeout=DEADLINE)[1]
        return found, error

    for words, argv, low in (("stdin, read by stdio,", [by_stdio], True), ("descriptor 7", number, False)):
        with tap.case(f"plaintext on a connection inherited as {words} is refused if the policy refuses it"):
            bare = ask(None, argv, b"hello\n", low)[0]
            check(bare != b"", "the program answers bare")
            for wrap in (WireWrap("log"), WireWrap("refuse", mode="audit"), WireWrap("starttls" if low else "allow")):
                equal(ask(wrap, argv, b"hello\n", low)[0], bare, f"log: {wrap.tail()}")
            wrap = WireWrap("refuse")
            found, error = ask(wrap, argv, b"hello\n", low)
            equal(found, b"", f"{error!r}; log: {wrap.tail()}")
            equal(wrap.wait_event("refused")["role"], "server", "role")

    with tap.case("a server started for a silent client does not send first where plaintext is refused"):
        wrap = WireWrap("refuse", rules="[seal]\nhandshake-timeout = 1s\n")
        client, server = pair()
        with client, server:
            process = subprocess.Popen(wrap.argv(["sh", "-c", "echo first"]), stdin=server, stdout=server,
                                       stderr=subprocess.PIPE)
            server.close()
            equal(answer(client), b"", "what came")
            process.communicate(timeout=DEADLINE)
        contains(wrap.wait_event("refused")["reason"], "handshake-timeout", "reason")

    with tap.case("a hello is not plaintext, and a client's connection on stdin sends first"):
        wrap = WireWrap("refuse")
        client, server = pair()
        with client, server:
            client.sendall(HELLO)
            process = subprocess.Popen(wrap.argv(["head", "-c", str(len(HELLO))]), stdin=server,
                                       stdout=subprocess.PIPE)
            equal(process.communicate(timeout=DEADLINE)[0], HELLO, f"log: {wrap.tail()}")
        client, server = pair()
        with client, server:
            subprocess.run(wrap.argv(["head", "-c", "0"]), stdin=client, check=True, timeout=DEADLINE)
        equal(wrap.events("refused"), [], "refused")


def main():
    tap = Tap()
    senders(tap)
    inherited(tap)
    tap.finish()


main()
