# run: first
"""Handshakes under way in poll, select and epoll: loops serve other connections meanwhile, and get no spurious events.

Silent peers are plain sockets of the test. Bare, they are just silent; sealed, their handshake never ends.
"""

import contextlib
import ctypes
import os
import socket
import subprocess

from lib.listening import listens
from lib.process import DEADLINE, PROGRAMS, Process, find, free_port, run, wait_until
from lib.seal import MODES, Keys, SealWrap, descriptors, needs_seal
from lib.tap import Skip, Tap, check, contains, equal

MANNERS = ("poll", "poll_blocking", "ppoll", "select", "select_blocking", "pselect", "epoll", "epoll_blocking", "edge",
           "one_shot", "one_shot_blocking", "exclusive")
CLIENT_MANNERS = ("poll", "select", "epoll", "edge", "edge_before_connect", "one_shot", "exclusive")
TIMED_OUT = "the handshake took longer than handshake-timeout"
LOOPBACK = ("127.0.0.1", "127.0.0.1")
CLONE_NEWNET = 0x40000000


class Loop:
    """A ready_loop server, silent connections to it, and queries of its state."""

    def __init__(self, mode, keys, manner, ends, where=LOOPBACK, timeout="60s"):
        self.mode, self.port, self.where = mode, free_port(), where
        place = [f"{where[1]}:{self.port}"]
        self.wrap = SealWrap(keys, listen=place, connect=place, handshake_timeout=timeout)
        argv = [PROGRAMS / "seal/ready_loop", manner, "server", self.port, where[1], ends]
        self.server = Process(mode.argv(self.wrap, argv), env=mode.environment(), stdin=subprocess.PIPE)
        self.server.wait_for_port(self.port)
        self.silent, self.asked = [], 0

    def add_silent(self, count, words=b""):
        """Makes connections that send no more than `words`, and waits until the loop has accepted them."""
        for _ in range(count):
            one = socket.create_connection((self.where[1], self.port), source_address=(self.where[0], 0))
            self.silent.append(one)
            if words:
                one.sendall(words)
        wait_until(lambda: self.ask()[0] >= len(self.silent), "the loop to accept them all")

    def ask(self):
        """How many connections the loop has accepted, and how many of them have ended."""
        self.asked += 1
        self.server.popen.stdin.write(b"?")
        self.server.popen.stdin.flush()
        lines = wait_until(self.answers, lambda: f"an answer; the server printed {self.server.text()!r}")
        return int(lines[-1].split()[1]), int(lines[-1].split()[3])

    def answers(self):
        lines = [line for line in self.server.text().split("\n")[:-1] if line.startswith("accepted ")]
        check(self.server.running() or len(lines) >= self.asked, f"the server ended: {self.server.text()!r}")
        return lines if len(lines) >= self.asked else None

    def clients(self, manner, count):
        argv = [PROGRAMS / "seal/ready_loop", manner, "client", self.port, self.where[1], count, self.where[0]]
        result = run(self.mode.argv(self.wrap, argv), env=self.mode.environment())
        equal(result.status, 0, f"status of the clients; {result!r}; server: {self.server.text()!r}; "
                                f"log: {self.wrap.tail()}")

    def end_silent(self):
        for one in self.silent:
            one.close()
        self.silent = []

    def expect_end(self):
        equal(self.server.wait(), 0, f"status of the server: {self.server.text()!r}; log: {self.wrap.tail()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end_silent()
        self.server.stop()


def both(tap, sentence, function, *arguments):
    for mode in MODES:
        with tap.case(f"{mode.name}: {sentence}"):
            if mode.sealed:
                needs_seal()
            function(mode, *arguments)


def serve_beside_silent(mode, keys, manner, client_manner, silent, clients, where=LOOPBACK):
    """All clients are served while others are silent; these stay connected to the end."""
    with Loop(mode, keys, manner, silent + clients, where) as loop:
        loop.add_silent(silent // 2)
        # Sealed, it begins like a sealed client; bare, it would be echoed.
        loop.add_silent(silent - silent // 2, bytes.fromhex("f5706673770d0a01") if mode.sealed else b"")
        loop.clients(client_manner, clients)
        if silent:
            wait_until(lambda: loop.ask()[1] == clients, "the clients' connections to end")
        loop.end_silent()
        loop.expect_end()
        if mode.sealed:
            equal(len(loop.wrap.events("opened", role="server")), clients, "connections that were opened")


def silent_time_out(keys, manner, count, where=LOOPBACK):
    """Only time passes: the handshakes fail, the loop is notified, and nothing is left of them."""
    mode = MODES[1]
    with Loop(mode, keys, manner, count + 1, where, timeout="2s") as loop:
        loop.ask()
        before = descriptors(loop.server.pid)
        loop.add_silent(count)
        # No query meanwhile: only the clock may wake the loop.
        wait_until(lambda: len(loop.wrap.events("refused", role="server", reason=TIMED_OUT)) == count,
                   lambda: f"{count} handshakes to time out; log: {loop.wrap.tail()}")
        wait_until(lambda: loop.ask()[1] == count, "the loop to be notified")
        wait_until(lambda: descriptors(loop.server.pid) <= before + 1, "all descriptors but the log's to be closed")
        for one in loop.silent:
            one.settimeout(DEADLINE)
            with contextlib.suppress(ConnectionResetError):
                equal(one.recv(100), b"", "what a silent client receives")
        loop.end_silent()
        loop.clients(manner if manner in CLIENT_MANNERS else "epoll", 1)
        loop.expect_end()


def own_network():
    """Moves this process to a new network namespace, with two addresses on its loopback. Returns them."""
    if os.geteuid() != 0 or not find("ip"):
        raise Skip("a network namespace needs root and ip")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise Skip(f"no network namespace: {os.strerror(ctypes.get_errno())}")
    for words in (["link", "set", "lo", "up"], ["addr", "add", "10.99.1.1/32", "dev", "lo"],
                  ["addr", "add", "10.99.1.2/32", "dev", "lo"]):
        done = subprocess.run([find("ip"), *words], capture_output=True, text=True, check=False)
        equal(done.returncode, 0, f"ip {' '.join(words)}: {done.stderr}")
    return "10.99.1.1", "10.99.1.2"


def call_scenarios(tap, keys):
    """ready_calls: one connection that never receives a byte, and everything that may happen to a call that waits."""
    for scenario, sentence in (
            ("timeouts", "every call returns 0 at its timeout, and select updates its timeout to zero"),
            ("interrupted", "a signal interrupts every call"),
            ("masks", "a pending signal interrupts the calls that unblock it, at once, and no others"),
            ("cancelled", "a thread is cancelled in every call"),
            ("jumped_out", "a handler jumps out of every call, and the next one works"),
            ("many", "poll of 3,000 descriptors and select of numbers above 1,024"),
            ("claims_too_much", "select with sets smaller than its count"),
            ("few_files", "a process that cannot open more files polls and selects"),
            ("bad_descriptors", "closed descriptor numbers are POLLNVAL and EBADF"),
            ("closed", "a descriptor closed in its handshake is removed from epoll, and its number is free"),
            ("nested", "an epoll inside an epoll, and inside poll, reports nothing"),
            ("duplicate", "a duplicate and the original in one epoll"),
            ("fork", "a forked child that closes its copy takes no event away from its parent"),
    ):
        both(tap, sentence, one_call, keys, scenario)


def one_call(mode, keys, scenario):
    port = free_port()
    wrap = SealWrap(keys, listen=port, connect=port, handshake_timeout="60s", linger="1s")
    argv = mode.argv(wrap, [PROGRAMS / "seal/ready_calls", scenario, port, "127.0.0.1", "server"])
    with Process(argv, env=mode.environment()) as process:
        wait_until(lambda: listens(port), "the program to listen")
        with socket.create_connection(("127.0.0.1", port)):
            status = process.wait()
        equal(status, 0, f"status; {process.text()!r}; log: {wrap.tail()}")
        contains(process.text(), "ok\n", "what it prints at the end")


def threads(tap, keys):
    for manner in ("level", "edge", "one_shot", "exclusive"):
        both(tap, f"threads that wait on one epoll from before the first connection share {manner} events",
             threads_serve, keys, manner)
    with tap.case("sealed: silent handshakes time out in threads that wait on one epoll"):
        needs_seal()
        port = free_port()
        wrap = SealWrap(keys, listen=port, connect=port, handshake_timeout="1s")
        with Process(wrap.argv([PROGRAMS / "seal/ready_threads", "level", port, "127.0.0.1", 5])) as process:
            process.wait_for_port(port)
            silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
            equal(process.wait(), 0, f"status; {process.text()!r}; log: {wrap.tail()}")
            equal(len(wrap.events("refused", reason=TIMED_OUT)), 5, "handshakes that have timed out")
            for one in silent:
                one.close()


def threads_serve(mode, keys, manner):
    port = free_port()
    wrap = SealWrap(keys, listen=port, connect=port, handshake_timeout="60s")
    argv = mode.argv(wrap, [PROGRAMS / "seal/ready_threads", manner, port, "127.0.0.1", 45])
    with Process(argv, env=mode.environment()) as process:
        process.wait_for_port(port)
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
        argv = [PROGRAMS / "seal/ready_loop", "epoll", "client", port, "127.0.0.1", 40, "127.0.0.1"]
        result = run(mode.argv(wrap, argv), env=mode.environment())
        equal(result.status, 0, f"status of the clients; {result!r}; {process.text()!r}; log: {wrap.tail()}")
        for one in silent:
            one.close()
        equal(process.wait(), 0, f"status; {process.text()!r}; log: {wrap.tail()}")


def main():
    tap = Tap()
    keys = Keys("peer")
    for manner in MANNERS:
        both(tap, f"{manner}: a loop serves 20 clients beside 20 silent connections", serve_beside_silent,
             keys, manner, "poll", 20, 20)
    for manner in CLIENT_MANNERS:
        both(tap, f"{manner}: 50 connections are made at once", serve_beside_silent, keys, "epoll", manner, 0, 50)
    for manner in ("poll", "epoll", "edge"):
        both(tap, f"{manner}: a loop serves 20 clients beside 1,000 silent connections", serve_beside_silent,
             keys, manner, "epoll", 1000, 20)
    for manner in MANNERS:
        with tap.case(f"sealed: {manner}: silent handshakes time out though nothing else happens"):
            needs_seal()
            silent_time_out(keys, manner, 10)
    with tap.case("sealed: epoll: 1,000 silent handshakes time out and leave nothing behind"):
        needs_seal()
        silent_time_out(keys, "epoll", 1000)
    call_scenarios(tap, keys)
    threads(tap, keys)

    try:
        where = own_network()
    except Skip as reason:
        tap.result(True, "peers that are not on this machine", skip=str(reason))
        tap.finish()
    for manner in MANNERS:
        both(tap, f"{manner}: a loop serves 20 clients from elsewhere beside 20 silent connections",
             serve_beside_silent, keys, manner, "edge", 20, 20, where)
    for manner in CLIENT_MANNERS:
        both(tap, f"{manner}: 50 connections elsewhere are made at once", serve_beside_silent,
             keys, "edge", manner, 0, 50, where)
    for manner in ("poll", "poll_blocking", "select", "epoll", "epoll_blocking"):
        with tap.case(f"sealed: {manner}: silent handshakes from elsewhere time out though nothing else happens"):
            needs_seal()
            silent_time_out(keys, manner, 10, where)
    tap.finish()


main()
