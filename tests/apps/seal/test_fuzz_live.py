"""Hostile peers that know the protocol and have the right keys, against servers that run: nothing wrong is passed on.

tests/peers/mutating_peer.py says what they do. A server that compares what it receives runs in four ways (poll, epoll,
threads, forks), with and without a preshared key; Redis is another one. The same inside TLS (layer = tls): blocking, polling,
with records that the program moves, and Redis. By default each server gets 120 hostile connections, or as many as there are
in two seconds. PFSWRAP_FUZZ_MINUTES=30 takes that long in all
(`make fuzz-live MINUTES=30`), PFSWRAP_FUZZ_SEED makes other choices, and PFSWRAP_FUZZ_LAYER is socket or tls, for one of them.
"""
# timeout: 7200

import os
import socket
import time
from collections import Counter
from pathlib import Path

from lib import certs, layer
from lib.process import DEADLINE, PROGRAMS, PYTHON, ROOT, Process, find, free_port, python_with, run, wait_until
from lib.seal import Keys, SealWrap, command, descriptors, needs_seal
from lib.tap import Skip, Tap, check, equal

MINUTES = float(os.environ.get("PFSWRAP_FUZZ_MINUTES", "0"))
SEED = int(os.environ.get("PFSWRAP_FUZZ_SEED", "1"))
LAYER = os.environ.get("PFSWRAP_FUZZ_LAYER", "")
SOCKET_TARGETS = (("poll", False, False), ("epoll", True, False), ("threads", False, False), ("fork", True, False),
                  ("redis", False, False))
TLS_TARGETS = (("threads", True, True), ("poll", False, True), ("memory", False, True), ("redis", True, True))
TARGETS = {"socket": SOCKET_TARGETS, "tls": TLS_TARGETS, "": SOCKET_TARGETS + TLS_TARGETS}[LAYER]  # server, psk, inside TLS
SECONDS = max(MINUTES * 60 / len(TARGETS), 2)
WORKERS = 2
CONNECTIONS = 0 if MINUTES else 60  # that each worker makes at most, or 0: as many as there is time for
GROWTH = 8192   # KiB that a server may keep: the memory of the log's file system is not part of it


TLS_CLIENT = """
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
data = bytes(range(256)) * 100
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as raw, context.wrap_socket(raw, server_hostname="localhost") as tls:
    tls.sendall(data)
    echo = b""
    while len(echo) < len(data) and (piece := tls.recv(65536)):
        echo += piece
    sys.exit(echo != data)
"""


class Server:
    """A sealed server, and what it used before the hostile peers came."""

    def __init__(self, keys, way, psk, inside, seed):
        self.seed, self.inside = seed, inside
        self.way, self.port, self.keys = way, free_port(), keys
        self.psk = psk
        self.wrap = SealWrap(keys, listen=[f"0.0.0.0:{self.port}"], clients="any", handshake_timeout="20s", linger="5s",
                             rules="layer = tls" if inside else "", **({"psk": psk} if psk else {}))
        certificate = certs.server()
        argv = [PROGRAMS / "seal/sock_journal", way, self.port, seed]
        if inside:
            argv = [PROGRAMS / "layer/layer_journal", way, self.port, seed, certificate.cert, certificate.key]
        if way == "redis":
            argv = [find("redis-server"), "--save", "", "--protected-mode", "no", "--bind", "0.0.0.0",
                    *(layer.redis(self.wrap.folder, self.port)[1:] if inside else ["--port", self.port])]
        self.process = Process(self.wrap.argv(argv))
        self.process.wait_for_port(self.port)
        self.client = SealWrap(keys, connect=self.port, rules="layer = tls" if inside else "", **({"psk": psk} if psk else {}))

    def check_serves(self, when):
        """A client under pfswrap gets its bytes back, in time."""
        authority = certs.authority().cert
        argv = [PROGRAMS / "seal/sock_exec", "echo", self.port, "127.0.0.1", "client"]
        if self.inside:
            argv = [*PYTHON, "-c", TLS_CLIENT, self.port, authority]
        if self.way == "redis":
            argv = [find("redis-cli"), "-p", self.port, *(["--tls", "--cacert", authority] if self.inside else []), "ping"]
        begun = time.monotonic()
        result = run(self.client.argv(argv), env={"SOCK_SEALED": "1"})
        equal(result.status, 0, f"a client {when}, after {time.monotonic() - begun:.1f} s: {result!r}; {self.wrap.tail()}")

    def journal(self):
        """{address: (bytes passed on, whether one was wrong, whether it has ended)}, in each connection's order."""
        found = {}
        for line in self.process.text().splitlines():
            address, what, number = line.split()
            total, wrong, open_ = found.get(address, (0, None, 0))
            if what == "open":
                found[address] = (total, wrong, open_ + 1)
            elif what == "wrong":
                found[address] = (total, int(number), open_)
            else:
                found[address] = (int(number), wrong, open_ - 1)
        return found

    def status(self, name):
        """A number of /proc/PID/status."""
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name + ":"))

    def used(self):
        return descriptors(self.process.pid), self.status("Threads")


