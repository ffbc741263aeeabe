"""Descriptor numbers that change hands while connections are sealed or inspected: by libc, threads and children."""

from lib import hello, peers
from lib.process import run
from lib.seal import Scenarios
from lib.tap import Tap, check, equal
from lib.wrap import WireWrap

DATA = b"words that must not be read\n"
HELLO = hello.client_hello([hello.TLS13, hello.TLS12], [0xC02F, 0x1301], [0x1D])

COPIED = """
import os, socket, sys
s = socket.socket(); os.dup2(s.fileno(), 40)
s.connect(('127.0.0.1', int(sys.argv[1])))
socket.socket(fileno=40).sendall(bytes.fromhex(sys.argv[2]))
"""

# The stream closes its descriptor inside libc; the next socket has the same number.
STREAMED = """
import ctypes, socket, sys
c = ctypes.CDLL(None)
c.fdopen.restype = ctypes.c_void_p
number = socket.socket().detach()
assert c.fclose(ctypes.c_void_p(c.fdopen(number, b'r+'))) == 0
s = socket.socket()
assert s.fileno() == number, (s, number)
s.connect(('127.0.0.1', int(sys.argv[1])))
s.sendall(bytes.fromhex(sys.argv[2]))
"""


def said(script, words, policy):
    """What a peer receives of `words`, and the program's result and log. `policy(port)` makes a Wrap, or None: bare."""
    with peers.Recorder() as peer:
        wrap = policy(peer.port)
        argv = ["python3", "-c", script, peer.port, words.hex()]
        result = run(wrap.argv(argv) if wrap else argv)
    return peer.received, result.status == 0, f"{result!r}; log: {wrap.tail() if wrap else 'none'}"


def bare(_):
    return None


def refusing(_):
    return WireWrap("refuse")


def logging(_):
    return WireWrap("log", tls="log")


def allowing(port):
    return WireWrap("refuse", f"[connect old]\naddress = 127.0.0.1:{port}\nplaintext = allow\n")


def passes(script, words, policy):
    received, fine, details = said(script, words, policy)
    equal((received, fine), (words, True), f"what passed; {details}")


def is_cut(script, words, policy):
    received, fine, details = said(script, words, policy)
    equal((received, fine), (b"", False), f"what was cut; {details}")
    check('"refused"' in details, f"a refusal in the log; {details}")


def watched(tap):
    with tap.case("wire: plaintext is cut on a duplicate that dup2() made before the socket was connected"):
        for policy in (bare, logging, allowing):
            passes(COPIED, DATA, policy)
        is_cut(COPIED, DATA, refusing)
        passes(COPIED, HELLO, refusing)
    with tap.case("wire: a socket with the number of a stream that fclose() has closed passes where it is allowed"):
        for policy in (bare, logging, allowing):
            passes(STREAMED, DATA, policy)
        is_cut(STREAMED, DATA, refusing)
    with tap.case("wire: a socket with the number of a stream that fclose() has closed passes if it carries TLS"):
        for policy in (bare, refusing):
            passes(STREAMED, HELLO, policy)


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_reuse")
    on.both("closed_stream", "one of two streams is written after fclose() closed the other and another socket got its number")
    on.both("vforks", "children of vfork() put the connection at 1 and execute, and no thread's plain file fails")
    # The child reads a second after the handshake's timeout: by then the handshake must be complete.
    on.both("cloned", "a child of clone() by number that accepts and reads late is served", handshake_timeout="5s",
            not_thread="a child of clone() has the locks of ThreadSanitizer's runtime that other threads had taken")
    on.both("pipes", "a pipe ends although a child was forked while it and the connection had the same number in turn")
    on.both("lingering", "a file that has the number of a plain connection whose close() lingers is written at once",
            marked=False, rules="[wire]\ntls = off\nplaintext = allow\n")
    on.both("flagged", "a file is read and keeps its close-on-exec flag while refused connections close",
            marked=False)

    on = Scenarios(tap, "sock_left")
    on.both("jumped", "a connect() that a handler left by siglongjmp() is refused when called again, and write() fails",
            marked=False)
    on.both("cancelled", "a connect() whose thread was cancelled is refused when called again, and write() fails",
            marked=False)
    watched(tap)
    tap.finish()


main()
