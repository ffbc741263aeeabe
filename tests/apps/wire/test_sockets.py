"""The wire plane and what programs do with sockets: retries, duplicates, children, forks, threads, sharing.

Each program here is a few lines of Python without TLS, which sends hellos byte for byte; unwrapped its data must pass.
"""

import contextlib
import socket

from lib import hello
from lib.acceptor import Acceptor
from lib.process import DEADLINE, PROGRAMS, Process, free_port, run, wait_until
from lib.tap import Tap, check, contains, equal, lacks
from lib.wrap import WireWrap

CLIENT_HELLO = hello.client_hello([hello.TLS13, hello.TLS12], [0xC02F, 0x1301], [0x1D])
DATA = b"data that must not pass"


def server_hello(version):
    """A ServerHello of TLS 1.2, or of TLS 1.3 with a key share of X25519."""
    extensions = b""
    if version == "1.3":
        extensions = hello.extension(43, b"\3\4") + hello.extension(51, b"\0\x1d\0\x20" + bytes(32))
    body = b"\3\3" + bytes(32) + b"\x20" + bytes(32) + (b"\x13\1" if version == "1.3" else b"\xc0\x2f") + b"\0"
    body += len(extensions).to_bytes(2, "big") + extensions
    message = b"\2" + len(body).to_bytes(3, "big") + body
    return b"\x16\3\3" + len(message).to_bytes(2, "big") + message


PRELUDE = f"""
import os, socket, subprocess, sys, threading, select, time
HELLO, GOOD, WEAK, DATA = {CLIENT_HELLO!r}, {server_hello("1.3")!r}, {server_hello("1.2")!r}, {DATA!r}
port, answer = int(sys.argv[1]), WEAK if sys.argv[2] == 'weak' else GOOD
def all_of(s, n):
    data = b''
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more: break
        data += more
    return data
def accepted():
    l = socket.create_server(('127.0.0.1', port)); print('ready', flush=True); return l.accept()[0]
"""

# Each is a client: it sends the hello, reads the answer, and sends data. `answer` has the answer's length.
CLIENTS = {
    "that sends before it is connected, and again": """
s = socket.socket(); s.setblocking(False); s.connect_ex(('127.0.0.1', port))
tries = 0
while True:
    try: s.send(HELLO); break
    except BlockingIOError: tries += 1; select.select([], [s], [])
s.setblocking(True); all_of(s, len(answer)); s.sendall(DATA)
""",
    "that writes vectors and reads into vectors": """
s = socket.create_connection(('127.0.0.1', port))
os.writev(s.fileno(), [HELLO[:3], HELLO[3:50], b'', HELLO[50:]])
a, b = bytearray(7), bytearray(len(answer) - 7)
n = s.recvmsg_into([a, b])[0]; all_of(s, len(answer) - n); s.sendall(DATA)
""",
    "that peeks before it reads": """
s = socket.create_connection(('127.0.0.1', port)); s.sendall(HELLO)
while len(s.recv(len(answer), socket.MSG_PEEK)) < len(answer): pass
all_of(s, len(answer)); s.sendall(DATA)
""",
    "that continues with a duplicate": """
s = socket.create_connection(('127.0.0.1', port)); d = s.dup(); s.sendall(HELLO); s.close()
all_of(d, len(answer)); d.sendall(DATA)
""",
    "that continues with a duplicate as its stdin": """
s = socket.create_connection(('127.0.0.1', port)); s.sendall(HELLO); os.dup2(s.fileno(), 0); s.close()
n = 0
while n < len(answer): n += len(os.read(0, len(answer) - n))
os.write(0, DATA)
""",
    "that continues in a child": """
s = socket.create_connection(('127.0.0.1', port)); s.sendall(HELLO)
if os.fork() == 0:
    all_of(s, len(answer)); s.sendall(DATA); os._exit(0)
s.close(); sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
""",
    "that executes programs during the handshake": """
s = socket.create_connection(('127.0.0.1', port)); s.sendall(HELLO)
subprocess.run(['true'], close_fds=True); subprocess.run('true', shell=True); os.system('true')
all_of(s, len(answer)); s.sendall(DATA)
""",
    "that reads in one thread and writes in another": """
s = socket.create_connection(('127.0.0.1', port))
done = threading.Event(); failed = []
def read():
    try: all_of(s, len(answer))
    except OSError as error: failed.append(error)
    done.set()
threading.Thread(target=read).start(); s.sendall(HELLO); done.wait()
if failed: raise failed[0]
s.sendall(DATA)
""",
    "whose descriptor number another connection had before": """
for _ in range(20):
    s = socket.create_connection(('127.0.0.1', port)); s.sendall(HELLO[:40]); os.close(s.detach())
s = socket.create_connection(('127.0.0.1', port)); s.sendall(HELLO); all_of(s, len(answer)); s.sendall(DATA)
""",
    "by system calls": """
import ctypes
c = ctypes.CDLL(None, use_errno=True)
s = socket.create_connection(('127.0.0.1', port))
def call(*words):
    n = c.syscall(*words)
    if n < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return n
b = ctypes.create_string_buffer(len(answer)); n = 0
call(1, s.fileno(), HELLO, len(HELLO))
while n < len(answer): n += call(0, s.fileno(), ctypes.byref(b, n), len(answer) - n)
call(1, s.fileno(), DATA, len(DATA))
""",
}


