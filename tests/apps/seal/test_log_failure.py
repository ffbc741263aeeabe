"""log-failure: what a program does when its audit log cannot be written: from the start, or later, and until it can be."""

import os
import resource
import subprocess

from lib import certs, peers
from lib.process import PYTHON, Process, find, free_port, run, temporary_directory, wait_until
from lib.seal import Keys, SealWrap
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import LAUNCHER, LIBRARY

NOBODY = 65534
ECHO = """
import socket, sys, threading
def one(connection):
    with connection:
        try:
            while data := connection.recv(100):
                connection.sendall(data)
        except OSError:
            pass
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()
"""
# Makes a connection for each line `KIND PORT`, or uses the first one again, and prints whether it is answered.
CLIENT = """
import socket, ssl, sys
context, kept = ssl.create_default_context(cafile=sys.argv[1]), []
for line in sys.stdin:
    kind, port = line.split()
    try:
        if kind != "again":
            connection = socket.create_connection(("127.0.0.1", int(port)), 30)
            if kind == "tls":
                connection = context.wrap_socket(connection, server_hostname="localhost")
            kept.append(connection)
        connection = kept[0 if kind == "again" else -1]
        connection.sendall(b"ping")
        print("answered" if connection.recv(4) == b"ping" else "ended", flush=True)
    except OSError as error:
        print("refused", type(error).__name__, flush=True)
"""


def echo_tls(connection, _peer):
    while data := connection.recv(100):
        connection.sendall(data)


