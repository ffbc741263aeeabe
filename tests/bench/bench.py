"""make bench: measures the parts that are asked for, and writes their figures, charts and targets to one page.

The figures of a part go to build/bench/ after every round; `--resume` goes on where a run was stopped. The page's table of
targets is made of whatever parts have been measured there.
"""

import argparse
import copy
import json
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))

import figures  # noqa: E402
from crowd_bench import Crowd  # noqa: E402
from layer_bench import Layer  # noqa: E402
from lib.process import BUILD, ROOT, Timeout, find  # noqa: E402
from log_bench import Log  # noqa: E402
from padding_bench import Padding  # noqa: E402
from part import Scale  # noqa: E402
from seal_bench import Memory  # noqa: E402
from sockets_bench import Sockets  # noqa: E402
from start_bench import Start  # noqa: E402
from tls_bench import Tls  # noqa: E402
from wire_bench import Wire  # noqa: E402

DOCUMENT, CHARTS = ROOT / "docs" / "BENCHMARKS.md", ROOT / "docs" / "bench"
PARTS = (Sockets, Padding, Crowd, Start, Tls, Wire, Layer, Log, Memory)
HEADER = ["figure", "pfswrap", "compared with", "result", "target", "verdict"]


def read(path):
    return json.loads(path.read_text()) if path.exists() else {}


def save(path, found):
    """The file is either as it was or complete, whenever this is stopped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(found))
    draft.rename(path)


def measure_round(part, number, found, progress):
    """One round on a copy, which counts if it comes to its end; a second time if something on the machine went wrong."""
    for last in (False, True):
        attempt = copy.deepcopy(found)
        try:
            attempt["busy"] = [*found.get("busy", []), figures.busy_share(0.2)]
            part.round(number, attempt, progress)
            return attempt
        except (SystemExit, Timeout) as failure:
            if last:
                raise
            print(f"\nbench: {part.name}, round {number + 1} is measured again: {failure}", file=sys.stderr)
    return None


def measure(part, path, resume, progress):
    """All rounds of a part, those that are in its file already not again."""
    found = read(path) if resume else {}
    begun = time.monotonic() - found.get("seconds", 0)
    try:
        part.open()
        for number in range(found.get("rounds", 0), part.rounds):
            progress.prefix = f"{part.name}, round {number + 1} of {part.rounds}: "
            found = measure_round(part, number, found, progress)
            found |= {"rounds": number + 1, "seconds": time.monotonic() - begun,
                      "date": time.strftime("%Y-%m-%d", time.gmtime())}
            save(path, found)
        progress.prefix = f"{part.name}: "
        part.finish(found, progress)
    finally:
        part.close()
    save(path, found | {"complete": True, "seconds": time.monotonic() - begun})


def path_of(folder, part):
    return folder / f"{part.name}.json"


def measure_all(parts, folder, resume):
    parts = [part for part in parts if not (resume and read(path_of(folder, part)).get("complete"))]
    progress, done = figures.Progress(sum(part.seconds() for part in parts)), 0
    for part in parts:
        measure(part, path_of(folder, part), resume, progress)
        done += part.seconds()
        progress.part_ends(done)
    progress.end()


def table_of_targets(scale, folder):
    """The targets of all parts that have been measured at this scale, in one table."""
    rows, dates = [], set()
    for part in (kind(scale) for kind in PARTS):
        found = read(path_of(folder, part))
        if found.get("complete"):
            rows += [target.row() for target in part.targets(found)]
            dates.add(found["date"])
    return f"{figures.machine()}; {', '.join(sorted(dates))}.\n\n{figures.table(HEADER, rows)}"


def main():
    parser = argparse.ArgumentParser(description="Measure pfswrap and its alternatives.")
    parser.add_argument("parts", nargs="*", help=f"any of: {' '.join(kind.name for kind in PARTS)} (default: all)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quick", action="store_true", help="two minutes at most; does not change docs/")
    how.add_argument("--brief", action="store_true", help="test run: the figures mean nothing")
    parser.add_argument("--rounds", type=int, help="rounds of each part (default: enough for each part)")
    parser.add_argument("--resume", action="store_true", help="continue a run that was stopped")
    parser.add_argument("--redraw", action="store_true", help="measure nothing: tables and charts of the last run")
    options = parser.parse_args()
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds {options.rounds}, expected 1 or more")
    known = {kind.name: kind for kind in PARTS}
    for name in options.parts:
        if name not in known:
            parser.error(f"there is no part '{name}', expected any of: {' '.join(known)}")
    scale = Scale("quick" if options.quick else "brief" if options.brief else "whole", options.rounds)
    folder = BUILD / "bench" / scale.name
    parts = [kind(scale) for name, kind in known.items() if name in options.parts or not options.parts]
    for program in sorted({"gnuplot", *(program for part in parts for program in part.needs)}):
        if find(program) is None:
            raise SystemExit(f"bench: {program} is not installed, expected it by: scripts/install-deps bench")
    if not options.redraw:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # what was started ends with us, however we end
            signal.signal(number, signal.default_int_handler)
        try:
            measure_all(parts, folder, options.resume)
        except KeyboardInterrupt:
            raise SystemExit("\nbench: stopped; RESUME=1 continues from here") from None
    for part in parts:
        found = read(path_of(folder, part))
        if not found.get("complete"):
            raise SystemExit(f"bench: {part.name} has not been measured completely; --resume continues")
        text = part.text(found)
        print(f"{text}\n")
        part.draw(found, folder if scale.name != "whole" else CHARTS)
        if scale.name == "whole":
            figures.replace_section(DOCUMENT, part.name, text)
    text = table_of_targets(scale, folder)
    print(text)
    if scale.name == "whole":
        figures.replace_section(DOCUMENT, "targets", text)


if __name__ == "__main__":
    main()
