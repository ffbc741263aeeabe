"""Start-up time: the part `start`. /bin/true bare, with the library preloaded, and by `pfswrap run`, in turns.

"with keys" has a policy that seals, and so keys to read; the others have the built-in one.
"""

import statistics

import charts
import figures
from contenders import CLIENT_CORE, PROGRAMS, Pfswrap, pinned
from figures import table, with_spread
from lib.process import BUILD, run
from lib.wrap import LAUNCHER, Wrap
from part import Part, add, circumstances

TARGET_RUN_US, TARGET_PRELOAD_US = 2000, 1000
TRUE = "/bin/true"
NAMES = {"bare": "bare", "preloaded": "preloaded object alone", "preloaded-keys": "preloaded, with keys",
         "run": "pfswrap run, build tree", "installed": "pfswrap run, installed",
         "installed-keys": "pfswrap run, installed, with keys"}
TARGETS = {"preloaded": TARGET_PRELOAD_US, "run": TARGET_RUN_US, "installed": TARGET_RUN_US}


def words(environment):
    return " ".join(f"{name}={value}" for name, value in environment.items())


class Start(Part):
    name, needs, charts = "start", ("taskset",), ("start-up",)

    def __init__(self, scale):
        super().__init__(scale)
        self.rounds = scale.rounds or scale.of(9, 1, 1)
        self.spawns = scale.of(60, 60, 5)  # in turns, in each round
        self.commands = {}

    def seconds(self):
        return self.rounds * self.spawns * 8e-3

    def open(self):
        wrap, sealing, port = Wrap(), Pfswrap(), 1  # no program here opens that port
        installed = BUILD / "pfswrap-tool"  # what an installed pfswrap is
        self.commands = {
            "bare": TRUE, "preloaded": f"{words(wrap.preload())} {TRUE}",
            "preloaded-keys": f"{words(sealing.preload(port, 'client'))} {TRUE}",
            "run": f"{LAUNCHER} run --policy {wrap.policy} -- {TRUE}",
            "installed": f"{installed} run --policy {wrap.policy} -- {TRUE}",
            "installed-keys": f"{installed} run --policy {sealing.policy(port, 'client')} -- {TRUE}"}

    def round(self, number, found, progress):
        progress.step("start-up", self.seconds() / self.rounds)
        done = run(pinned([PROGRAMS / "tls_start", self.spawns, *self.commands.values()], CLIENT_CORE), timeout=120)
        if done.status != 0:
            raise SystemExit(f"bench: {done}")
        columns = zip(*[map(float, line.split()) for line in done.out.decode().splitlines()])
        for name, column in zip(self.commands, columns):
            add(found, "start", name, statistics.median(column))

    def text(self, found):
        start = found["start"]
        rows = [[NAMES[name], with_spread(each), "" if name == "bare" else
                 f"{figures.paired_difference(each, start['bare']):+,.0f} us"] for name, each in start.items()]
        return f"{circumstances(found)}\n\n{table([TRUE, 'us', 'added'], rows)}"

    def draw(self, found, folder):
        start = found["start"]
        names = [NAMES[name].replace(", ", ",\n").replace("preloaded ", "preloaded\n") for name in start]
        charts.bars_chart(folder / "start-up.svg", "From start to end of /bin/true: less is better", "microseconds", names,
                          [charts.GREY] + [charts.BLUE] * (len(start) - 1), list(start.values()))

    def targets(self, found):
        start = found["start"]
        for name, wanted in TARGETS.items():
            added = [one - other for one, other in zip(start[name], start["bare"])]
            ours, bare = (statistics.median(start[each]) for each in (name, "bare"))
            yield figures.Target(f"start-up, {NAMES[name]}, us added", ours - bare, added, wanted, False, "{:,.0f}",
                                 f"{ours:,.0f}", f"bare {bare:,.0f}")
