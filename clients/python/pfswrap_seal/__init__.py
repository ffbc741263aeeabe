"""Sealed connections to programs under pfswrap: sockets and asyncio streams on libpfswrap-seal.

    context = pfswrap_seal.Context(identity="app.key", peers={"server": "BASE64 KEY"}, names=["server"])
    with pfswrap_seal.create_connection(("192.0.2.7", 7000), context) as sock:
        sock.sendall(b"hello")
        print(sock.recv(100))

The modules: keys (Context and keys), tunnel (one connection without I/O), sockets, aio (asyncio), library (the C library).
"""

from .keys import Context, PublicKey, SecretKey
from .library import (KeyFileError, SealConnectionError, SealError, SealRefused, SealTruncated, has_post_quantum)
from .sockets import SealServer, SealSocket, create_connection, create_server
from .tunnel import CLIENT, SERVER, Info, Tunnel
from . import aio

__all__ = ["CLIENT", "Context", "Info", "KeyFileError", "PublicKey", "SERVER", "SealConnectionError", "SealError",
           "SealRefused", "SealServer", "SealSocket", "SealTruncated", "SecretKey", "Tunnel", "aio", "create_connection",
           "create_server", "has_post_quantum"]
