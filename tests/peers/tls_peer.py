"""A hostile peer of a server whose rule seals inside TLS (layer = tls), and what it does beside what others do.

TLS is Python's, which has no exporter: the value comes from the key log. How frames are cut into TLS records, and records
into segments, is left to chance.
"""

import contextlib
import os
import select
import ssl
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))

from hostile_peer import PATIENCE, Hang, Hostile  # noqa: E402
from lib.exporter import exporter_values  # noqa: E402
from python_peer import DATA, ProtocolError  # noqa: E402

NAME = "pfsw1"


def context():
    """A client that verifies nothing, and writes the secrets of its last connection to a file."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    file, path = tempfile.mkstemp(prefix="pfswrap-keys-")
    os.close(file)
    made.keylog_filename = path
    made.key_log = os.open(path, os.O_RDWR)
    os.unlink(path)
    return made


class HostileTls(Hostile):
    """The same peer inside TLS."""

    def __init__(self, worker, number):
        super().__init__(worker, number)
        self.tls = self.incoming = self.outgoing = None
        self.names = [NAME]
        self.closes = self.chance.choice((True, False))     # by TLS's own closing alert

    def open(self):
        super().open()
        made = self.worker.context
        os.ftruncate(made.key_log, 0)
        made.set_alpn_protocols(self.names if self.chance.randrange(2) else ["http/1.1", *self.names])
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = made.wrap_bio(self.incoming, self.outgoing)
        self.shake()
        digest = "sha384" if self.tls.cipher()[0].endswith("SHA384") else "sha256"
        self.binding = exporter_values(os.pread(made.key_log, 1 << 16, 0).decode("ascii"), digest)[-1]

    def shake(self):
        """TLS's handshake."""
        end = time.monotonic() + PATIENCE
        self.socket.setblocking(True)
        while True:
            try:
                self.tls.do_handshake()
                self.socket.sendall(self.outgoing.read())
                return
            except ssl.SSLWantReadError:
                self.socket.sendall(self.outgoing.read())
            if time.monotonic() > end or not select.select([self.socket], [], [], PATIENCE)[0]:
                raise Hang(f"{self.address}: no TLS handshake in {PATIENCE} s")
            data = self.socket.recv(65536)
            if not data:
                raise ProtocolError("the server has closed")
            self.incoming.write(data)

    def encode(self, data):
        """TLS records of random sizes."""
        most = self.chance.choice((1 << 20, 1 << 20, 16384, 1000, 17)) if len(data) < 3000 else 1 << 20
        for at in range(0, len(data), most):
            self.tls.write(data[at:at + most])
        return self.outgoing.read()

    def take(self):
        data = self.socket.recv(65536)
        if not data:
            raise ProtocolError("the server has closed")
        self.incoming.write(data)
        before, ended = len(self.echo), False
        with contextlib.suppress(ssl.SSLWantReadError):
            while piece := self.read_tls():
                self.echo += piece
            ended = True
        if ended and len(self.echo) == before:
            raise ProtocolError("the server has closed TLS")

    def read_tls(self):
        """b"": TLS's closing alert."""
        try:
            return self.tls.read(65536)
        except ssl.SSLZeroReturnError:
            return b""

    def end(self, how):
        if self.tls is not None and self.closes and how != "reset":
            with contextlib.suppress(ssl.SSLError):     # it wants the server's alert, too
                self.tls.unwrap()
            self.socket.settimeout(PATIENCE)
            with contextlib.suppress(OSError):
                self.socket.sendall(self.outgoing.read())
        super().end(how)


# --- what a connection does; the name of the function is its kind ---

def other_binding(peer):
    """A man in the middle: the handshake is bound to another TLS connection."""
    peer.binding = peer.chance.choice((b"", peer.chance.randbytes(32)))
    peer.allowed = 0
    peer.send_raw(peer.write_first())
    peer.finish_handshake()
    peer.send_frames(peer.collect(2))


def without_the_layer(peer):
    """Inside TLS, without the protocol."""
    peer.allowed = 0
    peer.send_raw(b"GET / HTTP/1.0\r\n\r\n" * 300 if peer.chance.randrange(2) else b"G")
    peer.read(1)


def record_in_flight(peer):
    """The network changes a TLS record behind frames that are good."""
    peer.handshake_now()
    frames = peer.collect(peer.chance.randrange(1, 9))
    peer.send_frames(frames)
    peer.bend(frames, len(frames))
    record = bytearray(peer.encode(peer.push.seal(DATA, b"never", peer.rekey)))
    record[peer.chance.randrange(len(record))] ^= 1 << peer.chance.randrange(8)
    peer.socket.setblocking(True)
    peer.socket.sendall(record)


def closed_early(peer):
    """TLS's closing alert without FINAL, between frames or within one."""
    peer.handshake_now()
    peer.send_frames(peer.collect(peer.chance.randrange(0, 3)))
    rest, _ = peer.frame(4)     # whose data can be read when only the trailing byte is missing
    peer.send_raw(rest[:peer.chance.randrange(len(rest))])
    peer.closes = True


KINDS = (other_binding, without_the_layer, record_in_flight, record_in_flight, closed_early, closed_early)
