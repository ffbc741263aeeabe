"""A program that loads libssl itself, with RTLD_LOCAL, and finds its functions by dlsym and dlvsym."""

from lib import certs, other_libssl
from lib.legacy import LegacyServer, launch_by_pfswrap, one_line_exchange, prove_echo_client, prove_server
from lib.process import PROGRAMS
from lib.tap import Skip, Tap

PROGRAM = PROGRAMS / "tls/by_dlopen"


def library_path(folder):
    """A launch function that lets the program find libraries in `folder`."""
    def launch(argv, wrap):
        return (wrap.argv(argv) if wrap else argv), {"LD_LIBRARY_PATH": str(folder), "OPENSSL_CONF": "/dev/null"}
    return launch


def prove(tap, words, library, how, launch=launch_by_pfswrap):
    """Client and server with one library and one way to find its functions."""
    certificate = certs.server()
    prove_echo_client(tap, f"a client that finds {words}", lambda port: [PROGRAM, library, how, "client", port], launch)
    prove_server(tap, LegacyServer(
        f"a server that finds {words}",
        lambda _folder, port: [PROGRAM, library, how, "server", port, certificate.cert, certificate.key],
        one_line_exchange, weak=("tls12", "static-rsa"), launch=launch))


def main():
    tap = Tap()
    prove(tap, "libssl.so.3 by dlsym", "libssl.so.3", "dlsym")
    prove(tap, "libssl.so.3 by dlvsym", "libssl.so.3", "OPENSSL_3.0.0")
    try:
        folder = other_libssl.get("bullseye").root / "usr/lib" / other_libssl.triplet()
    except Skip as reason:
        tap.result(True, "a program that finds libssl.so.1.1", skip=str(reason))
        tap.finish()
    for how in ("dlsym", "OPENSSL_1_1_0"):
        prove(tap, f"libssl.so.1.1 by {'dlsym' if how == 'dlsym' else 'dlvsym'}", "libssl.so.1.1", how, library_path(folder))
    prove_echo_client(tap, "a client with OpenSSL 3 and 1.1.1 in one process",
                      lambda port: [PROGRAM, "libssl.so.3,libssl.so.1.1", "dlsym", "client", port], library_path(folder))
    tap.finish()


main()
