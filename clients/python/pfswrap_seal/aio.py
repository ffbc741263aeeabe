"""The seal for asyncio: open_connection() and start_server() as asyncio has them, or any asyncio.Protocol on top.

    reader, writer = await pfswrap_seal.aio.open_connection("192.0.2.7", 7000, context)
    writer.get_extra_info("seal")  # pfswrap_seal.Info: the peer's name, its key, the pattern
"""

import asyncio

from .library import SealConnectionError, SealError, SealRefused, SealTruncated
from .tunnel import CLIENT, FRAME, SERVER, Tunnel

HANDSHAKE_TIMEOUT = 10  # seconds


class SealTransport(asyncio.Transport):
    """What the protocol above the seal writes to."""

    def __init__(self, seal):
        super().__init__()
        self._seal = seal

    def get_extra_info(self, name, default=None):
        """"seal" is the Info of the connection; everything else comes from the transport below."""
        return self._seal.info() if name == "seal" else self._seal.lower.get_extra_info(name, default)

    def write(self, data):
        """Seals and sends, as asyncio.Transport.write()."""
        self._seal.write(data)

    def can_write_eof(self):
        """True: FINAL ends one direction."""
        return True

    def write_eof(self):
        """Sends FINAL behind what was written."""
        self._seal.write_eof()

    def close(self):
        """Sends what was written and FINAL, and closes."""
        self._seal.close()

    def abort(self):
        """Closes at once; the peer sees a truncation."""
        self._seal.lower.abort()

    def is_closing(self):
        """Whether close() was called, or the connection was lost."""
        return self._seal.closing or self._seal.lower.is_closing()

    def pause_reading(self):
        """No data_received() until resume_reading()."""
        self._seal.pause(True)

    def resume_reading(self):
        """See pause_reading()."""
        self._seal.pause(False)

    def is_reading(self):
        """Whether data_received() may be called."""
        return not self._seal.paused

    def set_write_buffer_limits(self, high=None, low=None):
        """The limits of the transport below, in sealed bytes."""
        self._seal.lower.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self):
        """Bytes that the kernel has not taken."""
        return self._seal.lower.get_write_buffer_size() + len(self._seal.backlog)

    def set_protocol(self, protocol):
        """Replaces the protocol above the seal."""
        self._seal.upper = protocol

    def get_protocol(self):
        """The protocol above the seal."""
        return self._seal.upper