def bare(tap):
    with tap.case("bare: the server says which byte its client should not have sent, and when the client ends"):
        port = free_port()
        with Process([PROGRAMS / "seal/sock_journal", "poll", port, SEED]) as process:
            process.wait_for_port(port)
            with socket.create_connection(("127.0.0.1", port), DEADLINE, ("127.1.0.0", 0)) as connection:
                connection.sendall(b"\0\1\2\3\4\5\6\7")
            wait_until(lambda: process.text().splitlines() == ["127.1.0.0 open 0", "127.1.0.0 wrong 0", "127.1.0.0 end 8"],
                       lambda: f"the journal: {process.text()}")


def hostile(server, python, seconds, connections, worker):
    keys = server.keys
    words = {"port": server.port, "seconds": seconds, "seed": server.seed, "worker": worker, "peer": keys.public("peer"),
             "secret": keys.path("hostile").read_text().split()[0]}
    if connections:
        words["connections"] = connections
    if server.inside:
        words["tls"] = 1
    if server.psk:
        words["psk"] = Path(server.psk).read_text().split()[0]
    if server.way == "redis":
        words["echoes"] = 0
    return Process([python, "-B", ROOT / "tests/peers/mutating_peer.py", *(f"--{name}={value}" for name, value in words.items())])


def attack(server, python, seconds, connections):
    """Lets the workers run; a client under pfswrap must be served meanwhile. Returns their lines, in fields."""
    workers = [hostile(server, python, seconds, connections, number) for number in range(1, WORKERS + 1)]
    while any(worker.running() for worker in workers):
        server.check_serves("among hostile peers")
        check(server.process.running(), f"the server ended: {server.process.text()[-500:]} {server.wrap.tail()}")
        time.sleep(0.2)
    lines = [line.split() for worker in workers for line in worker.text().splitlines()]
    for worker in workers:
        equal(worker.popen.returncode, 0, f"status of hostile peers, which printed {worker.text()[-1500:]}")
    return lines


def check_journal(server, lines):
    """No byte that was not sent, in order, before what an attacker changed; every honest byte."""
    wait_until(lambda: all(open_ == 0 for _, _, open_ in server.journal().values()),
               lambda: f"the end of {[entry for entry in server.journal().items() if entry[1][2]][:5]}", 2 * DEADLINE)
    journal = server.journal()
    for address, kind, allowed, required, *_ in lines:
        passed, wrong, _ = journal.get(address, (0, None, 0))
        check(wrong is None, f"{address} ({kind}): byte {wrong} was not sent by the peer with the key")
        check(int(required) <= passed <= int(allowed),
              f"{address} ({kind}): {passed} bytes were passed on, expected {required} to {allowed}")


def check_log(server):
    """Every line is JSON (Wrap.events() looks), and every refusal has its reason. Returns how often each was given."""
    reasons = Counter()
    for event in server.wrap.events():
        if event["event"] == "refused" or event.get("end") == "error":
            check(event.get("reason"), f"an event without a reason: {event}")
            reasons[event["reason"]] += 1
    return reasons


def fuzz(tap, keys, python, target, psk, seed):
    way, with_psk, inside = target
    psk = psk if with_psk else None
    name = f"{way}{' inside TLS' if inside else ''}{' with a preshared key' if psk else ''}"
    with tap.case(f"{name}: hostile peers with the right keys change nothing that others receive, and leave nothing behind"):
        needs_seal()
        if way == "redis" and not find("redis-server"):
            raise Skip("no redis-server")
        if way == "redis" and os.environ.get("PFSWRAP_SANITIZED") == "address":
            raise Skip("AddressSanitizer's runtime cannot start in it")
        server = Server(keys, way, psk, inside, seed)
        server.check_serves("before")
        attack(server, python, 1, CONNECTIONS // 2)  # what is used once is in memory after this
        before, memory = server.used(), server.status("VmRSS")
        lines = attack(server, python, SECONDS, CONNECTIONS)
        if way != "redis":
            check_journal(server, lines)
        wait_until(lambda: server.used()[0] <= before[0] and server.used()[1] <= before[1],
                   lambda: f"descriptors and threads {server.used()} to become {before}", 2 * DEADLINE)
        grown = server.status("VmRSS") - memory
        check(grown <= GROWTH, f"the server keeps {grown} KiB after {len(lines)} connections, expected at most {GROWTH}")
        server.check_serves("afterwards")
        reasons = check_log(server)
        equal(server.process.stop(DEADLINE), 0, f"status of the server: {server.process.text()[-500:]}")
        kinds = Counter(line[1] for line in lines)
        print(f"# {name}: {len(lines)} connections, {grown} KiB more; {dict(kinds)}\n# {dict(reasons)}", flush=True)


def main():
    tap = Tap()
    bare(tap)
    python = python_with("dissononce", "cryptography")
    keys = Keys("peer", "hostile")
    psk = keys.folder / "psk"
    psk.touch(0o600)
    psk.write_text(command("genpsk"))
    for number, target in enumerate(TARGETS):
        if python is None:
            tap.result(True, f"{target[0]}: hostile peers", skip="no Python here has dissononce (Debian: python3-dissononce)")
        else:
            fuzz(tap, keys, python, target, psk, SEED * 10 + number)
    tap.finish()


if __name__ == "__main__":
    main()
