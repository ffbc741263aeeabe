"""A program that keeps connections in memory shared by its processes: one does the handshake, another moves the data."""

from lib import certs
from lib.legacy import check_handshake
from lib.process import PROGRAMS, run
from lib.tap import Tap, equal
from lib.wrap import Wrap

WORDS = "24 written, 24 received: from process to process\n"


def main():
    tap = Tap()
    certificate = certs.server()
    program = [PROGRAMS / "tls/shared_memory", certificate.cert, certificate.key]
    with tap.case("connections in shared memory work in another process bare, so that the next case means something"):
        result = run(program)
        equal((result.status, result.out.decode()), (0, f"TLSv1.2: {WORDS}"), f"{result!r}")
    with tap.case("connections in shared memory work in another process wrapped, upgraded and verified"):
        wrap = Wrap()
        result = run(wrap.argv(program))
        equal((result.status, result.out.decode()), (0, f"TLSv1.3: {WORDS}"), f"{result!r}")
        for role in ("client", "server"):
            check_handshake(wrap.wait_event("handshake", role=role), role, addresses=False)
            equal(len(wrap.events("handshake", role=role)), 1, f"handshakes of the {role}")
    tap.finish()


main()
