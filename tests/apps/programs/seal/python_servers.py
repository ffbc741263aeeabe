"""Echo servers of Python's standard library, one kind for each way that it waits: python_servers.py KIND PORT.

Each answers every line with itself. A line `big N` is answered with N bytes, `half` with the rest of the stream after
the client has half-closed, `pid` with the process id. Ends with status 0 at SIGTERM.
"""

import asyncio
import os
import selectors
import signal
import socket
import socketserver
import sys
import threading

FILLER = b"this-is-readable-on-the-wire 0123456789\n" * 1024


def filler(count):
    """The first `count` bytes of an endless repetition."""
    return (FILLER * (count // len(FILLER) + 1))[:count]


def answer(line):
    words = line.split()
    if words[:1] == [b"big"]:
        return filler(int(words[1]))
    if words[:1] == [b"pid"]:
        return b"%d\n" % os.getpid()
    return line


class Handler(socketserver.StreamRequestHandler):
    """For socketserver: one connection, through buffered files."""

    def handle(self):
        for line in self.rfile:
            if line == b"half\n":
                self.wfile.write(self.rfile.read())
                return
            self.wfile.write(answer(line))


async def handle(reader, writer):
    """For asyncio's streams."""
    while line := await reader.readline():
        if line == b"half\n":
            writer.write(await reader.read())
            break
        writer.write(answer(line))
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def serve_asyncio(port):
    server = await asyncio.start_server(handle, "127.0.0.1", port)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with server:
        await stop.wait()


class Buffers:
    """A connection of the selectors server: what was received and what is still to be sent."""

    def __init__(self):
        self.incoming, self.outgoing, self.rest, self.ended = b"", b"", False, False


def serve_selector(port, selector):
    """One thread, non-blocking sockets, level-triggered."""
    listener = socket.create_server(("127.0.0.1", port))
    listener.setblocking(False)
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, events in selector.select():
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.setblocking(False)
                selector.register(connection, selectors.EVENT_READ, Buffers())
            elif not serve_event(key.fileobj, events, key.data):
                selector.unregister(key.fileobj)
                key.fileobj.close()
            else:
                wanted = (0 if key.data.ended else selectors.EVENT_READ) | \
                         (selectors.EVENT_WRITE if key.data.outgoing else 0)
                selector.modify(key.fileobj, wanted, key.data)


def serve_event(connection, events, buffers):
    """Whether the connection continues."""
    if events & selectors.EVENT_READ:
        more = connection.recv(4096)
        buffers.ended = not more
        buffers.incoming += more
        while not buffers.rest and b"\n" in buffers.incoming:
            line, _, buffers.incoming = buffers.incoming.partition(b"\n")
            if line == b"half":
                buffers.rest = True
            else:
                buffers.outgoing += answer(line + b"\n")
        if buffers.rest and buffers.ended:
            buffers.outgoing += buffers.incoming
    if buffers.outgoing:
        try:
            buffers.outgoing = buffers.outgoing[connection.send(buffers.outgoing):]
        except BlockingIOError:
            pass
    return bool(buffers.outgoing) or not buffers.ended


def serve_socketserver(kind, port):
    socketserver.TCPServer.allow_reuse_address = True
    with kind(("127.0.0.1", port), Handler) as server:
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        server.serve_forever(poll_interval=0.1)


def main():
    kind, port = sys.argv[1], int(sys.argv[2])
    if kind == "asyncio":
        asyncio.run(serve_asyncio(port))
    elif kind in ("forking", "threading", "plain"):
        serve_socketserver({"forking": socketserver.ForkingTCPServer, "threading": socketserver.ThreadingTCPServer,
                            "plain": socketserver.TCPServer}[kind], port)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        serve_selector(port, {"select": selectors.SelectSelector, "poll": selectors.PollSelector,
                              "epoll": selectors.EpollSelector}[kind]())


main()
