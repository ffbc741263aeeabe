"""What a program does with a connection that it has just accepted, before the handshake is complete; bare and sealed."""

import contextlib
import socket

from lib.process import DEADLINE, PROGRAMS, Process, free_port, wait_until
from lib.seal import MAGIC, MODES, Keys, Scenarios, SealWrap, needs_seal
from lib.tap import Tap, contains, equal

BANNER = 100  # bytes that the server sends at once


def plain_peer(tap, keys, sentence, words):
    """A plain peer that sends `words`: bare it gets the banner, sealed no byte of it, and the program gets an error."""
    for mode in MODES:
        with tap.case(f"{mode.name}: {sentence}"):
            if mode.sealed:
                needs_seal()
            port = free_port()
            wrap = SealWrap(keys, listen=port, handshake_timeout="2s")
            argv = mode.argv(wrap, [PROGRAMS / "seal/sock_pre_handshake", "to_plain_peer", port, "127.0.0.1", "server"])
            with Process(argv, env=mode.environment()) as server:
                server.wait_for_port(port)
                received = b""
                with socket.create_connection(("127.0.0.1", port)) as peer:
                    peer.settimeout(DEADLINE)
                    wait_until(lambda: "sent" in server.text(), lambda: f"the banner; {server.text()!r}")
                    peer.sendall(words)
                    with contextlib.suppress(ConnectionResetError):
                        while len(received) < BANNER and (part := peer.recv(1000)):
                            received += part
                equal(server.wait(), 0, f"status; {server.text()!r}; log: {wrap.tail()}")
                equal(len(received), 0 if mode.sealed else BANNER, f"bytes that the peer received: {received!r}")
                contains(server.text(), "end: ECONNRESET" if mode.sealed else "end: data", "what the server printed")
                if mode.sealed:
                    equal(len(wrap.events("refused", role="server")), 1, f"refusals in the log: {wrap.tail()}")


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_pre_handshake")
    on.both("writable", "poll, select and epoll report a connection that was just accepted as writable")
    on.both("banner", "what is sent once, without waiting, right after accept() arrives")
    on.both("banner_and_close", "it arrives if the connection is closed at once, and then the end")
    on.both("full", "a connection that takes no more loses nothing that it took")
    on.both("edges", "edge-triggered, it is writable once, and not again for the handshake")
    on.both("together", "both ends in one thread become writable in one wait, and no event follows", marked=False)
    on.both("shut_before_accept", "what a client sends before it shuts both directions arrives, and then the end")
    on.both("shut_for_reading", "a server that shuts reading first can still send")
    on.both("only_writes", "a server that only writes needs no further call")
    on.both("only_writes_nonblocking", "a non-blocking server that only writes needs no further call")
    on.both("writes_and_exits", "what a server writes before it exits arrives")
    keys = Keys("peer")
    plain_peer(tap, keys, "a peer that sends another protocol receives nothing", b"GET / HTTP/1.0\r\n\r\n")
    plain_peer(tap, keys, "a peer that sends the magic and no more receives nothing", MAGIC + b"\1")
    tap.finish()


main()
