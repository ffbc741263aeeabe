"""close() of a sealed connection never waits, and what goes on after it has an end: strangers, and peers that do not read.

The timeouts of the policy are long where no call may wait for them: such a call would fail the case.
"""

import os
import re
import resource
import socket
import subprocess

from lib.listening import listens
from lib.process import PROGRAMS, Process, free_port, wait_until
from lib.seal import MODES, Keys, SealWrap, needs_seal
from lib.tap import Tap, check, equal

PROGRAM = PROGRAMS / "seal/sock_linger"
STRANGERS, LIMIT, CLIENTS = 1000, 64, 5
DROPPED = ("the program closed it before the peer had proved its identity, and too few descriptors were free to wait for "
           "the peer")
NOT_MORE = ["setpriv", "--bounding-set", "-net_admin"]  # the kernel does not extend a send buffer beyond its limit


class Told(Process):
    """A program that gets its commands by standard input, and prints a line for each."""

    def __init__(self, argv, **options):
        super().__init__(argv, stdin=subprocess.PIPE, **options)

    def tell(self, command, answer):
        """Sends a line, and returns the number in the next line that begins with `answer`."""
        before = len(re.findall(rf"^({answer}) ", self.text(), re.MULTILINE))
        self.order(command)
        return self.told(answer, before)

    def order(self, command):
        self.popen.stdin.write(f"{command}\n".encode())
        self.popen.stdin.flush()

    def told(self, answer, skip=0):
        found = wait_until(lambda: re.findall(rf"^({answer}) (\d+)$", self.text(), re.MULTILINE)[skip:],
                           lambda: f"{answer}; it printed {self.text()!r}")
        return found[0][0], int(found[0][1])

    def number(self, command, answer):
        return self.tell(command, answer)[1]

    def finish(self):
        self.popen.stdin.close()
        equal(self.wait(), 0, f"status of {self.argv[-3:]}, which printed {self.text()!r}")


def raise_limit():
    """This process is all strangers at once."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, most), most))


def connect(port, count):
    return [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]


def crowd(tap, keys):
    """A full server turns away strangers that are silent."""
    sentence = f"{STRANGERS} silent strangers that a server turns away neither hold it up nor use up its descriptors"
    for mode in MODES:
        with tap.case(f"{mode.name}: {sentence}"):
            if mode.sealed:
                needs_seal()
            port = free_port()
            patient = {"linger": "120s", "handshake_timeout": "120s"}
            server_wrap = SealWrap(keys, listen=port, **patient)
            server = Told(mode.argv(server_wrap, [PROGRAM, "crowd", port, LIMIT, CLIENTS]))
            wait_until(lambda: listens(port), "the server to listen")
            pinger = Told(mode.argv(SealWrap(keys, connect=port, **patient), [PROGRAM, "pinger", port]))
            pinger.tell("ping", "pong")
            free = server.number("room", "room")
            held, expected = [], STRANGERS - (CLIENTS - 1)
            for part in range(10):
                held += connect(port, STRANGERS // 10)
                equal(pinger.number("ping", "pong"), part + 1, "answers to the client that was there before")
            wait_until(lambda: server.number("count", "turned away") == expected, "all strangers to be turned away")
            left = server.number("room", "room")
            check(left >= (free - CLIENTS + 1) * 3 // 4, f"expected three quarters of {free} descriptors free, found {left}")
            if mode.sealed:
                explain(server_wrap, expected)
            more(server, port)
            for each in held:
                each.close()
            pinger.finish()
            server.finish()


def explain(wrap, expected):
    """The log counts what was dropped, in few lines."""
    lines = wrap.events("refused", reason=DROPPED)
    known = sum(int(line.get("detail", "0").split()[0]) + ("peer" in line) for line in lines)
    check(0 < len(lines) <= 60, f"expected at most a line each second, found {len(lines)}")
    check(known <= expected, f"expected at most {expected} connections that were dropped, the log has {known}")


def more(server, port):
    """What is kept for strangers never keeps the server from taking clients, up to its limit of descriptors."""
    free = LIMIT - 24  # without the program's and the shim's own, and the clients
    server.order("most 1000")
    held = connect(port, free)
    wait_until(lambda: server.number("count", "turned away") and server.number("room", "room") <= LIMIT - free,
               "the server to take them all")
    for each in held:
        each.close()


def filled(mode, keys, before, linger):
    """A closer whose connection is full and closed, and its reader: (closer, reader, bytes, wrap of the closer)."""
    port = free_port()
    wrap = SealWrap(keys, listen=port, linger=linger)
    closer = Told([*before, *mode.argv(wrap, [PROGRAM, "closer", port])])
    wait_until(lambda: listens(port), "the server to listen")
    reader = Told(mode.argv(SealWrap(keys, connect=port), [PROGRAM, "reader", port]))
    reader.told("greeted")
    return closer, reader, closer.told("sent")[1], wrap


def is_over(closer):
    """Whether nothing of the closed connection is left in the process. ThreadSanitizer's runtime has a thread of its own."""
    return closer.number("state", "threads") <= 1 + (os.environ.get("PFSWRAP_SANITIZED") == "thread")


def never_read(tap, keys):
    """A peer that does not read."""
    for name, before, end in (("and the kernel keeps what it has", [], "end"),
                              ("and the stream is reset where the kernel cannot take it all", NOT_MORE, "reset")):
        with tap.case(f"sealed: a peer that never reads holds a closed connection no longer than linger, {name}"):
            needs_seal()
            closer, reader, sent, wrap = filled(MODES[1], keys, before, "1s")
            closed = wrap.wait_event("closed")
            equal((closed["end"], closed.get("reason")), ("unsent", "the peer did not take everything within linger"),
                  "how the closed connection ended")
            wait_until(lambda: is_over(closer), "the end of the background thread")
            how, received = reader.tell("rest", "end|reset")
            equal(how, end, "the end that the peer finds")
            check(received == sent or (end == "reset" and received < sent), f"{received} of {sent} bytes arrived")
            reader.finish()
            closer.finish()


def slow(tap, keys):
    """A peer that reads, but slowly."""
    for mode in MODES:
        for before in ([], NOT_MORE):
            with tap.case(f"{mode.name}: a slow reader gets everything after a close, however long it takes "
                          f"({'small' if before else 'large'} send buffer)"):
                if mode.sealed:
                    needs_seal()
                closer, reader, sent, wrap = filled(mode, keys, before, "3s")
                equal(reader.tell("slow", "end|reset"), ("end", sent), "what arrives")
                if mode.sealed:
                    equal(wrap.wait_event("closed")["end"], "clean", "how the connection ended")
                wait_until(lambda: is_over(closer), "the end of the background thread")
                reader.finish()
                closer.finish()


def main():
    tap = Tap()
    raise_limit()
    keys = Keys("peer")
    crowd(tap, keys)
    never_read(tap, keys)
    slow(tap, keys)
    tap.finish()


main()
