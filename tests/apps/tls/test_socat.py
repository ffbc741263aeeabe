"""socat's OPENSSL-LISTEN and OPENSSL addresses, capped at TLS 1.2."""

import ssl

from lib import certs, peers
from lib.legacy import CIPHERS, LegacyServer, check_handshake, echo_exchange, prove_server
from lib.process import run
from lib.tap import Tap, check, equal
from lib.wrap import Wrap


def command(_folder, port):
    certificate = certs.server()
    options = [f"OPENSSL-LISTEN:{port}", "bind=127.0.0.1", "reuseaddr", "fork", f"cert={certificate.cert}",
               f"key={certificate.key}", "verify=0", "openssl-max-proto-version=TLS1.2", f"dhparams={certs.dh_parameters()}",
               "ciphers=" + CIPHERS.replace(":", "\\:")]
    return ["socat", ",".join(options), "EXEC:cat"]


def client(port, wrap):
    return run(wrap.argv(["socat", "-t", "5", "-", f"OPENSSL:127.0.0.1:{port},verify=0,openssl-max-proto-version=TLS1.2"]),
               data=b"hello from socat\n")


def reply(connection, _peer):
    connection.sendall(b"got: " + connection.recv(100))
    while connection.recv(100):  # a close with unread bytes would be a reset
        pass


def main():
    tap = Tap()
    prove_server(tap, LegacyServer("socat", command, echo_exchange, needs=["socat"],
                                   groups=["P-256"]))  # its own choice, which the policy allows
    with peers.Server(reply) as server:
        with tap.case("socat as a client wrapped uses TLS 1.3 though it is limited to TLS 1.2"):
            wrap = Wrap()
            result = client(server.port, wrap)
            equal(result.out, b"got: hello from socat\n", f"{result!r}; log: {wrap.tail()}")
            check_handshake(wrap.wait_event("handshake", role="client"), "client")
    with peers.Server(reply, version=ssl.TLSVersion.TLSv1_2) as server:
        with tap.case("socat as a client wrapped refuses a server that allows TLS 1.2 only"):
            result = client(server.port, Wrap())
            check(result.status != 0 and not result.out, f"expected a failure, found {result!r}")
            equal(server.versions, [], "handshakes the server finished")
    tap.finish()


main()
