"""make bench-sockets: sealed sockets beside raw TCP and what a user would pick instead. docs/BENCHMARKS.md says how.

In each round every contender has its turn at each load, and they change places from round to round, so that what else
the machine does falls on all of them. The figures go to build/bench/; tables and charts are made of that.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))

import figures  # noqa: E402
import sockets_charts  # noqa: E402
import sockets_cost  # noqa: E402
import sockets_measure as measure  # noqa: E402
import sockets_report  # noqa: E402
from contenders import ALL, Chain, check_sealed, chosen  # noqa: E402
from lib.process import BUILD, ROOT, find  # noqa: E402

DOCUMENT = ROOT / "docs" / "BENCHMARKS.md"
CHARTS = ROOT / "docs" / "bench"
KIB = 1024
FOREIGN_CONNECTIONS = 64


class Plan:
    """How much of what: the whole, a quick look, or the shape only."""

    def __init__(self, options):
        short = options.quick or options.brief
        self.write = not short
        self.folder = BUILD / "bench" / ("brief" if options.brief else "quick" if options.quick else "whole")
        self.rounds = options.rounds or (1 if options.brief else 2 if options.quick else 7)
        self.milliseconds = 30 if options.brief else 150 if options.quick else 500
        self.sizes = ((16 * KIB,) if options.brief else (64, 16 * KIB, 64 * KIB) if options.quick else
                      tuple(64 << shift for shift in range(0, 14, 2)))
        self.connections = (1, 8, 64) if self.write else (1, 64)
        self.pings = 200 if options.brief else 2000 if options.quick else 10000
        self.calls = 200 if options.brief else 5000
        self.spawns = 10 if options.brief else 50 if options.quick else 200
        self.idle = (0, 1, 10, 100, 1000, 10000) if self.write else (0, 20) if options.brief else (0, 200)
        self.counted = not options.brief

    def turns(self, contenders):
        """How many steps the progress bar has."""
        each = len(self.sizes) + len(self.connections) + 3
        return self.rounds * (each * contenders + 3) + contenders + 2 * self.counted


class Bench:
    """One run: who takes part, the figures so far, the progress bar."""

    def __init__(self, plan, contenders):
        self.plan, self.contenders = plan, contenders
        self.by_name = {contender.name: contender for contender in contenders}
        self.progress = figures.Progress(plan.turns(len(contenders)))
        self.found = {"rounds": plan.rounds, "contenders": list(self.by_name), "busy": [], "memory": {}, "counted": {}}

    def add(self, *path):
        """Appends the last of `path` to the list that the others name."""
        *names, last, value = path
        place = self.found
        for name in names:
            place = place.setdefault(str(name), {})
        place.setdefault(str(last), []).append(value)

    def in_turn(self, number, running, what):
        """The running chains in this round's order, each with a step of the progress bar."""
        names = list(running)
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            self.progress.step(f"round {number + 1} of {self.plan.rounds}: {what}, {self.by_name[name].label}")
            yield name, running[name]

    def bulk(self, number):
        with measure.chains(self.contenders, ("sockets_bulk", "serve")) as running:
            for size in self.plan.sizes:
                for name, chain in self.in_turn(number, running, f"writes of {size} bytes"):
                    rate, cpu = measure.bulk(chain, size, self.plan.milliseconds)
                    self.add("bulk", size, name, rate)
                    self.add("cpu", size, name, cpu)
        with measure.chains(self.contenders, ("sockets_bulk", "serve-epoll")) as running:
            for connections in self.plan.connections:
                for name, chain in self.in_turn(number, running, f"{connections} connections"):
                    rate, _ = measure.bulk(chain, 16 * KIB, self.plan.milliseconds, connections)
                    self.add("connections", connections, name, rate)

    def round_trips(self, number):
        for kind in ("serve", "serve-blocking"):
            with measure.chains(self.contenders, ("sockets_ping", kind), pin=True) as running:
                for name, chain in self.in_turn(number, running, "round trips"):
                    self.add("round trips", kind, name, measure.round_trips(chain, self.plan.pings))

    def opened(self, number):
        with measure.chains(self.contenders, ("sockets_ping", "serve")) as running:
            for name, chain in self.in_turn(number, running, "new connections"):
                self.add("opened", name, measure.opened(chain, self.plan.milliseconds))

    def ours(self, number):
        """What has no contender: calls on other descriptors, the limits, start-up."""
        both = [self.by_name[name] for name in ("raw", "pfswrap") if name in self.by_name]
        self.progress.step("descriptors that are not ours")
        with measure.chains(both, ("sockets_ping", "serve"), pin=True) as running:
            order = list(running.items())
            for name, chain in order if number % 2 == 0 else reversed(order):
                for kind, value in measure.foreign_calls(chain, FOREIGN_CONNECTIONS, self.plan.calls).items():
                    self.add("foreign", kind, name, value)
        self.progress.step("limits")
        for name, value in measure.limits(self.plan.milliseconds).items():
            self.add("limits", name, value)
        self.progress.step("start-up")
        if "pfswrap" in self.by_name:
            for name, column in zip(("bare", "preloaded", "run"),
                                    measure.start_up(self.by_name["pfswrap"], self.plan.spawns)):
                self.add("start", name, statistics.median(column))

    def once(self):
        """What is the same in each round: memory and what is counted."""
        for contender in self.contenders:
            self.progress.step(f"memory, {contender.label}")
            self.found["memory"][contender.name] = measure.idle_memory(contender, self.plan.idle)
        for name in ("raw", "pfswrap") if self.plan.counted else ():
            self.progress.step("instructions and system calls")
            if name in self.by_name:
                self.found["counted"][name] = {tool: sockets_cost.counted(self.by_name[name], tool)
                                               for tool in sockets_cost.TOOLS}
        if self.plan.counted:
            self.found["counted"]["libsodium"] = sockets_cost.counted_libsodium()

    def run(self):
        if "pfswrap" in self.by_name:
            with Chain(self.by_name["pfswrap"], ("sockets_ping", "serve")) as chain:
                check_sealed(chain)
        self.found["begun"] = time.time()
        for number in range(self.plan.rounds):
            self.found["busy"].append(figures.busy_share(0.2))
            self.bulk(number)
            self.round_trips(number)
            self.opened(number)
            self.ours(number)
        self.once()
        self.progress.end()
        self.found["ended"] = time.time()
        return self.found