class _SealProtocol(asyncio.Protocol):
    """Between the TCP transport below (`lower`) and the protocol above (`upper`)."""

    def __init__(self, context, role, upper, timeout, candidate=0):
        self.upper, self.lower, self.backlog = upper, None, bytearray()
        self.paused = self.closing = False
        self._context, self._role, self._candidate = context, role, candidate
        self._tunnel = self._error = None
        self.transport = SealTransport(self)
        self._is_up = self._at_end = self._final_asked = self._final_sent = False
        self._loop = asyncio.get_running_loop()
        self.opened = self._loop.create_future()  # the handshake
        self.opened.add_done_callback(lambda future: future.cancelled() or future.exception())  # a server does not wait
        self._timer = self._loop.call_later(timeout, self._fail, SealRefused(f"no handshake in {timeout} s"))

    def info(self):
        """What both sides have agreed on."""
        return self._tunnel.info()

    def connection_made(self, transport):
        self.lower = transport
        self._tunnel = Tunnel(self._context, self._role, candidate=self._candidate)
        self._step()

    def data_received(self, data):
        self._tunnel.receive_data(data)
        self._step()

    def eof_received(self):
        self._tunnel.receive_data(b"")
        self._step()
        return True  # this side may have more to send

    def connection_lost(self, exc):
        self._timer.cancel()
        error = self._error or exc
        if error is None and not self._at_end and not self.closing:
            error = SealTruncated("the connection ended without FINAL")
        if not self.opened.done():
            if not isinstance(error, SealConnectionError):
                error = SealRefused("the peer ended the connection during the handshake")
            self.opened.set_exception(error)
        if self._is_up:
            self.upper.connection_lost(error)
        if self._tunnel:
            self._tunnel.free()

    def pause_writing(self):
        if self._is_up:
            self.upper.pause_writing()

    def resume_writing(self):
        if self._is_up:
            self.upper.resume_writing()

    def write(self, data):
        """From above."""
        if self._final_asked or self.lower.is_closing():
            return
        self.backlog += data
        self._guarded(self._send)

    def write_eof(self):
        """FINAL, behind what waits."""
        self._final_asked = True
        self._guarded(self._send)

    def close(self):
        """From above."""
        self.closing = self._final_asked = True
        self._guarded(self._send)

    def pause(self, flag):
        """No data from below while the protocol above does not want any."""
        self.paused = flag
        if self.lower.is_closing():
            return
        if flag:
            self.lower.pause_reading()
        else:
            self.lower.resume_reading()
            self._loop.call_soon(self._step)

    def _step(self):
        if self._tunnel and not self._error and not self.lower.is_closing():
            self._guarded(self._advance)

    def _guarded(self, action):
        try:
            action()
        except SealError as error:
            self._flush()
            self._fail(error)

    def _advance(self):
        if not self._is_up and self._tunnel.handshake():
            self._is_up = True
            self._timer.cancel()
            self._flush()
            self.upper.connection_made(self.transport)
            if not self.opened.done():
                self.opened.set_result(None)
        while self._is_up and not self.paused and not self._at_end:
            data = self._tunnel.read()
            if data is None:
                break
            self._at_end = data == b""
            if self._at_end:
                if not self.upper.eof_received():
                    self.close()
            else:
                self.upper.data_received(data)
        self._send()

    def _send(self):
        """Seals what waits, and then FINAL; sends all that the seal has to send."""
        while self._is_up and self.backlog:
            sealed = self._tunnel.write(self.backlog[:FRAME])
            if sealed == 0:
                break
            del self.backlog[:sealed]
        if self._final_asked and not self.backlog and self._is_up and not self._final_sent:
            self._final_sent = self._tunnel.close()
            self._flush()
            if self._final_sent and not self.closing:
                self.lower.write_eof()
        self._flush()
        if self._final_sent and self.closing:
            self.lower.close()

    def _flush(self):
        data = self._tunnel.data_to_send()
        if data and not self.lower.is_closing():
            self.lower.write(data)

    def _fail(self, error):
        self._error = self._error or error
        self._timer.cancel()
        if self.lower:
            self.lower.abort()


async def create_connection(protocol_factory, host, port, context, *, handshake_timeout=HANDSHAKE_TIMEOUT, **options):
    """As loop.create_connection(). Tries the keys of the context's names one by one, as pfswrap_seal.create_connection()."""
    loop, keys = asyncio.get_running_loop(), max(1, context.key_count())
    for attempt in range(keys):
        candidate = (context.candidate + attempt) % keys
        protocol = protocol_factory()
        _, seal = await loop.create_connection(
            lambda upper=protocol, which=candidate: _SealProtocol(context, CLIENT, upper, handshake_timeout, which), host, port,
            **options)
        try:
            await seal.opened
        except SealRefused:
            if attempt + 1 >= keys:
                raise
            continue
        except BaseException:
            seal.lower.abort()
            raise
        context.candidate = candidate
        return seal.transport, protocol
    raise AssertionError("unreachable")


async def create_server(protocol_factory, host, port, context, *, handshake_timeout=HANDSHAKE_TIMEOUT, **options):
    """As loop.create_server(). `context` may be a function that returns the Context for a new connection."""
    current = context if callable(context) else lambda: context
    return await asyncio.get_running_loop().create_server(
        lambda: _SealProtocol(current(), SERVER, protocol_factory(), handshake_timeout), host, port, **options)


async def open_connection(host, port, context, *, limit=2**16, **options):
    """As asyncio.open_connection(): returns a StreamReader and a StreamWriter."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=limit, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await create_connection(lambda: protocol, host, port, context, **options)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def start_server(client_connected, host, port, context, *, limit=2**16, **options):
    """As asyncio.start_server(): client_connected(reader, writer) runs for each authenticated client."""
    loop = asyncio.get_running_loop()

    def factory():
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=limit, loop=loop), client_connected, loop=loop)
    return await create_server(factory, host, port, context, **options)
