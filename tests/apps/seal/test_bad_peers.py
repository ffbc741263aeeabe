"""Peers that misbehave: plain, silent, sending garbage, with other keys. They must not disturb other connections.

The server under test is sock_serve, one event loop that echoes; the bad peers are plain sockets of this script. Bare
runs show that the server would serve them.
"""

import contextlib
import os
import random
import socket
import threading
import time

from lib.acceptor import Acceptor
from lib.middle import Middle
from lib.process import DEADLINE, PROGRAMS, Process, free_port, run, wait_until
from lib.seal import MAGIC, MARK, MODES, Keys, SealWrap, check_wire, descriptors, look, needs_seal
from lib.tap import Tap, check, contains, equal, lacks

MODE_BARE, MODE_SEALED = MODES
WAVE = 1000  # silent connections at once


class Server:
    """sock_serve on a free port, bare or sealed."""

    def __init__(self, mode, keys, **settings):
        self.mode, self.keys, self.port = mode, keys, free_port()
        self.wrap = SealWrap(keys, listen=self.port, **settings)
        # Its buffers are mapped each by itself (mallopt(3)). In the heap, whatever comes behind them would keep their pages:
        # a thread's first allocation, for instance.
        environment = {**mode.environment(), "MALLOC_MMAP_THRESHOLD_": "8192"}
        self.process = Process(mode.argv(self.wrap, [PROGRAMS / "seal/sock_serve", self.port]), env=environment)
        self.process.wait_for_port(self.port)

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.settimeout(DEADLINE)
        return connection

    def serves(self, identity="peer", **settings):
        """Runs a sealed (or bare) client that expects its bytes back, under a policy with `settings`."""
        wrap = SealWrap(self.keys, identity=identity, connect=self.port, **settings)
        result = run(self.mode.argv(wrap, [PROGRAMS / "seal/sock_exec", "echo", self.port, "127.0.0.1", "client"]),
                     env=self.mode.environment())
        result.wrap = wrap
        return result

    def check_serves(self, when):
        result = self.serves()
        equal(result.status, 0, f"a client {when}: {result!r}, log {self.wrap.tail()}")

    def rss(self):
        """Its resident memory in KiB (proc(5), status, VmRSS)."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        equal(self.process.stop(DEADLINE), 0, f"status of the server, which printed {self.process.text()!r}")


def answer_to(connection, words, end=False):
    """What comes back for these words until the connection ends; None if it stays open."""
    with connection:
        try:
            connection.sendall(words)
            if end:
                connection.shutdown(socket.SHUT_WR)
            received = b""
            while len(received) < len(words):
                data = connection.recv(65536)
                if not data:
                    return received
                received += data
            return received
        except TimeoutError:
            return None
        except OSError:
            return b""


def plain_clients(tap, keys):
    words = MARK + b" GET / HTTP/1.0\r\n\r\n"
    with tap.case("bare: a plain client is served"):
        with Server(MODE_BARE, keys) as server:
            equal(answer_to(server.connect(), words), words, "the echo")
    with tap.case("sealed: a plain client receives nothing and is closed, the log says why, and others are served"):
        needs_seal()
        with Server(MODE_SEALED, keys) as server:
            equal(answer_to(server.connect(), words), b"", "what a plain client received")
            event = server.wrap.wait_event("refused", role="server", rule="test")
            contains(event["reason"], "does not speak", "the reason logged")
            equal(answer_to(server.connect(), b"\n"), b"", "what a plain client of one byte received")
            equal(answer_to(server.connect(), b"", end=True), b"", "what a client received that only connects")
            server.check_serves("after plain clients")
            equal(server.wrap.events("opened")[0]["peer_name"], "peer", "the name of the client with the right key")


def garbage(tap, keys):
    with tap.case("sealed: garbage of every length and kind is refused, and no descriptor stays open"):
        needs_seal()
        chance = random.Random(4)
        with Server(MODE_SEALED, keys, handshake_timeout="500ms") as server:
            server.check_serves("before the garbage")
            before = descriptors(server.process.pid)
            for count in range(120):
                text = chance.randbytes(chance.choice((1, 7, 8, 9, 28, 29, 130, 3000)))
                if count % 3:
                    text = MAGIC[:chance.randrange(1, 9)] + text
                if count % 3 == 2:  # a preamble with the right lengths and nothing else
                    text = MAGIC + bytes((1, 0, 0, 96)) + chance.randbytes(chance.choice((16, 112, 500)))
                received = answer_to(server.connect(), text, end=bool(count % 2))
                equal(received, b"", f"what came back for {text[:40].hex()}")
            server.check_serves("after the garbage")
            wait_until(lambda: descriptors(server.process.pid) <= before, "the descriptors of the garbage to be closed")
            equal(len(server.wrap.events("opened")), 2, "connections opened")


def silent(tap, keys):
    with tap.case(f"sealed: {WAVE:,} silent connections disturb no other, end by handshake-timeout and leave nothing behind"):
        needs_seal()
        with Server(MODE_SEALED, keys, handshake_timeout="3s") as server:
            server.check_serves("before the silence")
            before = descriptors(server.process.pid)
            sizes = []
            for _ in range(2):
                with contextlib.ExitStack() as stack:
                    crowd = [stack.enter_context(server.connect()) for _ in range(WAVE)]
                    for connection in crowd[::3]:
                        connection.send(MAGIC[:5])  # a third of them begins a handshake, and sends no more
                    server.check_serves("among the silent")
                    for connection in crowd:
                        try:
                            equal(connection.recv(1), b"", "what a silent client received")
                        except ConnectionResetError:
                            pass
                wait_until(lambda: descriptors(server.process.pid) <= before,
                           lambda: f"{descriptors(server.process.pid)} descriptors to become {before}")
                sizes.append(server.rss())
            check(sizes[1] <= sizes[0] + 512, f"memory after each wave in KiB: {sizes}")
            server.check_serves("after the silence")


def silent_bare(tap, keys):
    with tap.case("bare: a silent connection stays open without a limit"):
        with Server(MODE_BARE, keys) as server, server.connect() as connection:
            connection.settimeout(0.5)
            try:
                connection.recv(1)
                check(False, "it ended")
            except TimeoutError:
                pass


def leaving(tap, keys):
    """Clients that are killed at any time, many times: nothing accumulates."""
    with tap.case("sealed: 200 clients are killed, in the handshake and after it, and no descriptor stays open"):
        needs_seal()
        with Server(MODE_SEALED, keys) as server:
            server.check_serves("before")
            before = descriptors(server.process.pid)
            recorded = record(server)
            for count in range(200):
                with server.connect() as connection:
                    connection.sendall(recorded[:1 + count * 3])
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            server.check_serves("after")
            wait_until(lambda: descriptors(server.process.pid) <= before, "the descriptors to be closed")


def record(server):
    """What a sealed client of this server sends, byte for byte."""
    with Middle(server.port, keep=True) as middle:
        wrap = SealWrap(server.keys, connect=middle.port)
        result = run(wrap.argv([PROGRAMS / "seal/sock_exec", "echo", middle.port, "127.0.0.1", "client"]))
        equal(result.status, 0, f"the recorded client: {result!r}")
        return bytes(middle.kept["up"])


def replayed(tap, keys):
    with tap.case("sealed: a replayed recording of a connection delivers nothing and is not logged as opened"):
        needs_seal()
        with Server(MODE_SEALED, keys, handshake_timeout="500ms") as server:
            words = record(server)
            wait_until(lambda: server.wrap.events("closed"), "the recorded connection to end")
            opened = len(server.wrap.events("opened"))
            connection = server.connect()
            received = answer_to(connection, words, end=True)
            check(received is not None and len(received) < 200, f"{len(received or b'')} bytes came back; message 2 is less")
            server.wrap.wait_event("refused", role="server")
            equal(len(server.wrap.events("opened")), opened, "connections opened")
            server.check_serves("after the replay")


def wrong_keys(tap, keys):
    keys.make("unknown", listed=False)
    keys.make("other")
    cases = [
        ("a client with an unknown key", {}, {"identity": "unknown"}, False),
        ("a client whose name is not among the rule's clients", {"clients": "other"}, {}, False),
        ("a client whose name is among the rule's clients", {"clients": "other, peer"}, {}, True),
        ("a client that expects a server with another key", {}, {"peer": "other"}, False),
        ("a client that names another service", {"service": "redis"}, {"service": "postgres"}, False),
        ("a client that names no service", {"service": "redis"}, {}, False),
        ("a client that names the same service", {"service": "redis"}, {"service": "redis"}, True),
        ("an unknown client, where clients = any", {"clients": "any"}, {"identity": "unknown"}, True),
        ("a client that rekeys less often", {"rekey": 1}, {"rekey": 16}, True),
    ]
    for sentence, server_settings, client_settings, served in cases:
        with tap.case(f"sealed: {sentence} is {'served' if served else 'refused, with an error and an event in both logs'}"):
            needs_seal()
            with Server(MODE_SEALED, keys, **server_settings) as server, look(server.port) as wire:
                result = server.serves(**client_settings)
                if served:
                    equal(result.status, 0, f"{result!r}; {server.wrap.tail()}")
                else:
                    equal(result.status, 1, f"status of {result!r}")
                    check("errno 104" in result.text or "connect (errno 111" in result.text,
                          f"ECONNRESET, or ECONNREFUSED of connect, expected: {result!r}")
                    server.wrap.wait_event("refused", role="server")
                    result.wrap.wait_event("refused", role="client")
                    equal(server.wrap.events("opened"), [], "connections opened")
                check_wire(wire, True)


def preshared(tap, keys):
    for name in ("one", "two"):
        path = keys.folder / f"{name}.psk"
        path.touch(0o600)
        path.write_bytes(run(["sh", "-c", "head -c 32 /dev/urandom | base64"]).out)
    for ours, theirs, served in (("one", "one", True), ("one", "two", False), ("one", None, False)):
        with tap.case(f"sealed: a server with psk {ours} and a client with psk {theirs} "
                      f"{'connect' if served else 'do not connect'}"):
            needs_seal()
            settings = {"psk": keys.folder / f"{theirs}.psk"} if theirs else {}
            with Server(MODE_SEALED, keys, psk=keys.folder / f"{ours}.psk") as server:
                result = server.serves(**settings)
                equal(result.status, 0 if served else 1, f"{result!r}; {server.wrap.tail()}")
                if served:
                    equal(server.wrap.wait_event("opened")["pattern"], "IKpsk2", "pattern")


def migration(tap, keys):
    with tap.case("sealed: with seal = prefer sealed clients are sealed, and plain ones are served and logged as plain"):
        needs_seal()
        words = MARK + b" a plain client's words"
        with Server(MODE_SEALED, keys, seal="prefer", clients="any") as server:
            with look(server.port) as wire:
                server.check_serves("that is sealed")
                check_wire(wire, True)
            equal(answer_to(server.connect(), words), words, "the plain client's echo")
            equal(answer_to(server.connect(), MAGIC[:4] + b"almost"), MAGIC[:4] + b"almost", "almost the magic, echoed")
            # A client that sends the beginning of the magic and stops is undecided until it sends more.
            connection = server.connect()
            connection.sendall(MAGIC[:3])
            server.check_serves("beside an undecided one")
            equal(answer_to(connection, b"then plain"), MAGIC[:3] + b"then plain", "the echo of all that the client sent")
            server.wrap.wait_event("plain")
            equal(len(server.wrap.events("opened")), 2, "connections opened")
    with tap.case("sealed: a rule of another address, and seal = off, seal nothing"):
        needs_seal()
        with Server(MODE_SEALED, keys, seal="off") as server:
            equal(answer_to(server.connect(), b"words"), b"words", "echo with seal = off")
            equal(server.wrap.events("opened") + server.wrap.events("refused"), [], "events")


class PlainServer(Acceptor):
    """A plain server that sends each client the same words, or nothing, or closes at once."""

    def __init__(self, answer):
        self.answer, self.received, self.open = answer, b"", []
        super().__init__()

    def accepted(self, connection, peer):
        self.open.append(connection)
        threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with contextlib.suppress(OSError):
            if self.answer == "close":
                connection.close()
                return
            if self.answer:
                connection.sendall(self.answer)
            while data := connection.recv(65536):
                self.received += data
            connection.close()

    def __exit__(self, *_):
        self.stop()
        for connection in self.open:
            connection.close()


def plain_servers(tap, keys):
    for what, answer in (("answers in plain text", b"220 PFSMARK: welcome\r\n"), ("says nothing", b""),
                         ("closes at once", "close"), ("sends garbage", random.Random(5).randbytes(500))):
        for mode in MODES if isinstance(answer, bytes) and answer else (MODE_SEALED,):
            with tap.case(f"{mode.name}: a client of a plain server that {what} "
                          f"{'gets an error, and has sent no plaintext' if mode.sealed else 'sends its words'}"):
                if mode.sealed:
                    needs_seal()
                with PlainServer(answer) as server:
                    wrap = SealWrap(keys, connect=server.port, handshake_timeout="1s")
                    result = run(mode.argv(wrap, [PROGRAMS / "seal/sock_talk", "talk", server.port]),
                                 env=mode.environment())
                    equal(result.status, 0, f"{result!r}")
                    if mode.sealed:
                        lacks(server.received, MARK, "what the server received")
                        check("read -1 104" in result.text or "connect 111" in result.text,
                              f"ECONNRESET, or ECONNREFUSED of connect, expected: {result!r}")
                        wrap.wait_event("refused", role="client")
                    else:
                        wait_until(lambda: MARK in server.received, "the client's words")
                        contains(result.text, "read 1 0", "what the client read")
    with tap.case("bare: a non-blocking client of a silent server is connected at once"):
        with PlainServer(b"") as server:
            result = run([PROGRAMS / "seal/sock_talk", "wait_for_silence", server.port])
            contains(result.text, "error 0 sent 64 received 0 0", f"{result!r}")
            wait_until(lambda: MARK in server.received, "the client's words")
    with tap.case("sealed: a non-blocking client of a silent server gets an error after handshake-timeout, and its words "
                  "went nowhere"):
        needs_seal()
        with PlainServer(b"") as server:
            wrap = SealWrap(keys, connect=server.port, handshake_timeout="1s")
            begun = time.monotonic()
            result = run(wrap.argv([PROGRAMS / "seal/sock_talk", "wait_for_silence", server.port]))
            check("error 111 " in result.text or "received -1 104" in result.text, f"expected an error: {result!r}")
            wrap.wait_event("refused", role="client")
            lacks(server.received, MARK, "what the server received")
            check(time.monotonic() - begun > 0.9, "it did not wait for the handshake at all")


def events(tap, keys):
    with tap.case("sealed: both logs have the peers, the bytes and a clean end"):
        needs_seal()
        with Server(MODE_SEALED, keys, service="echo") as server:
            result = server.serves(service="echo")
            equal(result.status, 0, f"{result!r}")
            opened = server.wrap.wait_event("opened", role="server")
            closed = server.wrap.wait_event("closed", role="server")
            mine = result.wrap.wait_event("closed", role="client")
            equal((opened["peer_name"], opened["pattern"], opened["rule"], opened["layer"], opened["rekey"]),
                  ("peer", "IK", "test", "socket", 1), "the server's opened event")
            equal(opened["local"], f"127.0.0.1:{server.port}", "the server's address")
            equal(result.wrap.events("opened")[0]["peer"], opened["local"], "the client's peer")
            equal(result.wrap.events("opened")[0]["local"], opened["peer"], "the server's peer")
            for event in (closed, mine):
                equal(event["end"], "clean", f"the end in {event}")
                equal((event["sent_bytes"], event["received_bytes"]), (300000, 300000), f"bytes in {event}")
                check(event["sent_rekeys"] >= event["sent_chunks"] > 0, f"a rekey for each chunk in {event}")
            equal((closed["sent_chunks"], closed["received_chunks"]), (mine["received_chunks"], mine["sent_chunks"]),
                  "chunks in both logs")


def main():
    tap = Tap()
    keys = Keys("peer")
    os.environ.pop("SOCK_SEALED", None)
    for group in (plain_clients, garbage, silent_bare, silent, leaving, replayed, wrong_keys, preshared, migration,
                  plain_servers, events):
        group(tap, keys)
    tap.finish()


main()
