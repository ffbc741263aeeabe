"""make bench, the seal protocol in memory: runs tests/bench/seal and puts what it prints into docs/BENCHMARKS.md.

`make bench-seal` runs the program itself, which fails where a target is missed. Here a missed target is a figure.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))

import figures  # noqa: E402
from lib.process import BUILD, ROOT, run  # noqa: E402

MISSED = 1  # how the program ends if all was measured and a target was missed


def main():
    parser = argparse.ArgumentParser(description="Measure the seal protocol in memory.")
    parser.add_argument("--quick", action="store_true", help="leaves docs/BENCHMARKS.md alone")
    options = parser.parse_args()
    busy = figures.busy_share(0.5)
    done = run([BUILD / "tests" / "bench" / "seal"], timeout=300)
    if done.status not in (0, MISSED):
        raise SystemExit(f"bench: {done}")
    text = "\n".join([f"{figures.machine()}; {time.strftime('%Y-%m-%d', time.gmtime())}, before which others used "
                      f"{busy * 100:.0f} % of the processors.", "", "```", done.out.decode().rstrip(), "```"])
    print(text)
    if not options.quick:
        figures.replace_section(ROOT / "docs" / "BENCHMARKS.md", "bench-seal", text)


main()
