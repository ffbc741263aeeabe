"""TLS peers for the tests that are themselves not wrapped: Python's ssl and the openssl command.

They complete handshakes and carry data; lib.hello does not.
"""

import contextlib
import re
import select
import socket
import ssl
import threading

from lib import certs
from lib.acceptor import Acceptor
from lib.process import DEADLINE, run


def client_context(version=None, trust=None, ciphers=None, group=None, certificate=None):
    """A Python client context that trusts any server unless `trust` (a CA file) is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if trust:
        context.load_verify_locations(trust)
        context.verify_mode = ssl.CERT_REQUIRED
    if version:
        context.minimum_version = context.maximum_version = version
    if ciphers:
        context.set_ciphers(ciphers)
    if group and group != "X25519":  # OpenSSL's own preference, which set_ecdh_curve() cannot set in 3.0
        context.set_ecdh_curve(group)
    if certificate:
        context.load_cert_chain(certificate.cert, certificate.key)
    return context


@contextlib.contextmanager
def connected(port, context=None, host="127.0.0.1", name="localhost", prepare=None):
    """An unwrapped TLS connection to a server, after the handshake; prepare(socket) is called before it, if given."""
    with socket.create_connection((host, port), DEADLINE) as raw:
        if prepare:
            prepare(raw)
        with (context or client_context()).wrap_socket(raw, server_hostname=name) as connection:
            yield connection


def s_client(port, *options, data=b"", timeout=DEADLINE):
    """openssl s_client, unwrapped. Returns its Result; see also negotiated()."""
    return run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options], data=data, timeout=timeout)


def negotiated(text):
    """What s_client printed about a connection: (version, cipher, key exchange), or None without a handshake."""
    head = re.search(r"^New, (TLSv[\d.]+|SSLv3), Cipher is (\S+)", text, re.MULTILINE)
    if not head or head[2] == "(NONE)":
        return None
    protocol = re.search(r"^    Protocol  *: (\S+)", text, re.MULTILINE)
    exchange = re.search(r"^(?:Server|Peer) Temp Key: ([^,\n]+)(?:, ([^,\n]+))?", text, re.MULTILINE)
    key = None
    if exchange:
        key = exchange[2] if exchange[1] == "ECDH" and exchange[2] else exchange[1]
    return (protocol[1] if protocol else head[1]), head[2], key


class Server(Acceptor):
    """An unwrapped Python TLS server in a thread; `handle(connection, peer)` gets each connection after its handshake."""

    def __init__(self, handle, certificate=None, version=None, ciphers=None, ca=None, group=None):
        certificate = certificate or certs.server()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.cert, certificate.key)
        if version:
            self.context.minimum_version = self.context.maximum_version = version
        if ciphers:
            self.context.set_ciphers(ciphers)
        if group:
            self.context.set_ecdh_curve(group)
        if ca:
            self.context.load_verify_locations(ca)
            self.context.verify_mode = ssl.CERT_REQUIRED
        self.handle, self.failures, self.versions = handle, [], []
        super().__init__()

    def accepted(self, connection, peer):
        threading.Thread(target=self.one, args=(connection, peer), daemon=True).start()

    def one(self, raw, peer):
        raw.settimeout(DEADLINE)
        try:
            with self.context.wrap_socket(raw, server_side=True) as connection:
                self.versions.append((connection.version(), connection.cipher()[0]))
                self.handle(connection, peer)
        except (OSError, ValueError) as error:
            self.failures.append(str(error))


class Recorder:
    """An unwrapped server of plain TCP that keeps the bytes of its only connection in `received`."""

    def __init__(self):
        self.received = b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(DEADLINE)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError), self.listener.accept()[0] as connection:
            connection.settimeout(DEADLINE)
            while more := connection.recv(4096):
                self.received += more

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not select.select([self.listener], [], [], 0)[0]:  # no client is waiting to be accepted
            self.listener.shutdown(socket.SHUT_RDWR)  # ends an accept() that has no client
        self.thread.join(DEADLINE)
        self.listener.close()


def echo(connection, _peer):
    """A handler that sends the first bytes back and waits for the end."""
    connection.sendall(connection.recv(4096))
    while connection.recv(4096):
        pass


def echo_line(connection, _peer):
    """A handler that sends the first bytes back after the words "echo of"."""
    connection.sendall(b"echo of " + connection.recv(4096))


def reply_http(body):
    """A handler that answers one HTTP request with `body`."""
    def handle(connection, _peer):
        request = b""
        while b"\r\n\r\n" not in request:
            more = connection.recv(4096)
            if not more:
                return
            request += more
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        with contextlib.suppress(OSError):
            connection.unwrap()
    return handle