class Client:
    """A wrapped program that makes connections when it is told to."""

    def __init__(self, wrap):
        self.process = subprocess.Popen(wrap.argv([*PYTHON, "-c", CLIENT, certs.authority().cert]),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ask(self, kind, port=0):
        self.process.stdin.write(f"{kind} {port}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()[:1]

    def limit(self, bytes_of_files):
        """The process can write no byte to a file behind this offset (setrlimit(2))."""
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (bytes_of_files, resource.RLIM_INFINITY))

    def end(self):
        """Its standard error; the exit status must be 0."""
        self.process.stdin.close()
        text = self.process.stderr.read()
        equal(self.process.wait(), 0, f"status; standard error: {text}")
        return text


class Ends:
    """Echo servers: one that seals, one with TLS, and one without anything."""

    def __init__(self):
        self.keys = Keys("peer")
        self.sealed, self.plain = free_port(), free_port()
        self.wrap = SealWrap(self.keys, listen=self.sealed)
        self.processes = [Process(self.wrap.argv([*PYTHON, "-c", ECHO, self.sealed])).wait_for_port(self.sealed),
                          Process([*PYTHON, "-c", ECHO, self.plain]).wait_for_port(self.plain)]
        self.server = peers.Server(echo_tls)
        self.kinds = (("sealed", self.sealed), ("tls", self.server.port), ("plain", self.plain))

    def client_wrap(self, failure, log=None):
        wrap = SealWrap(self.keys, connect=self.sealed)
        wrap.log = log or wrap.log
        text = wrap.policy.read_text()
        old = next(line for line in text.splitlines() if line.startswith("log = "))
        wrap.policy.write_text(text.replace(old, f"log = {wrap.log}\nlog-failure = {failure}"))
        return wrap

    def answers(self, client):
        return {kind: client.ask(kind, port) for kind, port in self.kinds}


ALL_ANSWERED = {kind: ["answered"] for kind in ("sealed", "tls", "plain")}
ALL_REFUSED = {kind: ["refused"] for kind in ("sealed", "tls", "plain")}


def refuse_start(tap, ends):
    folder = temporary_directory()
    (folder / "a-folder").mkdir()
    for what, log, reason in (("in a folder that does not exist", folder / "none/audit.jsonl", "No such file or directory"),
                              ("that is a folder", folder / "a-folder", "Is a directory"),
                              ("on a full disk", "/dev/full", "No space left on device")):
        for failure in ("refuse", "continue"):
            with tap.case(f"log-failure = {failure}: a program whose log is {what} "
                          f"{'does not start' if failure == 'refuse' else 'starts, and says so in one line'}"):
                result = run(ends.client_wrap(failure, log).argv(["echo", "started"]))
                line = f"pfswrap: cannot write the audit log to {log}: {reason}"
                if failure == "refuse":
                    line += ", expected a log that can be written (log-failure = refuse)"
                equal((result.status, result.out), (125, b"") if failure == "refuse" else (0, b"started\n"), f"{result!r}")
                equal(result.err.decode(), f"{line}\n", "standard error")
    with tap.case("log-failure = refuse: a program that may not write to its log does not start"):
        if os.geteuid() != 0 or not find("setpriv"):
            raise Skip("only root with setpriv can become another user")
        wrap = ends.client_wrap("refuse", folder / "audit.jsonl")
        wrap.policy.chmod(0o644)
        (folder / "audit.jsonl").touch(0o600)
        become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        if run([*become, "test", "-r", LIBRARY, "-a", "-x", LAUNCHER]).status != 0:
            raise Skip("the user nobody cannot reach the build tree")
        result = run([*become, LAUNCHER, "run", "--policy", wrap.policy, "true"])
        equal(result.status, 125, f"{result!r}")


def refuse_later(tap, ends):
    with tap.case("log-failure = refuse: while the log cannot be written, new connections are refused, open ones continue"):
        wrap = ends.client_wrap("refuse")
        client = Client(wrap)
        equal(ends.answers(client), ALL_ANSWERED, f"connections before; log {wrap.tail()}")
        client.limit(wrap.log.stat().st_size + 10)
        equal(ends.answers(client), ALL_REFUSED, f"connections without a log; {wrap.tail()}")
        equal(client.ask("again"), ["answered"], "the open connection")
    with tap.case("log-failure = refuse: as soon as it can be written, they are accepted, and the log says what is missing"):
        client.limit(resource.RLIM_INFINITY)
        equal(ends.answers(client), ALL_ANSWERED, f"connections afterwards; log {wrap.tail()}")
        equal(client.ask("again"), ["answered"], "the open connection")
        lost = wrap.events("lost")
        check(len(lost) == 1 and lost[0]["events"] >= 3, f"events that are missing: {lost}; log {wrap.tail()}")
        text = client.end()
        equal(text.count("cannot write the audit log"), 1, f"lines in {text!r}")
    with tap.case("log-failure = continue: connections are not refused, and the log says what is missing"):
        wrap = ends.client_wrap("continue")
        client = Client(wrap)
        equal(ends.answers(client), ALL_ANSWERED, f"connections before; log {wrap.tail()}")
        client.limit(wrap.log.stat().st_size + 10)
        equal(ends.answers(client), ALL_ANSWERED, f"connections without a log; {wrap.tail()}")
        client.limit(resource.RLIM_INFINITY)
        equal(ends.answers(client), ALL_ANSWERED, f"connections afterwards; log {wrap.tail()}")
        check(sum(event["events"] for event in wrap.events("lost")) >= 3, f"events that are missing; log {wrap.tail()}")
        client.end()
    with tap.case("log-failure = refuse: a server refuses, too"):
        port = free_port()
        listening = SealWrap(ends.keys, listen=port)
        listening.policy.write_text(listening.policy.read_text().replace("[tls]", "log-failure = refuse\n[tls]", 1))
        client = Client(SealWrap(ends.keys, connect=port))
        with Process(listening.argv([*PYTHON, "-c", ECHO, port])).wait_for_port(port) as server:
            equal(client.ask("sealed", port), ["answered"], "before")
            resource.prlimit(server.popen.pid, resource.RLIMIT_FSIZE,
                             (listening.log.stat().st_size + 10, resource.RLIM_INFINITY))
            check(client.ask("sealed", port) != ["answered"], "a connection without a log")
            resource.prlimit(server.popen.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            equal(client.ask("sealed", port), ["answered"], "afterwards")
        client.end()


def disk_full(tap, ends):
    with tap.case("log-failure = refuse: a file system that fills up and has room again"):
        folder = temporary_directory()
        if os.geteuid() != 0 or run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]).status != 0:
            raise Skip("a small file system needs root and mount(2)")
        try:
            wrap = ends.client_wrap("refuse", folder / "audit.jsonl")
            client = Client(wrap)
            equal(ends.answers(client), ALL_ANSWERED, f"connections before; log {wrap.tail()}")
            with (folder / "rest").open("wb", buffering=0) as rest:
                try:
                    while rest.write(b"x" * 4096):
                        pass
                except OSError:
                    pass
            refused = 0  # the log's last page may still have room
            for _ in range(100):
                refused += client.ask("plain", ends.plain) == ["refused"]
            check(refused > 50, f"refused connections: {refused}")
            (folder / "rest").unlink()
            equal(ends.answers(client), ALL_ANSWERED, "connections afterwards")
            client.end()
            contains(wrap.log.read_text(), '"event":"lost"', "the log")
        finally:
            run(["umount", "-l", folder])


def removed_and_rotated(tap, ends):
    for how in ("removed", "renamed, as logrotate does it", "removed with its folder"):
        with tap.case(f"log-failure = refuse: a log that is {how}"):
            folder = temporary_directory() / "logs"
            folder.mkdir()
            wrap = ends.client_wrap("refuse", folder / "audit.jsonl")
            client = Client(wrap)
            equal(ends.answers(client), ALL_ANSWERED, f"connections before; log {wrap.tail()}")
            if how.startswith("renamed"):
                wrap.log.rename(folder / "audit.jsonl.1")
            else:
                wrap.log.unlink()
            if how.endswith("folder"):
                folder.rmdir()
                equal(ends.answers(client), ALL_REFUSED, "connections without a folder")
                folder.mkdir()
            equal(ends.answers(client), ALL_ANSWERED, f"connections afterwards; log {wrap.tail()}")
            # The path is looked at once a second.
            wait_until(lambda: ends.answers(client) == ALL_ANSWERED and wrap.log.exists() and wrap.events("opened"),
                       "a new log with new connections")
            client.end()


def main():
    tap = Tap()
    ends = Ends()
    refuse_start(tap, ends)
    refuse_later(tap, ends)
    disk_full(tap, ends)
    removed_and_rotated(tap, ends)
    tap.finish()


main()
