# run: first
"""Servers and clients of Python's standard library, sealed: asyncio, selectors, socketserver (forks, threads)."""

from lib.process import PYTHON
from lib.sealed import SCRIPTS, begin, ended, prove
from lib.tap import Tap, equal

SERVERS = ("asyncio", "forking", "threading", "plain", "select", "poll", "epoll")


def start_kind(kind):
    """The start function of one server."""
    def start(ends):
        server = ends.server([*PYTHON, SCRIPTS / "python_servers.py", kind, ends.port])
        yield server
        ended(server)
    return start


def talk(kind):
    """The case of one client."""
    def act(ends, _server):
        done = ends.client([*PYTHON, SCRIPTS / "python_client.py", kind, ends.port])
        equal((done.status, done.out), (0, b"ok\n"), f"{done!r}")
    return act


def main():
    tap = Tap()
    begin(tap)
    for kind in SERVERS:
        cases = [("a blocking client receives lines, 3 MB and what follows its half-close", talk("blocking")),
                 ("a client with a timeout receives them, too", talk("timeout"))]
        if kind != "plain":  # which serves one connection after another
            cases.append(("30 connections of an asyncio client at once receive them, too", talk("asyncio")))
        prove(tap, f"Python's {kind} server", start_kind(kind), cases)
    tap.finish()


main()
