"""A client of python_servers.py on PORT: python_client.py KIND PORT, with KIND one of blocking, timeout, asyncio.

Lines, a megabyte in flight, a half-close; asyncio has 30 connections at once. Prints `ok` or the fault.
"""

import asyncio
import hashlib
import socket
import sys

MARKER = b"this-is-readable-on-the-wire"
BIG = 3000000


def expect(found, expected, what):
    if found != expected:
        sys.exit(f"{what}: expected {expected[:60]!r} ({len(expected)}), found {found[:60]!r} ({len(found)})")


def big_digest():
    filler = MARKER + b" 0123456789\n"
    return hashlib.sha256((filler * (BIG // len(filler) + 1))[:BIG]).hexdigest().encode()


def blocking(port, timeout):
    """A socket with or without a timeout (which makes it non-blocking, under poll)."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(timeout)
        reader = connection.makefile("rb")
        for number in range(50):
            line = b"%d %s\n" % (number, MARKER)
            connection.sendall(line)
            expect(reader.readline(), line, "an echoed line")
        connection.sendall(b"big %d\n" % BIG)
        expect(hashlib.sha256(reader.read(BIG)).hexdigest().encode(), big_digest(), "3 MB")
        rest = MARKER * 20000
        connection.sendall(b"half\n" + rest)
        connection.shutdown(socket.SHUT_WR)
        expect(reader.read(), rest, "what came after the half-close")


async def one(port, number):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for count in range(10):
        line = b"%d %d %s\n" % (number, count, MARKER)
        writer.write(line)
        expect(await reader.readline(), line, "an echoed line")
    writer.write(b"big 300000\n")
    expect(b"%d" % len(await reader.readexactly(300000)), b"300000", "300 kB")
    writer.write(b"half\n" + MARKER * 5000)
    writer.write_eof()
    expect(await reader.read(), MARKER * 5000, "what came after the half-close")
    writer.close()
    await writer.wait_closed()


async def many(port):
    await asyncio.gather(*(one(port, number) for number in range(30)))


def main():
    kind, port = sys.argv[1], int(sys.argv[2])
    if kind == "asyncio":
        asyncio.run(many(port))
    else:
        blocking(port, 20 if kind == "timeout" else None)
    print("ok")


main()
