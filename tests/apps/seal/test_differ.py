"""Random calls on connections: each returns the same bare and sealed, for every seed.

To run more by hand: test_differ.py --seeds FIRST LAST [--steps STEPS]
"""

import difflib
import sys

from lib.process import PROGRAMS, free_port, run
from lib.seal import MODES, Keys, SealWrap, needs_seal, story
from lib.tap import Tap, check

PROGRAM = PROGRAMS / "seal/sock_differ"
SEEDS = {"127.0.0.1": range(1, 4), "::1": range(4, 6)}
STEPS = 400


def trace(keys, mode, seed, address, steps):
    """What the program prints, and the details of a failure."""
    port = free_port()
    wrap = SealWrap(keys, listen=port, connect=port)
    result = run(mode.argv(wrap, [PROGRAM, seed, port, address, steps]), env=mode.environment())
    text = result.out.decode(errors="replace")
    details = f"{mode.name}: status {result.status}: {result.err.decode(errors='replace')[-600:]}"
    if mode.sealed:
        details += f"\n{story(wrap)}"
    return text.splitlines(), details


def compare(keys, seed, address, steps):
    bare, sealed = (trace(keys, mode, seed, address, steps) for mode in MODES)
    check(bare[0] and bare[0][-1] == "ok", f"seed {seed} did not end bare: {bare[0][-3:]} {bare[1]}")
    if bare[0] != sealed[0]:
        lines = list(difflib.unified_diff(bare[0], sealed[0], "bare", "sealed", lineterm="", n=6))
        check(False, f"seed {seed} at {address}:\n" + "\n".join(lines[:40]) + f"\n{sealed[1]}")


def main():
    tap = Tap()
    keys = Keys("peer")
    seeds, steps = SEEDS, STEPS
    if "--seeds" in sys.argv:
        at = sys.argv.index("--seeds")
        numbers = range(int(sys.argv[at + 1]), int(sys.argv[at + 2]) + 1)
        seeds = {"127.0.0.1": numbers[::2], "::1": numbers[1::2]}
    if "--steps" in sys.argv:
        steps = int(sys.argv[sys.argv.index("--steps") + 1])
    for address, numbers in seeds.items():
        for seed in numbers:
            with tap.case(f"{steps} random calls at {address}, seed {seed}, return the same bare and sealed"):
                needs_seal()
                compare(keys, seed, address, steps)
    tap.finish()


main()