class Peer(Acceptor):
    """An unwrapped server: for each connection reads the hello, sends `answer`, and keeps what comes then."""

    def __init__(self, answer):
        self.answer, self.received = answer, b""
        super().__init__()

    def accepted(self, connection, peer):
        connection.settimeout(DEADLINE)
        with connection, contextlib.suppress(OSError):
            if len(hello.receive(connection, len(CLIENT_HELLO))) == len(CLIENT_HELLO):
                connection.sendall(self.answer)
                while more := connection.recv(4096):
                    self.received += more


def clients(tap):
    for words, script in CLIENTS.items():
        with tap.case(f"a client {words} is cut after a weak answer, and passes after a good one"):
            for kind, version in (("weak", "1.2"), ("good", "1.3")):
                for wrap in (None, WireWrap()):
                    with Peer(server_hello(version)) as peer:
                        argv = ["python3", "-c", PRELUDE + script, peer.port, kind]
                        result = run(wrap.argv(argv) if wrap else argv)
                        log = wrap.tail() if wrap else "none"
                        peer.finish()
                        if wrap and kind == "weak":
                            check(result.status != 0, f"{result!r}; log: {log}")
                            contains(result.text, "Connection reset by peer", f"{result!r}; log: {log}")
                            equal(peer.received, b"", "what passed")
                            equal(len(wrap.events("refused", rule="wire")), 1, f"refused; log: {log}")
                        else:
                            equal((result.status, peer.received), (0, DATA), f"{kind}: {result!r}; log: {log}")
                        if wrap and kind == "good":
                            equal([len(wrap.events(name)) for name in ("observed", "refused", "unjudged", "plaintext")],
                                  [1, 0, 0, 0], f"events; log: {log}")


def shared_by_processes(tap):
    # The parent reads the hello, after the fork; the child, which has not read it, answers.
    script = """
s = accepted(); r, w = os.pipe()
if os.fork() == 0:
    os.read(r, 1); s.sendall(answer); s.sendall(DATA); os._exit(0)
all_of(s, len(HELLO)); os.write(w, b'x'); s.close(); sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    with tap.case("a connection that two processes share in the middle of its handshake is logged as unjudged, and continues"):
        wrap, port = WireWrap(), free_port()
        with Process(wrap.argv(["python3", "-c", PRELUDE + script, port, "good"])) as process:
            wait_until(lambda: "ready" in process.text(), lambda: process.text())
            with socket.create_connection(("127.0.0.1", port), DEADLINE) as connection:
                connection.sendall(CLIENT_HELLO)
                expected = server_hello("1.3") + DATA
                equal(hello.receive(connection, len(expected)), expected, f"what came; log: {wrap.tail()}")
            equal(process.wait(), 0, process.text())
        equal((len(wrap.events("refused")), len(wrap.events("unjudged"))), (0, 1), f"events; log: {wrap.tail()}")


def sandboxes(tap):
    """A program with both ends; one locks itself in, and is killed for any call that its filter does not allow."""
    program = PROGRAMS / "seal/sock_sandbox"
    for scenario in ("by_read", "by_poll", "by_recv", "at_once", "client", "limited"):
        with tap.case(f"plaintext passes behind a system call filter ({scenario}), or is cut without a forbidden call"):
            for plaintext, passes in (("log", True), ("allow", True), ("starttls", False)):
                wrap = WireWrap(plaintext)
                result = run(wrap.argv([program, scenario, free_port(), "127.0.0.1"]))
                log = f"{plaintext}: {result!r}; log: {wrap.tail()}"
                lacks(result.text, "SIGSYS", log)
                equal(result.status == 0 and result.out.endswith(b"ok\n"), passes, log)
                equal(bool(wrap.events("refused")), not passes, log)
                check(plaintext != "log" or wrap.events("plaintext"), log)


def others(tap):
    with tap.case("the wire plane ignores files, pipes, UDP and Unix sockets"):
        script = """
