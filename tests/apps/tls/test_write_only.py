"""A client capped at TLS 1.2 that only writes, and closes with the server's session tickets unread.

TLS 1.3 makes servers send tickets on their own; left unread, they turn a close into a reset, and what was sent is lost.
A program that was upgraded to TLS 1.3 must deliver every byte all the same.
"""

import socket
import ssl
import threading
import time

from lib import certs
from lib.legacy import check_handshake
from lib.process import DEADLINE, PROGRAMS, run
from lib.tap import Tap, check, equal
from lib.wrap import Wrap

EXPECTED = b"".join(bytes([ord("a") + number % 26]) * 16384 for number in range(30))
PAUSE = 0.01  # seconds between reads of 16 KiB: the reader is slow on purpose


class SlowServer:
    """Accepts one connection, sends two tickets, reads slowly to the end; keeps how the stream ended."""

    def __init__(self, version=None):
        certificate = certs.server()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.cert, certificate.key)
        self.context.num_tickets = 2
        if version:
            self.context.maximum_version = version
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.port = self.listener.getsockname()[1]
        self.data, self.end, self.version = b"", None, None
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        raw, _ = self.listener.accept()
        raw.settimeout(DEADLINE)
        try:
            with self.context.wrap_socket(raw, server_side=True, suppress_ragged_eofs=False) as connection:
                self.version = connection.version()
                while True:
                    more = connection.recv(16384)
                    if not more:
                        break
                    self.data += more
                    time.sleep(PAUSE)
                self.end = "close_notify"
        except OSError as error:
            self.end = str(error)

    def finish(self):
        self.thread.join(DEADLINE)
        self.listener.close()
        return self


def send(version, wrap=None):
    """One run of the client; returns the server and the client's Result."""
    server = SlowServer()
    argv = [PROGRAMS / "tls/write_only", version, server.port]
    result = run(wrap.argv(argv) if wrap else argv)
    return server.finish(), result


def main():
    tap = Tap()
    with tap.case("a write-only client bare delivers every byte over TLS 1.2"):
        server, result = send("1.2")
        equal((server.version, server.end, len(server.data)), ("TLSv1.2", "close_notify", len(EXPECTED)), f"{result!r}")
    with tap.case("a write-only client bare over TLS 1.3 loses bytes to unread tickets, so that delivery means something"):
        server, result = send("1.3")
        equal(server.version, "TLSv1.3", "version")
        check(len(server.data) < len(EXPECTED), f"expected a loss, found {len(server.data)} bytes and {server.end!r}")
    for attempt in range(1, 6):
        with tap.case(f"a write-only client capped at TLS 1.2 delivers every byte wrapped, over TLS 1.3 (run {attempt} of 5)"):
            wrap = Wrap()
            server, result = send("1.2", wrap)
            equal(result.status, 0, f"exit status of {result!r}; log: {wrap.tail()}")
            equal(server.version, "TLSv1.3", f"version the server saw; {result!r}")
            equal((len(server.data), server.end), (len(EXPECTED), "close_notify"), "bytes and end")
            check(server.data == EXPECTED, "the bytes should be those that were sent")
            check_handshake(wrap.wait_event("handshake", role="client"), "client")
    tap.finish()


main()
