"""Proves that an unmodified program works as before when both ends are sealed, and that the wire then shows nothing.

A script has a way to start its servers and a list of cases. All of it runs twice: bare, where each case must show its
words on the wire in plain text, and sealed, where every stream begins with the magic, no packet has a readable run of
bytes, and the audit logs have connections and no refusal. Uses lib.seal and lib.sniff.
"""

import contextlib
import os
import pwd

from lib.process import DEADLINE, ROOT, Process, free_port, run, temporary_directory, wait_until
from lib.seal import MAGIC, Keys, SealWrap, look_case, missing
from lib.sniff import Sniffer, missing_capture
from lib.tap import Failed, Skip, check, equal

SCRIPTS = ROOT / "tests/apps/programs/seal"  # Python programs that are run as the clients and servers of a case
MARKER = b"this-is-readable-on-the-wire"
# 32 printable bytes in a row occur in 10 MB of random bytes once in five million captures.
READABLE = bytes(chr(byte).isprintable() and byte < 0x7f or byte in b"\r\n\t" for byte in range(256))
RUN = b"\1" * 32


def readable(packet):
    """The first readable run of bytes and what follows it, or None. A regular expression takes ten times as long."""
    begin = packet.translate(READABLE).find(RUN)
    return packet[begin:begin + 200] if begin >= 0 else None


class Reader(Sniffer):
    """A Sniffer that also keeps the first readable run of bytes that it meets."""

    def __init__(self, port, words):
        self.readable = None
        super().__init__(port, words)

    def take(self, packet):
        super().take(packet)
        if self.readable is None:
            self.readable = readable(packet)  # headers of a packet are not readable


class Bare:
    """The programs bare, on free ports of the loopback; each case may use any of the ports."""

    label = "bare"

    def __init__(self, ports):
        self.ports, self.folder = [free_port() for _ in range(ports)], temporary_directory()

    @property
    def port(self):
        return self.ports[0]

    def server_argv(self, argv):
        return [str(word) for word in argv]

    def client_argv(self, argv):
        return [str(word) for word in argv]

    def server(self, argv, port=None, user=None, **options):
        """A server that runs until it is stopped, as another user if this is root; returns once it listens."""
        argv = self.server_argv(argv)
        if user and os.geteuid() == 0:
            self.hand_to(pwd.getpwnam(user))
            argv = ["setpriv", "--reuid", user, "--regid", str(pwd.getpwnam(user).pw_gid), "--clear-groups", *argv]
        return Process(argv, **options).wait_for_port(port or self.port)

    def hand_to(self, user):
        """Gives a user what a server that is never root must own."""
        os.chown(self.folder, user.pw_uid, user.pw_gid)

    def client(self, argv, data=b"", timeout=DEADLINE, **options):
        """Runs a client to its end; returns its Result."""
        return run(self.client_argv(argv), data=data, timeout=timeout, **options)

    def background(self, argv, **options):
        """Starts a client that runs while the case does other things."""
        return Process(self.client_argv(argv), **options)

    def tail(self):
        return ""

    def check_wire(self, wires, word):
        """Checks a capture of the case that has just ended."""
        if word:
            check(any(word in wire.seen() for wire in wires),
                  f"expected {word} in plain text on the wire, or the case proves nothing")

    @contextlib.contextmanager
    def watched(self, word):
        """Captures the wire of all ports while the block runs, if that is possible."""
        if missing_capture():
            yield
            return
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(Reader(port, [word] if word else [MARKER])) for port in self.ports]
            yield
        self.check_wire(wires, word)


class Sealed(Bare):
    """Both ends under pfswrap, each with its own keys; either may listen on and connect to any of the ports."""

    label = "sealed"

    def __init__(self, ports, **settings):
        super().__init__(ports)
        where = [f"{host}:{port}" for port in self.ports for host in ("127.0.0.1", "[::1]")]
        self.keys = Keys("server", "client")
        self.keys.peers.chmod(0o644)
        # Servers also connect: a proxy to its upstream, a replica to its master.
        self.wraps = [SealWrap(self.keys, identity=name, listen=where, connect=where, peer="server", **settings)
                      for name in ("server", "client")]
        for wrap in self.wraps:  # programs that change their user read them afterwards
            wrap.policy.chmod(0o644)

    def server_argv(self, argv):
        return self.wraps[0].argv(argv)

    def client_argv(self, argv):
        return self.wraps[1].argv(argv)

    def hand_to(self, user):
        super().hand_to(user)
        self.wraps[0].log.touch()
        for path in (self.keys.path("server"), self.wraps[0].log):
            os.chown(path, user.pw_uid, user.pw_gid)

    def tail(self):
        return "\n".join(f"{name}'s log: {wrap.tail()}" for name, wrap in zip(("server", "client"), self.wraps))

    def events(self, kind):
        return [event for wrap in self.wraps for event in wrap.events(kind)]

    def check_wire(self, wires, word):
        check(sum(wire.bytes() for wire in wires) > 0, "expected bytes on the wire")
        for wire in wires:
            equal((wire.seen(), wire.readable), (set(), None), f"plain text on the wire of port {wire.port}")
            for head in wire.client_heads():
                equal(head[:len(MAGIC)], MAGIC[:max(len(head), 1)], f"what a client's stream to {wire.port} begins with")

    @contextlib.contextmanager
    def watched(self, word):
        opened, refused = len(self.wraps[0].events("opened")), len(self.events("refused"))
        with super().watched(word):
            yield
        wait_until(lambda: len(self.wraps[0].events("opened")) > opened, "an event of a sealed connection")
        equal(self.events("refused")[refused:], [], "refusals")


def prove(tap, name, start, cases, ports=1):
    """
    Runs the cases bare and sealed. `start(ends)` yields once the servers are up (a generator function, as for contextlib)
    and ends them afterwards;
    `cases` are pairs of a sentence and a function of (ends, what start yielded).
    """
    for kind in (Bare, Sealed):
        if kind is Sealed and missing():
            tap.result(True, f"{name} sealed", skip=missing())
            continue
        ends, running, server = kind(ports), contextlib.ExitStack(), None
        with tap.case(f"{name} {ends.label} starts"), explained(ends):
            server = running.enter_context(contextlib.contextmanager(start)(ends))
        if server is None:
            continue
        for sentence, act in cases:
            with tap.case(f"{name} {ends.label}: {sentence}"), explained(ends, server):
                with ends.watched(getattr(act, "word", MARKER)):
                    act(ends, server)
        with tap.case(f"{name} {ends.label} ends on SIGTERM"), explained(ends, server):
            running.close()


def word_on_the_wire(word):
    """Sets what is readable bare if it is not MARKER (a program's own words); None if nothing has to be."""
    def mark(act):
        act.word = word
        return act
    return mark


@contextlib.contextmanager
def explained(ends, server=None):
    """Adds to a failure what the server printed and what the audit logs say."""
    try:
        yield
    except (Skip, Failed, OSError, AssertionError) as failure:
        if isinstance(failure, Skip):
            raise
        printed = server.text()[-1500:] if hasattr(server, "text") else ""
        raise Failed(f"{failure}\nthe server printed: {printed}\n{ends.tail()}") from failure


def ended(process, statuses=(0,), seconds=DEADLINE):
    """Sends SIGTERM to a server, and checks that it exits with one of these statuses."""
    process.popen.terminate()
    status = process.wait(seconds)
    check(status in statuses, f"expected an exit status in {statuses}, found {status}; it printed {process.text()[-800:]}")


def begin(tap):
    """What a script of sealed programs reports once."""
    look_case(tap)
