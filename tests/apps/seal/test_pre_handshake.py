"""What a program does with a connection it has just accepted, before the handshake is complete: as bare, and sealed."""

import contextlib
import socket

from lib.process import DEADLINE, PROGRAMS, Process, free_port, wait_until
from lib.seal import MAGIC, MODES, Keys, Scenarios, SealWrap, needs_seal
from lib.tap import Tap, contains, equal

BANNER = 100  # bytes that the server sends at once


def stranger(tap, keys, sentence, words):
    """A plain peer that says `words`; bare it gets the banner, sealed not a byte of it, and the program an error."""
    for mode in MODES:
        with tap.case(f"{mode.name}: {sentence}"):
            if mode.sealed:
                needs_seal()
            port = free_port()
            wrap = SealWrap(keys, listen=port, handshake_timeout="2s")
            argv = mode.argv(wrap, [PROGRAMS / "seal/sock_pre_handshake", "to_plain_peer", port, "127.0.0.1", "server"])
            with Process(argv, env=mode.environment()) as server:
                server.wait_for_port(port)
                heard = b""
                with socket.create_connection(("127.0.0.1", port)) as peer:
                    peer.settimeout(DEADLINE)
                    wait_until(lambda: "sent" in server.text(), lambda: f"the banner; {server.text()!r}")
                    peer.sendall(words)
                    with contextlib.suppress(ConnectionResetError):
                        while len(heard) < BANNER and (part := peer.recv(1000)):
                            heard += part
                equal(server.wait(), 0, f"status; {server.text()!r}; log: {wrap.tail()}")
                equal(len(heard), 0 if mode.sealed else BANNER, f"bytes that the stranger got: {heard!r}")
                contains(server.text(), "end: ECONNRESET" if mode.sealed else "end: data", "what the server saw")
                if mode.sealed:
                    equal(len(wrap.events("refused", role="server")), 1, f"refusals in the log: {wrap.tail()}")


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_pre_handshake")
    on.both("writable", "poll, select and epoll call a connection that was just accepted writable")
    on.both("banner", "what is sent once, without waiting, right after accept arrives")
    on.both("banner_and_close", "so it does if the connection is closed at once, and then comes the end")
    on.both("full", "a connection that takes no more yet has lost nothing of what it took")
    on.both("edges", "edge-triggered it is writable once, not again for the handshake")
    on.both("together", "both ends of one thread become writable in one wait, and nothing follows", marked=False)
    on.both("shut_before_accept", "what a client has sent before it shut both directions arrives, and then the end")
    on.both("shut_for_reading", "a server that shuts reading first goes on sending")
    on.both("only_writes", "a server that only writes need not come back for it")
    on.both("only_writes_nonblocking", "nor need a non-blocking one")
    on.both("writes_and_exits", "a server that writes and exits is heard")
    keys = Keys("peer")
    stranger(tap, keys, "a peer that says something else gets nothing of it", b"GET / HTTP/1.0\r\n\r\n")
    stranger(tap, keys, "a peer that says the magic and no more gets nothing of it", MAGIC + b"\1")
    tap.finish()


main()
