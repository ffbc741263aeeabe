"""A new plane is one file and one line: an object with a third plane in its list, which the calls then ask.

mk/plane.mk adds tests/plane/counting.c and the line. The plane counts what the interposed calls report to it.
"""

import re
import sys

from lib.process import BUILD, run, temporary_directory
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

# One wait of each kind for a readable connection, an exec that fails, and its number in a message and in posix_spawn(3).
WAITS = """
import errno, os, select, socket
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
server.sendall(b"x")
pair = socket.socketpair()
poll = select.poll()
poll.register(client, select.POLLIN)
poll.register(pair[0], select.POLLIN)
assert poll.poll() == [(client.fileno(), select.POLLIN)]
assert select.select([client, pair[0]], [], []) == ([client], [], [])
epoll = select.epoll()
epoll.register(client, select.EPOLLIN)
assert epoll.poll() == [(client.fileno(), select.EPOLLIN)]
with open("not-a-program", "w") as file:
    os.fchmod(file.fileno(), 0o755)
    file.write("neither ELF nor a script")
try:
    os.execv("./not-a-program", ["not-a-program"])
except OSError as error:
    assert error.errno == errno.ENOEXEC
socket.send_fds(pair[0], [b"x"], [client.fileno(), pair[0].fileno()])
os.waitpid(os.posix_spawn("/bin/true", ["true"], {}, file_actions=[(os.POSIX_SPAWN_DUP2, client.fileno(), 0)]), 0)
"""


def counts(done, pattern=r"connects (\d+) accepts (\d+) sends (\d+)/(\d+) receives (\d+)/(\d+) copies (\d+) ends (\d+)"):
    """The last process prints last: what it executed has ended before."""
    lines = re.findall(rf"^plane: {pattern}$", done.err.decode(), re.MULTILINE)
    return tuple(map(int, lines[-1])) if lines else None


def run_program(library, wrap, program=PROGRAM):
    environment = {**wrap.preload(), "LD_PRELOAD": str(library)}
    done = run(["env", "-C", temporary_directory(), *(f"{name}={value}" for name, value in environment.items()),
                sys.executable, "-c", program])
    equal(done.status, 0, f"exit status, with {done.err}")
    return done


def main():
    tap = Tap()
    unprotected = Wrap(extra="[wire]\ntls = off\nplaintext = allow")
    with tap.case("the object without the plane counts nothing"):
        equal(counts(run_program(BUILD / "libpfswrap.so", unprotected)), None, "counts")
    with tap.case("a third plane sees each connect, accept, send, receive, duplicate and end"):
        equal(counts(run_program(OBJECT, unprotected)), (2, 2, 4, 20, 6, 20, 2, 6), "counts")
    with tap.case("a third plane sees each wait, its own events, execs, and numbers that other programs get"):
        equal(counts(run_program(OBJECT, unprotected, WAITS),
                     r"waits (\d+) sweeps (\d+) asks (\d+) answers (\d+) epoll (\d+) execs (\d+)/(\d+) exports (\d+)"),
              (3, 1, 2, 2, 1, 1, 1, 2), "counts")
    with tap.case("a connection that an earlier plane has is not the third one's"):
        inspected = Wrap(extra="[wire]\ntls = pfs\nplaintext = log")
        found = counts(run_program(OBJECT, inspected))
        check(found is not None, "no counts")
        equal(found[:6], (0, 0, 0, 0, 0, 0), "counts")
    tap.finish()


main()
