"""Sealed TCP sockets that behave like socket.socket: timeouts, several threads, makefile().

The handshake is made at the first call that moves data, so that accept() does not wait for a stranger; create_connection()
makes it at once. Re-handshakes are answered inside recv() and send().
"""

import io
import select
import socket
import threading
import time

from .library import SealError, SealRefused, SealTruncated
from .tunnel import CLIENT, FRAME, SERVER, Tunnel

BUFFERED_MAX = 65536  # the most received bytes that wait to be read
CLOSE_SECONDS = 5  # the most that close() waits for the peer to take what is unsent


class SealSocket:
    """A connected TCP socket under the seal. It owns `sock`. One thread may receive while another one sends."""

    def __init__(self, sock, context, role=CLIENT, candidate=0):
        self._sock, self._timeout = sock, sock.gettimeout()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tunnel = Tunnel(context, role, candidate=candidate)
        self._lock = threading.Lock()  # of the tunnel and the two below
        self._sending = threading.Lock()  # one program's send at a time
        self._unsent = bytearray()  # bytes that the kernel has not taken
        self._broken = None  # the error with which the kernel refuses bytes
        self._is_closed = self._write_closed = self._at_end = False
        self._transport_at_end = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def do_handshake(self):
        """Authenticates the peer. Raises SealConnectionError, SealRefused or socket.timeout (TimeoutError)."""
        self._wait_until(self._tunnel.handshake, self._deadline())

    def info(self):
        """The peer's name and key, the pattern and more (Info). Makes the handshake first, if need be."""
        self.do_handshake()
        with self._lock:
            return self._tunnel.info()

    def recv(self, size, flags=0):
        """Up to `size` bytes; b"" at the authenticated end. An end without FINAL is SealTruncated."""
        if flags:
            raise ValueError(f"flags of recv are {flags}, expected 0: the seal has neither MSG_PEEK nor MSG_OOB")
        if size == 0 or self._at_end:
            return b""
        data = self._wait_until(lambda: self._tunnel.read(size) if self._tunnel.handshake() else None, self._deadline())
        self._at_end = data == b""
        return data

    def recv_into(self, buffer, size=0, flags=0):
        """recv() into a buffer; returns the number of bytes."""
        view = memoryview(buffer).cast("B")
        data = self.recv(size or len(view), flags)
        view[:len(data)] = data
        return len(data)

    def send(self, data, flags=0):
        """Seals and sends up to a frame of 16,384 bytes; returns how many bytes."""
        if flags:
            raise ValueError(f"flags of send are {flags}, expected 0")
        data = memoryview(data).cast("B")
        if not data:
            return 0
        with self._sending:
            return self._send_frame(data[:FRAME], self._deadline())

    def sendall(self, data, flags=0):
        """Sends everything, or raises an exception; then it is not known how much was sent."""
        if flags:
            raise ValueError(f"flags of sendall are {flags}, expected 0")
        data, deadline = memoryview(data).cast("B"), self._deadline()
        with self._sending:
            while data:
                data = data[self._send_frame(data[:FRAME], deadline):]

    def shutdown(self, how):
        """SHUT_WR sends FINAL: the peer reads the end of the stream. SHUT_RD alone does nothing on the wire."""
        if how not in (socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR):
            raise ValueError(f"shutdown of {how}, expected SHUT_RD, SHUT_WR or SHUT_RDWR")
        if how != socket.SHUT_RD and not self._write_closed:
            with self._sending:
                self._finish(self._deadline())
        if how != socket.SHUT_WR:
            self._at_end = True

    def close(self):
        """Sends FINAL if the handshake is complete, waits up to 5 seconds until the kernel has it, and closes."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if self._tunnel.is_open and not self._write_closed:
                self._finish(time.monotonic() + CLOSE_SECONDS)
        except (OSError, SealError):
            pass  # the peer has gone
        finally:
            with self._lock:
                self._tunnel.free()
            self._sock.close()

    def makefile(self, mode="r", buffering=None, **text):
        """A file object, as socket.makefile() makes it."""
        kind = mode.replace("b", "")
        if kind not in ("r", "w", "rw"):
            raise ValueError(f"invalid mode '{mode}', expected r, w, rw, or these with b")
        raw = _Raw(self, "r" in kind, "w" in kind)
        if buffering == 0:
            if "b" not in mode:
                raise ValueError("text needs a buffer")
            return raw
        size = io.DEFAULT_BUFFER_SIZE if buffering in (None, -1) else buffering
        if kind == "rw":
            file = io.BufferedRWPair(raw, raw, size)
        else:
            file = io.BufferedReader(raw, size) if kind == "r" else io.BufferedWriter(raw, size)
        return file if "b" in mode else io.TextIOWrapper(file, **text)

    def pending(self):
        """Bytes that recv() has without waiting, although select() may not show the socket as readable."""
        with self._lock:
            return self._tunnel.pending()

    def settimeout(self, seconds):
        """As socket.settimeout(): None waits for ever, 0 never waits (BlockingIOError)."""
        self._timeout = seconds

    def gettimeout(self):
        """The timeout in seconds, or None."""
        return self._timeout

    def setblocking(self, flag):
        """settimeout(None) or settimeout(0)."""
        self._timeout = None if flag else 0.0

    def fileno(self):
        """The descriptor, for select(); see pending()."""
        return self._sock.fileno()

    def getpeername(self):
        """The peer's address."""
        return self._sock.getpeername()

    def getsockname(self):
        """This side's address."""
        return self._sock.getsockname()

    def _deadline(self):
        return None if self._timeout is None else time.monotonic() + self._timeout

    def _send_frame(self, data, deadline):
        if self._write_closed:
            raise BrokenPipeError("the connection was shut down for writing")
        wrote = self._wait_until(lambda: self._seal(data), deadline)
        if self._timeout != 0:
            self._wait_until(lambda: not self._unsent, deadline)
        return wrote

    def _seal(self, data):
        """Locked. Bytes sealed, or None: not yet. What came meanwhile may be a question for new keys."""
        if self._broken:
            raise self._broken
        if not self._tunnel.handshake() or self._unsent:
            return None
        self._tunnel.advance()
        return self._tunnel.write(data) or None

    def _finish(self, deadline):
        self._wait_until(lambda: self._tunnel.handshake() and self._tunnel.close(), deadline)
        self._wait_until(lambda: not self._unsent, deadline)
        self._write_closed = True
        if not self._broken:
            self._sock.shutdown(socket.SHUT_WR)

    def _wait_until(self, attempt, deadline):
        """Repeats attempt() until it is neither None nor False, and waits for the socket in between."""
        while True:
            with self._lock:
                try:
                    result = attempt()
                finally:
                    self._unsent += self._tunnel.data_to_send()
                    self._flush()
                if result is not None and result is not False:
                    return result
                takes_more = not self._transport_at_end and self._tunnel.buffered() < BUFFERED_MAX
                if takes_more and self._receive():
                    continue
                events = (select.POLLIN if takes_more else 0) | (select.POLLOUT if self._unsent else 0)
                if events == 0:
                    raise SealTruncated("the peer has ended the connection, and this side waited for its bytes")
            self._poll(events, deadline)

    def _flush(self):
        """Sends as much as the kernel takes. Locked."""
        try:
            while self._unsent and not self._broken:
                del self._unsent[:self._sock.send(self._unsent, socket.MSG_NOSIGNAL)]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._broken = error  # what the peer has sent can still be read
        if self._broken:
            self._unsent.clear()

    def _receive(self):
        """Gives the tunnel what has come. Locked. True: something has, or the end."""
        try:
            data = self._sock.recv(BUFFERED_MAX)
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionResetError as error:
            if not self._tunnel.is_open:
                raise SealRefused("the peer reset the connection during the handshake") from error
            raise
        self._transport_at_end = not data
        self._tunnel.receive_data(data)
        return True

    def _poll(self, events, deadline):
        if deadline is None:
            seconds = None
        else:
            seconds = deadline - time.monotonic()
            if self._timeout == 0:
                raise BlockingIOError("the call would wait")
            if seconds <= 0:
                raise socket.timeout("timed out")
        poll = select.poll()
        poll.register(self._sock, events)
        poll.poll(None if seconds is None else seconds * 1000 + 1)


