"""A peer that speaks the seal protocol itself and ends its connection step by step, and servers for it.

The peer is the program seal_ending, the server mostly ending_server.py.
"""

import contextlib
import subprocess

from lib.process import PROGRAMS, PYTHON, Process, free_port, wait_until
from lib.seal import SealWrap
from lib.sealed import SCRIPTS
from lib.tap import check, equal


class Ending:
    """`role` is client or server. Commands are those of seal_ending.c; a list of them is sent one after another."""

    def __init__(self, role, port, keys, own, peer):
        argv = [PROGRAMS / "seal/seal_ending", role, port, keys.path(own), keys.peers, peer]
        self.process, self.answered = Process(argv, stdin=subprocess.PIPE), 0
        if role == "server":
            self.process.wait_for_port(port)

    def say(self, *commands):
        """Sends the commands; returns the rest of the last one's answer."""
        for command in commands:
            self.process.popen.stdin.write(command.encode() + b"\n")
            self.process.popen.stdin.flush()
        self.answered += len(commands)
        lines = wait_until(self.lines, lambda: f"the answer to {commands}; {self.process.text()!r}")
        return lines[self.answered - 1].partition(" ")[2]

    def lines(self):
        """All answers, once there are as many as commands."""
        lines = self.process.text().split("\n")[:-1]
        check(not lines or not lines[-1].startswith("failed: "), f"the peer: {self.process.text()!r}")
        check(self.process.running() or len(lines) >= self.answered, f"the peer ended: {self.process.text()!r}")
        return lines if len(lines) >= self.answered else None

    def finish(self):
        """Lets the process end; it must not have failed."""
        self.process.popen.stdin.close()
        self.process.popen.stdin = None
        equal(self.process.wait(), 0, f"status of the peer: {self.process.text()!r}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()


class Server:
    """A server that runs bare or sealed; PORT in its words is its port."""

    def __init__(self, mode, keys, argv):
        self.port = free_port()
        self.wrap = SealWrap(keys, identity="server", listen=self.port)
        argv = [str(word).replace("PORT", str(self.port)) for word in argv]
        self.process = Process(mode.argv(self.wrap, argv), stdin=subprocess.PIPE)
        self.process.wait_for_port(self.port)

    def go_on(self):
        """Ends the wait of an ending_server that holds. One that a read has failed in does not, and may have ended."""
        with contextlib.suppress(BrokenPipeError):
            self.process.popen.stdin.write(b"\n")
            self.process.popen.stdin.flush()

    def end(self):
        """What it printed."""
        equal(self.process.wait(), 0, f"status of the server: {self.process.text()!r}; log: {self.wrap.tail()}")
        return self.process.text().splitlines()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()


def echo(manner, *options):
    return [*PYTHON, SCRIPTS / "ending_server.py", manner, "PORT", *options]
