"""stunnel as a TLS 1.2 server before an echo service, and as a TLS 1.2 client."""

import socket
import ssl
import threading

from lib import certs, hello, peers
from lib.legacy import CIPHERS, LegacyServer, check_handshake, echo_exchange, prove_server
from lib.process import Process, free_port, temporary_directory
from lib.tap import Tap, equal
from lib.wrap import Wrap

SERVER = """
foreground = yes
syslog = no
pid =
[echo]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{backend}
cert = {folder}/server.pem
sslVersionMin = TLSv1
sslVersionMax = TLSv1.2
ciphers = {ciphers}
curve = secp521r1
"""
CLIENT = """
foreground = yes
syslog = no
pid =
[out]
client = yes
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{server}
sslVersionMax = TLSv1.2
ciphers = {ciphers}
"""


def echo(connection):
    with connection:
        while True:
            data = connection.recv(65536)
            if not data:
                return
            connection.sendall(data)


def echo_service():
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()
    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


BACKEND = echo_service()


def command(folder, port):
    (folder / "server.pem").write_bytes(certs.server().combined().read_bytes() + certs.dh_parameters().read_bytes())
    (folder / "server.pem").chmod(0o600)
    (folder / "stunnel.conf").write_text(SERVER.format(port=port, backend=BACKEND, folder=folder, ciphers=CIPHERS))
    return ["stunnel4", folder / "stunnel.conf"]


def through_client(server_port, wrap, word):
    """Sends `word` through a wrapped stunnel client; returns what comes back (nothing if it was refused)."""
    folder, port = temporary_directory(), free_port()
    (folder / "client.conf").write_text(CLIENT.format(port=port, server=server_port, ciphers=CIPHERS))
    with Process(wrap.argv(["stunnel4", folder / "client.conf"])).wait_for_port(port):
        try:  # stunnel may reset the connection at any time from its accept() on
            with socket.create_connection(("127.0.0.1", port), 10) as connection:
                connection.settimeout(10)
                connection.sendall(word)
                return hello.receive(connection, len(word))
        except ConnectionError:
            return b""


def main():
    tap = Tap()
    prove_server(tap, LegacyServer("stunnel", command, echo_exchange, needs=["stunnel4"]))
    word = b"through the tunnel\n" * 1000
    with peers.Server(lambda connection, _: echo(connection)) as server:
        with tap.case("stunnel as a client wrapped uses TLS 1.3 though it is limited to TLS 1.2"):
            wrap = Wrap()
            equal(through_client(server.port, wrap, word), word, f"echo; log: {wrap.tail()}")
            equal(server.versions[-1][0], "TLSv1.3", "version the server saw")
            check_handshake(wrap.wait_event("handshake", role="client"), "client")
    with peers.Server(lambda connection, _: echo(connection), version=ssl.TLSVersion.TLSv1_2) as server:
        with tap.case("stunnel as a client wrapped refuses a server that allows TLS 1.2 only"):
            wrap = Wrap()
            equal(through_client(server.port, wrap, word), b"", "echo")
            equal(server.versions, [], "handshakes the server finished")
    tap.finish()


main()