def main():
    parser = argparse.ArgumentParser(description="Measure sealed sockets beside raw TCP and TLS proxies.")
    parser.add_argument("--quick", action="store_true", help="a look that takes a minute; leaves docs/ alone")
    parser.add_argument("--brief", action="store_true", help="the shape of it, in seconds: no figure means anything")
    parser.add_argument("--rounds", type=int, help="rounds (default: 7)")
    parser.add_argument("--contenders", default=",".join(kind.name for kind in ALL), help="who takes part: a,b,c")
    parser.add_argument("--redraw", action="store_true", help="measure nothing: tables and charts of the last run")
    options = parser.parse_args()
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds {options.rounds}, expected 1 or more")
    plan = Plan(options)
    if not options.redraw:
        for program in ("taskset", "gnuplot", *(("valgrind", "strace") if plan.counted else ())):
            if find(program) is None:
                raise SystemExit(f"bench: {program} is not installed, expected it by: scripts/install-deps bench")
        found = Bench(plan, chosen(options.contenders.split(","))).run()
        plan.folder.mkdir(parents=True, exist_ok=True)
        (plan.folder / "sockets.json").write_text(json.dumps(found))
    # Read back, so that what was just measured and what is redrawn look alike.
    found = json.loads((plan.folder / "sockets.json").read_text())
    text = sockets_report.text(found)
    print(text)
    sockets_charts.draw(found, CHARTS if plan.write else plan.folder)
    if plan.write:
        figures.replace_section(DOCUMENT, "bench-sockets", text)


main()
