"""Random sizes, random pauses, both directions at once: nothing may be lost. 100 MiB each way by default.

PFSWRAP_SOAK_GIB=10 sends 10 GiB in all (`make soak GIB=10`), and PFSWRAP_SOAK_SEED sets another seed. Memory, descriptors and
threads of both ends have bounds (lib/usage.py), and are printed in the end.
"""
# timeout: 90000

import os
import re
import time

from lib.process import PROGRAMS, Process, free_port
from lib.progress import Progress
from lib.seal import MODES, Keys, SealWrap, check_wire, look, needs_seal
from lib.tap import Tap, check, equal
from lib.usage import Usage, children

GIB = os.environ.get("PFSWRAP_SOAK_GIB")
SEED = os.environ.get("PFSWRAP_SOAK_SEED", "1")
MEBIBYTES = int(float(GIB) * 512) if GIB else 100  # each way
WARM = 12  # the warm-up is this part of the bytes: half of the first connection
SECONDS = 60 + MEBIBYTES  # 1 MiB/s each way would be too slow for any machine


def soak(argv, mode, mebibytes, wrap):
    """Runs the program, whose two ends are two processes, to its end."""
    with Process(argv, env=mode.environment()) as process:
        usage = Usage(lambda: dict(zip(("server", "client"), [process.pid, *children(process.pid)])))
        progress, end = Progress(mebibytes), time.monotonic() + SECONDS
        while process.running():
            told = re.findall(r"^(\d+) passed$", process.text(), re.MULTILINE)
            passed = int(told[-1]) if told else 0
            usage.warm = usage.warm or passed > mebibytes // WARM
            usage.sample()
            progress.show(passed, f"{2 * passed / 1024:.1f} GiB; {usage.text()}")
            check(time.monotonic() < end, f"{passed} MiB each way in {SECONDS} s; log: {wrap.tail()}")
            time.sleep(0.1)
        progress.end()
        equal(process.wait(), 0, f"status of {argv[-8:]}, which printed {process.text()[-500:]}; log: {wrap.tail()}")
        print(f"# {mode.name}: {2 * mebibytes / 1024:.1f} GiB; {usage.text()}", flush=True)


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
                soak(mode.argv(wrap, [PROGRAMS / "seal/sock_soak", "soak", port, "127.0.0.1", "both", mebibytes, SEED]),
                     mode, mebibytes, wrap)
                check_wire(wire, mode.sealed)
            if mode.sealed:
                ends = [event["end"] for event in wrap.events("closed")]
                equal(ends, ["clean"] * 12, "how the six connections ended at both ends")
    tap.finish()


main()
