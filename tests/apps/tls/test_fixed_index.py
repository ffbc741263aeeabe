"""A program that keeps data with its connections under ex_data numbers that it never allocated."""

from lib.process import PROGRAMS, run
from lib.tap import Tap, equal
from lib.wrap import Wrap


def main():
    tap = Tap()
    program = [PROGRAMS / "tls/fixed_index"]
    with tap.case("ex_data numbers that a program did not allocate are free bare, so that the next case means something"):
        result = run(program)
        equal((result.status, result.out), (0, b"kept\n"), f"{result!r}")
    with tap.case("pfswrap uses none of the ex_data numbers that programs use without allocating them"):
        result = run(Wrap().argv(program))
        equal((result.status, result.out), (0, b"kept\n"), f"{result!r}")
    tap.finish()


main()
