"""Random sizes, random pauses, both directions at once: nothing may be lost. 100 MiB each way by default.

PFSWRAP_SOAK_GIB=10 sends 10 GiB in all (`make soak GIB=10`), and PFSWRAP_SOAK_SEED sets another seed.
"""

import os

from lib.process import PROGRAMS, free_port, run
from lib.seal import MODES, Keys, SealWrap, check_wire, look, needs_seal
from lib.tap import Tap, equal

GIB = os.environ.get("PFSWRAP_SOAK_GIB")
SEED = os.environ.get("PFSWRAP_SOAK_SEED", "1")
MEBIBYTES = int(float(GIB) * 512) if GIB else 100  # each way
SECONDS = 60 + MEBIBYTES  # 1 MiB/s each way would be too slow for any machine


def main():
    tap = Tap()
    keys = Keys("peer")
    for mode in MODES:
        mebibytes = MEBIBYTES if mode.sealed else min(MEBIBYTES, 20)
        with tap.case(f"{mode.name}: {mebibytes} MiB each way in random sizes with random pauses arrive as sent"):
            if mode.sealed:
                needs_seal()
            port = free_port()
            wrap = SealWrap(keys, listen=port, connect=port)
            with look(port) as wire:
                result = run(mode.argv(wrap, [PROGRAMS / "seal/sock_soak", "soak", port, "127.0.0.1", "both", mebibytes, SEED]),
                             env=mode.environment(), timeout=SECONDS)
                equal(result.status, 0, f"status of {result!r}; log: {wrap.tail()}")
                check_wire(wire, mode.sealed)
            if mode.sealed:
                ends = [event["end"] for event in wrap.events("closed")]
                equal(ends, ["clean"] * 12, "how the six connections ended at both ends")
    tap.finish()


main()
