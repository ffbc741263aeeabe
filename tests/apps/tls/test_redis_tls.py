"""redis-server with tls-protocols TLSv1.2, and redis-cli as a client."""

from lib import certs, hello, peers
from lib.legacy import CIPHERS, LegacyServer, blob, check_handshake, prove_server
from lib.process import run
from lib.tap import Tap, check, equal
from lib.wrap import Wrap

DATA, _ = blob(2)


def command(folder, port):
    certificate = certs.server()
    return ["redis-server", "--port", "0", "--tls-port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "",
            "--tls-cert-file", certificate.cert, "--tls-key-file", certificate.key, "--tls-dh-params-file",
            certs.dh_parameters(), "--tls-ca-cert-file", certs.authority().cert, "--tls-auth-clients", "no",
            "--tls-protocols", "TLSv1.2", "--tls-ciphers", CIPHERS, "--tls-prefer-server-ciphers", "yes"]


def bulk(*words):
    """A Redis command: an array of bulk strings."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def exchange(port, context):
    with peers.connected(port, context) as connection:
        connection.sendall(bulk(b"SET", b"key", DATA))
        equal(hello.receive(connection, 5), b"+OK\r\n", "reply to SET")
        connection.sendall(bulk(b"GET", b"key"))
        head = b"$%d\r\n" % len(DATA)
        check(hello.receive(connection, len(head) + len(DATA) + 2) == head + DATA + b"\r\n",
              f"the value of {len(DATA)} bytes should come back unchanged")


def main():
    tap = Tap()
    server = LegacyServer("redis-server", command, exchange, needs=["redis-server", "redis-cli"])
    prove_server(tap, server)

    wrap = Wrap()
    with server.start(wrap) as redis:
        with tap.case("redis-cli wrapped connects to a wrapped redis-server over TLS 1.3"):
            client = Wrap()
            ciphers = ["--tls-ciphers", CIPHERS] if "--tls-ciphers" in run(["redis-cli", "--help"]).text else []
            result = run(client.argv(["redis-cli", "-p", redis.port, "--tls", "--cacert", certs.authority().cert,
                                      *ciphers, "ECHO", "through"]))
            equal((result.status, result.out.strip()), (0, b"through"), f"{result!r}")
            check_handshake(client.wait_event("handshake", role="client"), "client")
            check_handshake(wrap.wait_event("handshake", role="server"))
    tap.finish()


main()
