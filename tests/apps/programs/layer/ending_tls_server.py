"""Echoes one TLS connection and prints how it ended: ending_tls_server.py MANNER PORT CERTIFICATE KEY.

The manners are blocking, select and poll, which read once for each event, and asyncio, which gives libssl the bytes itself.
"""

import asyncio
import select
import socket
import ssl
import sys


def wait(manner, connection):
    if connection.pending() > 0:
        return
    if manner == "select":
        select.select([connection], [], [])
    elif manner == "poll":
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        poll.poll()


def serve(manner, connection):
    data = b"start"
    while data:
        wait(manner, connection)
        data = connection.recv(4096)
        connection.sendall(data)
    print("end:", connection.recv(4096), flush=True)
    connection.sendall(b"bye")
    with connection.unwrap():
        pass


async def handle(reader, writer, done):
    try:
        while data := await reader.read(4096):
            writer.write(data)
        print("end:", data, flush=True)
        writer.write(b"bye")
        writer.close()
        await writer.wait_closed()
    finally:
        done.set()


async def serve_asyncio(port, context):
    done = asyncio.Event()
    async with await asyncio.start_server(lambda reader, writer: handle(reader, writer, done), "127.0.0.1", port, ssl=context):
        await done.wait()


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    try:
        if sys.argv[1] == "asyncio":
            asyncio.run(serve_asyncio(int(sys.argv[2]), context))
            return
        with socket.create_server(("127.0.0.1", int(sys.argv[2]))) as listener, \
                context.wrap_socket(listener.accept()[0], server_side=True, suppress_ragged_eofs=False) as connection:
            serve(sys.argv[1], connection)
    except OSError as error:
        print("error:", error, flush=True)


main()
