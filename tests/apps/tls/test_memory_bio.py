"""A program whose TLS runs inside libssl's own BIOs over memory: each call returns the same as bare."""

from lib import certs
from lib.legacy import check_handshake
from lib.process import PROGRAMS, run
from lib.tap import Tap, equal
from lib.wrap import Wrap


def main():
    tap = Tap()
    certificate = certs.server()
    argv = [PROGRAMS / "tls/memory_bio", certificate.cert, certificate.key]
    bare = run(argv)
    with tap.case("reading and writing a BIO_f_ssl during the handshake has to be retried, wrapped as bare"):
        wrap = Wrap()
        wrapped = run(wrap.argv(argv))
        equal(bare.status, 0, f"status of {bare!r}")
        equal(wrapped.status, 0, f"status of {wrapped!r}")
        equal(wrapped.out.decode(), bare.out.decode().replace("TLSv1.2", "TLSv1.3"), "what the program printed")
        for role in ("client", "server"):
            check_handshake(wrap.wait_event("handshake", role=role), role, addresses=False)
    tap.finish()


main()
