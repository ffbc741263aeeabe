"""A network that delays, cuts and falsifies: sealed streams wait for what is missing, or end with an error.

Between the two ends is a relay of the test. Bare, the same runs show what the relay does: streams that are cut look
whole, and changed bytes arrive.
"""

import subprocess

from lib.listening import listens
from lib.middle import Middle
from lib.process import PROGRAMS, Process, free_port, wait_until
from lib.seal import MODES, Keys, SealWrap, needs_seal
from lib.tap import Failed, Tap, check, contains, equal, lacks

TEXT = 50000  # bytes that the scenarios *_writes_some send


class Ends:
    """A server and a client under separate policies, with a Middle between them."""

    def __init__(self, mode, keys, program, scenario, stdin=subprocess.DEVNULL, **middle):
        self.port = free_port()
        self.middle = Middle(self.port, **middle)
        self.wraps = {"server": SealWrap(keys, listen=self.port, handshake_timeout="3s"),
                      "client": SealWrap(keys, connect=self.middle.port, handshake_timeout="3s")}
        self.server = Process(self.argv(mode, "server", program, scenario, self.port), env=mode.environment(), stdin=stdin)
        wait_until(lambda: listens(self.port), "the server to listen")
        self.client = Process(self.argv(mode, "client", program, scenario, self.middle.port), env=mode.environment())

    def argv(self, mode, role, program, scenario, port):
        return mode.argv(self.wraps[role], [PROGRAMS / "seal" / program, scenario, port, "127.0.0.1", role])

    def words(self):
        return f"server: {self.server.text()!r}, client: {self.client.text()!r}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.stop()
        self.server.stop()
        self.middle.__exit__()


def holds(tap, keys, call, hold, sentence):
    """The loop must answer its commands while the relay holds the rest of a message back."""
    for mode in MODES:
        with tap.case(f"{mode.name}: {call}: {sentence}"):
            if mode.sealed:
                needs_seal()
            with Ends(mode, keys, "sock_poll", f"loop_{call}", subprocess.PIPE, hold=hold) as ends:
                ends.middle.wait_held()
                for count in range(1, 4):
                    ends.server.popen.stdin.write(b"?")
                    ends.server.popen.stdin.flush()
                    wait_until(lambda: ends.server.text().count("at ") >= count, lambda: f"an answer; {ends.words()}")
                if mode.sealed:
                    equal(ends.server.text().split("\n")[:3], ["at 0"] * 3, "what has been read of half a message")
                ends.middle.release()
                equal(ends.server.wait(), 0, f"status of the server; {ends.words()}")


def total(mode, keys, scenario):
    """How many bytes an undisturbed run sends up and down."""
    with Ends(mode, keys, "sock_close", scenario) as ends:
        equal((ends.server.wait(), ends.client.wait()), (0, 0), f"status; {ends.words()}")
        reader = ends.client if scenario.startswith("server") else ends.server
        contains(reader.text(), "end: clean", "an undisturbed stream")
        return dict(ends.middle.passed)


def end_of(mode, keys, scenario, **middle):
    """
    How the reader's stream ends when the relay does that, and what the reader printed. What is sent before the handshake
    is complete goes in fewer frames, so that runs differ in length: one that is too short for the offset is repeated.
    """
    for _ in range(20):
        with Ends(mode, keys, "sock_close", scenario, **middle) as ends:
            reader = ends.client if scenario.startswith("server") else ends.server
            status = reader.wait()
            (ends.server if reader is ends.client else ends.client).wait()
            if ends.middle.reached:
                return status, reader.text(), ends
    raise Failed(f"{middle} was never reached; {ends.words()}")


def check_error(status, text, what):
    """The reader got an error: ECONNRESET from a read, or ECONNREFUSED from connect, when it ended with status 1."""
    check((status == 0 and "end: reset" in text) or "connect (errno 111" in text, f"expected an error: {what}")


def places(mode, count):
    """Offsets in a stream: in a sealed one the handshake, the first frames, the middle, and the last frame.

    The very last byte is not among them: it is outside the seal and has no meaning once FINAL has been read.
    """
    if not mode.sealed:
        return [count // 2]
    return [3, 15, 27, 40, 100, 170, 200, 230, 1200, count // 2, count - 40, count - 21, count - 10]


def main():
    tap = Tap()
    keys = Keys("peer")
    for call in ("poll", "select", "epoll"):
        holds(tap, keys, call, 2500, "a loop with a blocking connection continues after half of a message")
        holds(tap, keys, call, 20, "a loop with a blocking connection continues after half of a handshake")

    for scenario, direction in (("client_writes_some", "up"), ("server_writes_some", "down")):
        for mode in MODES:
            with tap.case(f"{mode.name}: {scenario}: a stream that the network ends is "
                          f"{'an error, wherever it is cut' if mode.sealed else 'taken for whole'}"):
                if mode.sealed:
                    needs_seal()
                count = total(mode, keys, scenario)[direction]
                check(count >= TEXT, f"{count} bytes passed {direction}, expected {TEXT} or more")
                for place in places(mode, count):
                    status, text, ends = end_of(mode, keys, scenario, cut=(direction, place, "fin"))
                    if mode.sealed:
                        check_error(status, text, f"cut at {place} of {count} bytes; {ends.words()}")
                    else:
                        equal((status, "end: clean" in text), (0, True), f"cut at {place} of {count}; {ends.words()}")
            with tap.case(f"{mode.name}: {scenario}: a byte that the network changes "
                          f"{'is never delivered' if mode.sealed else 'is delivered'}"):
                if mode.sealed:
                    needs_seal()
                count = total(mode, keys, scenario)[direction]
                for place in places(mode, count):
                    status, text, ends = end_of(mode, keys, scenario, change=(direction, place))
                    if mode.sealed:
                        check_error(status, text, f"byte {place} of {count} changed; {ends.words()}")
                    else:
                        lacks(text, "end: ", f"byte {place} of {count} changed")
                        contains(text, "expected 0x", "what the reader prints of a changed byte")
    tap.finish()


main()
