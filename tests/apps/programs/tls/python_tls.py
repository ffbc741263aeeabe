"""A Python program with old settings, for tls/test_python_ssl.py: TLS 1.2 at most, old ciphers, P-521.

usage: python_tls.py server|asyncio-server PORT CERT KEY DH | client|asyncio-client PORT CAFILE | readback
"""

import asyncio
import ssl
import socket
import sys

CIPHERS = "AES128-SHA:AES256-SHA:DHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"


def weaken(context):
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_TLSv1_3
    return context


def server_context(cert, key, dh):
    context = weaken(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    context.load_cert_chain(cert, key)
    context.load_dh_params(dh)
    context.set_ecdh_curve("secp521r1")
    return context


def client_context(trust):
    context = weaken(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    context.load_verify_locations(trust)
    return context


def readback():
    """Prints what the program reads back of its settings, which must look as if they had an effect."""
    context = weaken(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    print("minimum", context.minimum_version.name)
    print("maximum", context.maximum_version.name)
    print("options", int(context.options))
    print("ciphers", " ".join(cipher["name"] for cipher in context.get_ciphers()))
    context.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    print("widened", context.minimum_version.name, context.maximum_version.name)
    print("fixed", ssl.SSLContext(ssl.PROTOCOL_TLSv1_2).maximum_version.name)


def serve(port, context):
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            raw, _ = listener.accept()
            try:
                with context.wrap_socket(raw, server_side=True) as connection:
                    while data := connection.recv(65536):
                        connection.sendall(data)
            except (OSError, ssl.SSLError) as error:
                print("connection:", error, flush=True)
            finally:
                raw.close()


async def serve_asyncio(port, context):
    async def echo(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
    server = await asyncio.start_server(echo, "127.0.0.1", port, ssl=context)
    await server.serve_forever()


REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def fetch(port, context):
    with socket.create_connection(("127.0.0.1", port), 10) as raw:
        with context.wrap_socket(raw, server_hostname="localhost") as connection:
            connection.sendall(REQUEST)
            data = b""
            while more := connection.recv(65536):
                data += more
            return data


async def fetch_asyncio(port, context):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    writer.write(REQUEST)
    await writer.drain()
    data = await reader.read(-1)
    writer.close()
    return data


def main():
    mode, rest = sys.argv[1], sys.argv[2:]
    if mode == "server":
        serve(int(rest[0]), server_context(*rest[1:]))
    elif mode == "asyncio-server":
        asyncio.run(serve_asyncio(int(rest[0]), server_context(*rest[1:])))
    elif mode == "client":
        sys.stdout.buffer.write(fetch(int(rest[0]), client_context(rest[1])).partition(b"\r\n\r\n")[2])
    elif mode == "asyncio-client":
        data = asyncio.run(fetch_asyncio(int(rest[0]), client_context(rest[1])))
        sys.stdout.buffer.write(data.partition(b"\r\n\r\n")[2])
    else:
        readback()


main()
