"""One connection of a hostile peer: a peer of the protocol whose frames can be collected, changed and sent in pieces.

mutating_peer.py says what the connections do. Waits for the server only within PATIENCE.
"""

import contextlib
import ctypes
import random
import select
import socket
import struct
import time

from python_peer import DATA, MAGIC, Peer, ProtocolError, Stream, sodium

TEXT = 65536        # bytes that a connection sends at most
PATIENCE = 60       # seconds until a server that does not answer is said to hang
RESET = struct.pack("ii", 1, 0)


class Hang(Exception):
    """The server does not do in time what it must, or does what it must not."""


def expected_bytes(seed, address):
    key = struct.pack(">I", seed) + socket.inet_aton(address) + bytes(24)
    out = ctypes.create_string_buffer(TEXT)
    sodium.randombytes_buf_deterministic(out, ctypes.c_size_t(TEXT), key)
    return out.raw


class Hostile(Peer):
    """One connection. What it sends is collected first, as (bytes, bytes of the program's data in it)."""

    def __init__(self, worker, number):
        chance = random.Random(f"{worker.seed}-{worker.number}-{number}")
        super().__init__({"role": "initiator", "secret": worker.secret, "peer": worker.peer,
                          "anonymous": str(chance.randrange(2)), "rekey": str(chance.choice((1, 1, 2, 7, 65535))),
                          **({"psk": worker.psk} if worker.psk else {})})
        self.chance, self.worker = chance, worker
        self.address = f"127.{worker.number + 15 * (number >> 16)}.{number >> 8 & 255}.{number & 255}"
        self.text = expected_bytes(worker.seed, self.address)
        self.sealed = 0             # bytes of the text that were sealed
        self.allowed = None         # what the server may pass on; None: all that was sealed
        self.required = 0
        self.socket = None
        self.echo = b""

    # The transport of Peer.
    def write(self, data):
        self.send_raw(data)

    def send_raw(self, data):
        """In pieces of random sizes; reads what comes back, or both ends would wait for each other."""
        pieces = self.chance.choice((1, 1, 2, 9))
        for _ in range(pieces):
            size = len(data) if pieces == 1 else self.chance.randrange(len(data) + 1)
            piece, data = data[:size], data[size:]
            self.send_all(piece)
        self.send_all(data)

    def send_all(self, data):
        data = self.encode(data)
        end = time.monotonic() + PATIENCE
        self.socket.setblocking(False)
        while data:
            readable, writable, _ = select.select([self.socket], [self.socket], [], PATIENCE)
            if readable:
                self.take()
            if writable:
                data = data[self.socket.send(data):]
            if time.monotonic() > end:
                raise Hang(f"{self.address}: the server read nothing for {PATIENCE} s")

    def take(self):
        data = self.socket.recv(65536)
        if not data:
            raise ProtocolError("the server has closed")
        self.echo += data

    def encode(self, data):
        """What send() of the socket takes for these bytes."""
        return data

    def read(self, length):
        end = time.monotonic() + PATIENCE
        self.socket.setblocking(False)
        while len(self.echo) < length:
            if not select.select([self.socket], [], [], PATIENCE)[0] or time.monotonic() > end:
                raise Hang(f"{self.address}: the server sent nothing for {PATIENCE} s")
            self.take()
        data, self.echo = self.echo[:length], self.echo[length:]
        return data

    # Connections.
    def open(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.settimeout(PATIENCE)
        self.socket.bind((self.address, 0))
        self.socket.connect(("127.0.0.1", self.worker.port))

    def handshake_now(self):
        """Up to the server's header."""
        self.send_raw(self.write_first())
        self.finish_handshake()

    def write_first(self):
        """The preamble and message 1."""
        self.pattern = (2 if self.anonymous else 1) + (2 if self.psk else 0)
        payload = self.payload()
        length = 32 + (0 if self.anonymous else 48) + 16 + len(payload)
        preamble = MAGIC + struct.pack(">BBH", self.pattern, 0, length) + self.chance.randbytes(8)
        preamble += self.key_id(preamble, self.peer)
        self.start(self.prologue(preamble))
        return preamble + self.write_message()[1]

    def finish_handshake(self):
        length, = struct.unpack(">H", self.read(2))
        own, peer = self.keys(self.read_message(self.read(length)))
        self.push = Stream(own)
        self.pull = Stream(peer, self.read(24))

    def frame(self, size, kind=DATA, final=False):
        """Seals the next `size` bytes of the text."""
        data = self.text[self.sealed:self.sealed + size]
        self.sealed += len(data)
        return self.push.seal(kind, data, self.rekey, final), len(data)

    def collect(self, frames):
        """The header, and this many frames of random sizes."""
        found = [(self.push.header, 0)]
        if self.chance.randrange(2):
            found.append((self.push.seal(DATA, b"", self.rekey), 0))
        for _ in range(frames):
            room = TEXT - self.sealed
            if room:
                found.append(self.frame(min(room, self.chance.choice((1, 2, 100, 1000, 16383, 16384)))))
        return found

    def bend(self, frames, at):
        """From this frame on, nothing counts."""
        self.allowed = sum(data for _, data in frames[:at])

    def send_frames(self, frames):
        self.send_raw(b"".join(data for data, _ in frames))

    def end(self, how):
        """Ends the connection in one of the ways in which connections end."""
        if how == "reset":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif how == "half":
            self.socket.shutdown(socket.SHUT_WR)
            self.drain()
        self.socket.close()

    def drain(self):
        """Reads until the server closes, which it must within a bound."""
        end = time.monotonic() + PATIENCE
        with contextlib.suppress(ProtocolError, OSError):
            while time.monotonic() < end:
                if not select.select([self.socket], [], [], PATIENCE)[0]:
                    break
                self.take()
            raise Hang(f"{self.address}: the server did not close in {PATIENCE} s")
