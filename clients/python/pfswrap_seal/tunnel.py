"""One sealed connection without I/O: bytes of the transport go in and out, and so do bytes of data.

For other transports than sockets: a TLS connection that gives its exporter value (docs/MOBILE.md), an event loop of your own.
"""

import ctypes
import os
import weakref
from dataclasses import dataclass

from .keys import PublicKey
from .library import END, READ, STOPPED, TLS_RECORD, WRITE, CInfo, Config, SealError, Transport, error_from, lib

CLIENT, SERVER = 1, 2
FRAME = 16384  # the most data in one frame
_NOTHING_YET = -1
_all = weakref.WeakSet()


@dataclass(frozen=True)
class Info:
    """What both sides have agreed on."""

    pattern: str
    peer_name: str  # empty: anonymous, or admitted without a name
    peer_key: PublicKey
    rekey: int
    rehandshakes: int
    handshake_hash: bytes
    peer_pads: bool  # all data of the peer is padded


class Tunnel:
    """A connection. After receive_data(), or any other call, send what data_to_send() returns. Not for two threads at once.

    After a fork, a child cannot use the connections of its parent: two processes with the same keys would encrypt twice with
    one key stream. Make the connection in the process that uses it.
    """

    def __init__(self, context, role, binding=b"", candidate=0, in_tls=False):
        self._context, self._in, self._out = context, bytearray(), bytearray()
        self._at, self._at_end, self.is_open = 0, False, False
        self._buffer = ctypes.create_string_buffer(FRAME)
        self._read, self._write = READ(self._on_read), WRITE(self._on_write)  # must live as long as the tunnel
        self._config = Config.from_buffer_copy(context.config)
        self._config.transport_max = TLS_RECORD if in_tls else 0
        error = ctypes.c_int()
        self._tunnel = lib.pfswrap_tunnel_new(role, ctypes.byref(self._config), binding, len(binding), candidate,
                                              ctypes.byref(Transport(self._read, self._write, None)), ctypes.byref(error))
        if not self._tunnel:
            raise error_from(error.value) if error.value else MemoryError("no memory for a connection")
        _all.add(self)

    def receive_data(self, data):
        """Bytes that the transport has received; b"" is its end."""
        if data:
            self._in += data
        else:
            self._at_end = True

    def data_to_send(self):
        """Bytes for the transport, once. They must reach it in this order."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def handshake(self):
        """Continues the handshake. True when the peer is authenticated; False when more bytes are needed."""
        if not self.is_open:
            self.is_open = self._result(lib.pfswrap_tunnel_handshake(self._handle()), in_handshake=True) == 1
        return self.is_open

    def read(self, size=FRAME):
        """Up to `size` bytes of data; b"" is the authenticated end; None when more bytes are needed."""
        if size <= 0:
            raise SealError(f"a read of {size} bytes, expected 1 or more")
        got = self._result(lib.pfswrap_tunnel_read(self._handle(), self._buffer, min(size, FRAME)))
        return None if got == STOPPED else b"" if got == END else self._buffer.raw[:got]

    def advance(self):
        """Answers what has come, without a read: for a side that only writes."""
        self._result(lib.pfswrap_tunnel_peek(self._handle(), self._buffer, 1))

    def write(self, data):
        """Seals the first bytes of `data` and returns how many. 0: bytes of the peer are needed; repeat with the same data."""
        wrote = self._result(lib.pfswrap_tunnel_write(self._handle(), bytes(data[:FRAME]), min(len(data), FRAME)))
        return 0 if wrote == STOPPED else wrote

    def close(self):
        """Closes the direction to the peer with FINAL. True when it is in data_to_send()."""
        return self._result(lib.pfswrap_tunnel_close(self._handle())) == 1

    def pending(self):
        """How many bytes read() can return at once."""
        return lib.pfswrap_tunnel_pending(self._handle())

    def buffered(self):
        """How many bytes of the transport have not been looked at."""
        return len(self._in)

    def info(self):
        """What both sides have agreed on; only after the handshake."""
        info = CInfo()
        self._result(lib.pfswrap_tunnel_describe(self._handle(), ctypes.byref(info)))
        return Info(lib.pfswrap_seal_pattern_name(info.pattern).decode(), info.peer_name.decode(),
                    PublicKey(bytes(info.peer_key)), info.rekey, info.rehandshakes, bytes(info.handshake_hash), info.peer_pads)

    def free(self):
        """Wipes the keys. The peer is not told; close() does that."""
        if getattr(self, "_tunnel", None):
            lib.pfswrap_tunnel_free(self._tunnel)
            self._tunnel = None

    def _handle(self):
        if not self._tunnel:
            raise SealError("the connection is closed")
        return self._tunnel

    def _result(self, code, in_handshake=False):
        if code < 0 and code != STOPPED:
            raise error_from(code, in_handshake)
        return code

    def _on_read(self, _context, buffer, size):
        count = min(size, len(self._in))
        if count == 0:
            return 0 if self._at_end else _NOTHING_YET
        ctypes.memmove(buffer, bytes(self._in[:count]), count)
        del self._in[:count]
        return count

    def _on_write(self, _context, data, length):
        self._out += ctypes.string_at(data, length)
        return length

    def __del__(self):
        self.free()


def _poison_all():
    for tunnel in list(_all):
        if tunnel._tunnel:  # pylint: disable=protected-access
            lib.pfswrap_tunnel_poison(tunnel._tunnel)  # pylint: disable=protected-access


os.register_at_fork(after_in_child=_poison_all)
