"""A program whose contexts have one fixed version, as before OpenSSL 1.1.0."""

from lib import certs
from lib.legacy import LegacyServer, one_line_exchange, prove_echo_client, prove_server
from lib.process import PROGRAMS
from lib.tap import Tap

PROGRAM = PROGRAMS / "tls/fixed_method"


def server_of(method):
    certificate = certs.server()
    return lambda _folder, port: [PROGRAM, method, "server", port, certificate.cert, certificate.key]


def client_of(method):
    return lambda port: [PROGRAM, method, "client", port]


tap = Tap()
for each in ("TLSv1_2_method", "TLSv1_2_client_method"):
    prove_echo_client(tap, f"a client of {each}", client_of(each))
for each in ("TLSv1_2_method", "TLSv1_2_server_method"):
    prove_server(tap, LegacyServer(f"a server of {each}", server_of(each), one_line_exchange,
                                   weak=("tls12", "static-rsa")))
tap.finish()
