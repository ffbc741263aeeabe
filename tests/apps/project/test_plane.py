"""A new plane is one file and one line: an object with a third plane in its list, which the calls then ask.

mk/plane.mk adds tests/plane/counting.c and the line. The plane counts what the interposed calls report to it.
"""

import re
import sys

from lib.process import BUILD, run
from lib.tap import Tap, check, equal
from lib.wrap import Wrap

OBJECT = BUILD / "tests" / "plane" / "libpfswrap.so"

# Two connections: one is used directly, the other one by duplicates. Each end has 5 bytes for the other one.
PROGRAM = """
import os, socket
listener = socket.create_server(("127.0.0.1", 0))
for copies in (False, True):
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    if copies:
        os.dup2(client.fileno(), 100)
        first, second = os.dup(client.fileno()), 100
        client.close()
        os.write(first, b"hello")
        os.close(first)
        assert server.recv(5, socket.MSG_WAITALL) == b"hello"
        server.sendall(b"world")
        assert os.read(second, 5) == b"world"
        os.close(second)
    else:
        client.sendall(b"hello")
        assert server.recv(5, socket.MSG_WAITALL) == b"hello"
        server.sendall(b"world")
        assert client.recv(5, socket.MSG_WAITALL) == b"world"
        client.close()
    assert server.recv(5) == b""
    server.close()
pair = socket.socketpair()
pair[0].sendall(b"no connection")
"""


def counts(done):
    line = re.search(r"^plane: connects (\d+) accepts (\d+) sends (\d+)/(\d+) receives (\d+)/(\d+) copies (\d+) ends (\d+)$",
                     done.err.decode(), re.MULTILINE)
    return tuple(map(int, line.groups())) if line else None


def run_program(library, wrap):
    environment = {**wrap.preload(), "LD_PRELOAD": str(library)}
    done = run(["env", *(f"{name}={value}" for name, value in environment.items()), sys.executable, "-c", PROGRAM])
    equal(done.status, 0, f"exit status, with {done.err}")
    return done


def main():
    tap = Tap()
    unprotected = Wrap(extra="[wire]\ntls = off\nplaintext = allow")
    with tap.case("the object without the plane counts nothing"):
        equal(counts(run_program(BUILD / "libpfswrap.so", unprotected)), None, "counts")
    with tap.case("a third plane sees each connect, accept, send, receive, duplicate and end"):
        equal(counts(run_program(OBJECT, unprotected)), (2, 2, 4, 20, 6, 20, 2, 6), "counts")
    with tap.case("a connection that an earlier plane has is not the third one's"):
        inspected = Wrap(extra="[wire]\ntls = pfs\nplaintext = log")
        found = counts(run_program(OBJECT, inspected))
        check(found is not None, "no counts")
        equal(found[:6], (0, 0, 0, 0, 0, 0), "counts")
    tap.finish()


main()
