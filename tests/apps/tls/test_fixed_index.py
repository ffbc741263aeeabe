"""A program that keeps data with its connections under numbers it never asked libssl for."""

from lib.process import PROGRAMS, run
from lib.tap import Tap, equal
from lib.wrap import Wrap


def main():
    tap = Tap()
    program = [PROGRAMS / "tls/fixed_index"]
    with tap.case("a program's own ex_data numbers stay free bare, so that the next case means something"):
        result = run(program)
        equal((result.status, result.out), (0, b"kept\n"), f"{result!r}")
    with tap.case("pfswrap's records take none of the ex_data numbers that programs use without asking"):
        result = run(Wrap().argv(program))
        equal((result.status, result.out), (0, b"kept\n"), f"{result!r}")
    tap.finish()


main()
