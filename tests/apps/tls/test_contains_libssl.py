"""An executable that contains libssl: it cannot be protected, and the log says so."""

from lib import certs
from lib.process import PROGRAMS, run
from lib.tap import Tap, check, equal
from lib.wrap import Wrap


def main():
    tap = Tap()
    program = [PROGRAMS / "tls/contains_libssl"]
    for mode in ("enforce", "audit"):
        with tap.case(f"with mode = {mode} the log says that a program which contains libssl is not protected"):
            wrap = Wrap(mode=mode)
            result = run(wrap.argv(program))
            equal((result.status, result.out), (0, b"303\n"), f"{result!r}")
            event = wrap.wait_event("unprotected")
            equal(event["program"], "contains_libssl", f"program in {event}")
            check("contains libssl" in event["reason"], f"expected the reason in {event}")
    with tap.case("a program with a shared libssl is not reported as unprotected"):
        wrap = Wrap()
        certificate = certs.server()
        equal(run(wrap.argv([PROGRAMS / "tls/memory_bio", certificate.cert, certificate.key])).status, 0, "exit status")
        equal(wrap.events("unprotected"), [], "events")
    tap.finish()


main()