class _Raw(io.RawIOBase):
    """The lowest layer of makefile()."""

    def __init__(self, sock, readable, writable):
        super().__init__()
        self._sock, self._readable, self._writable = sock, readable, writable

    def readable(self):
        return self._readable

    def writable(self):
        return self._writable

    def readinto(self, buffer):
        return self._sock.recv_into(buffer)

    def write(self, data):
        return self._sock.send(data)


class SealServer:
    """A listening socket whose accept() returns a SealSocket and the address."""

    def __init__(self, sock, context):
        self._sock, self.context = sock, context  # a new context is for new connections

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def accept(self):
        """Does not wait for the handshake: do_handshake(), recv() or send() of the new socket does."""
        sock, address = self._sock.accept()
        sock.settimeout(None)
        return SealSocket(sock, self.context, SERVER), address

    def getsockname(self):
        """The address."""
        return self._sock.getsockname()

    def fileno(self):
        """The descriptor, for select()."""
        return self._sock.fileno()

    def close(self):
        """Closes the listening socket."""
        self._sock.close()


def create_connection(address, context, timeout=None):
    """Connects to (host, port) and authenticates the server.

    If the context has several keys for the server, and the server refuses the first, the next is tried on a new connection:
    so an app with two pinned keys survives the server's rotation. The key that worked is tried first the next time.
    """
    keys = context.key_count()
    for attempt in range(max(1, keys)):
        candidate = (context.candidate + attempt) % max(1, keys)
        sealed = SealSocket(socket.create_connection(address, timeout), context, CLIENT, candidate)
        try:
            sealed.do_handshake()
        except SealRefused:
            sealed.close()
            if attempt + 1 >= keys:
                raise
            continue
        except BaseException:
            sealed.close()
            raise
        context.candidate = candidate
        return sealed
    raise AssertionError("unreachable")


def create_server(address, context, **options):
    """Listens at (host, port); `options` as for socket.create_server()."""
    return SealServer(socket.create_server(address, **options), context)