a, b = socket.socketpair(); a.sendall(b'GET /'); assert b.recv(9) == b'GET /'
u, v = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
u.bind(('127.0.0.1', 0)); v.connect(u.getsockname()); v.send(b'plain'); assert u.recv(9) == b'plain'
r, w = os.pipe(); os.write(w, b'plain'); assert os.read(r, 9) == b'plain'
print('through')
"""
        wrap = WireWrap("refuse")
        result = run(wrap.argv(["python3", "-c", PRELUDE + script, 0, "good"]))
        contains(result.out, b"through", f"{result!r}")
        equal([event["event"] for event in wrap.events()], ["policy"], "events")

    with tap.case("a file that gets a connection's descriptor number is not taken for the connection"):
        script = """
s = socket.create_connection(('127.0.0.1', port)); number = s.fileno(); s.sendall(HELLO[:20])
import ctypes
libc = ctypes.CDLL(None)
f = os.fdopen(s.detach(), 'rb'); stdio = libc.fdopen; stdio.restype = ctypes.c_void_p
p = stdio(number, b'r'); libc.fclose.argtypes = [ctypes.c_void_p]; libc.fclose(p)   # libc's own close
fd = os.open('/tmp', os.O_TMPFILE | os.O_RDWR); assert fd == number
assert os.write(fd, b'plain text') == 10 and os.pread(fd, 99, 0) == b'plain text'
os._exit(0)
"""
        wrap = WireWrap("refuse")
        with Peer(b"") as peer:
            result = run(wrap.argv(["python3", "-c", PRELUDE + script, peer.port, "good"]))
        equal(result.status, 0, f"{result!r}; log: {wrap.tail()}")
        lacks([event["event"] for event in wrap.events()], "refused", "events")

    with tap.case("invalid buffers and vectors are EFAULT on an inspected connection, as on a bare one"):
        script = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
s = socket.create_connection(('127.0.0.1', port)); s.sendall(HELLO[:20])
null = ctypes.c_void_p(0)
for call in (lambda fd: libc.write(fd, null, 10), lambda fd: libc.send(fd, null, 10, 0),
             lambda fd: libc.writev(fd, null, 1), lambda fd: libc.sendmsg(fd, null, 0)):
    assert call(s.fileno()) == -1 and ctypes.get_errno() == 14, ctypes.get_errno()
s.sendall(HELLO[20:]); all_of(s, len(answer)); s.sendall(DATA); s.shutdown(socket.SHUT_WR); os._exit(0)
"""
        for wrap in (None, WireWrap()):
            with Peer(server_hello("1.3")) as peer:
                argv = ["python3", "-c", PRELUDE + script, peer.port, "good"]
                result = run(wrap.argv(argv) if wrap else argv)
                peer.finish()
            equal((result.status, peer.received), (0, DATA), f"{result!r}; log: {wrap.tail() if wrap else 'none'}")

    with tap.case("plaintext before an invalid buffer of a vector is refused, though the kernel sends a part of it"):
        script = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
big = ctypes.create_string_buffer(b'p' * 200000)
parts = (ctypes.c_size_t * 4)(ctypes.addressof(big), 200000, 8, 10)
message = (ctypes.c_size_t * 7)(0, 0, ctypes.addressof(parts), 2, 0, 0, 0)  # struct msghdr
s = socket.create_connection(('127.0.0.1', port))
print(libc.writev(s.fileno(), parts, 2) if sys.argv[2] == 'writev' else libc.sendmsg(s.fileno(), message, 0), flush=True)
os._exit(0)
"""
        for call in ("writev", "sendmsg"):
            for wrap, passes in ((None, True), (WireWrap("refuse", mode="audit"), True), (WireWrap("refuse"), False)):
                with Peer(b"") as peer:
                    argv = ["python3", "-c", PRELUDE + script, peer.port, call]
                    result = run(wrap.argv(argv) if wrap else argv)
                log = f"{call}: {result!r}; log: {wrap.tail() if wrap else 'none'}"
                equal(int(result.out) > 0, passes, log)


def main():
    tap = Tap()
    clients(tap)
    shared_by_processes(tap)
    sandboxes(tap)
    others(tap)
    tap.finish()


main()
