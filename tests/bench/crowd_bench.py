"""A crowd of silent strangers at a server with few descriptors: the part `crowd`.

How long close() takes there, and how long a client waits that was connected before. In each round every server runs bare and
sealed, in turn; the strangers are never under pfswrap. docs/BENCHMARKS.md describes the loads.
"""

import signal
import statistics
import subprocess
import time

import figures
from contenders import PROGRAMS, Contender, Pfswrap, check_sealed
from figures import table, with_spread
from lib.process import Process, find, free_port, run, wait_until
from part import Part, add, circumstances, turns
from sockets_measure import histogram_of, histogram_percentile

PROGRAM = PROGRAMS / "sockets_crowd"
STRANGERS, LIMIT = 1000, 512
SETTLE = 0.2  # seconds in which a server gets through its queue
AGAIN = 0.3  # seconds for which strangers come again; the kernel stops real-time programs after 0.95 s (sched(7))
REAL_TIME = {"server": 2, "client": 2, "strangers": 1}  # priorities: what else runs on the machine takes no part
CLOSE_US, RATIO = 1000, 2  # the targets
WAITS = {"median": 50, "99 %": 99, "longest": 100}


class Load:
    """A server, and strangers that come once and stay, or come again whenever they are turned away."""

    def __init__(self, name, short, words, argv, answer="PING", again=False):
        self.name, self.short, self.words, self.argv, self.answer, self.again = name, short, words, argv, answer, again
        self.counts_closes = answer == "PING"  # the server is ours


def ours(most):
    return lambda port: [PROGRAM, "serve", LIMIT, most, port]


def redis(port):
    return ["prlimit", f"--nofile={LIMIT}", find("redis-server"), "--port", port, "--bind", "127.0.0.1", "--save", "",
            "--loglevel", "warning"]


FEW, FULL = "a server for 16 clients", "a server with used up descriptors"
LOADS = (
    Load("few", "turned away", f"{FEW} turns away the others", ours(16)),
    Load("full", "at the limit", f"{FULL} closes the oldest stranger", ours(0)),
    Load("redis", "Redis", "Redis", redis, "+PONG"),
    Load("few-again", "turned away, come again", f"{FEW}, and strangers that come again at once", ours(16), again=True),
    Load("full-again", "at the limit, come again", f"{FULL}, and strangers that come again at once", ours(0), again=True),
)


def may_be_real_time():
    """Whether this process may give itself real-time priority (sched(7)): root may."""
    return run(["chrt", "-r", "1", "true"]).status == 0


class Told(Process):
    """A program that says when it is ready, and leaves when its standard input ends."""

    def __init__(self, argv):
        super().__init__(argv, stdin=subprocess.PIPE)
        wait_until(lambda: "ready\n" in self.text() or not self.running(), lambda: f"{argv}: {self.text()}")

    def leave(self):
        """What it printed after it was ready."""
        self.popen.stdin.close()
        self.popen.stdin = None
        if self.wait() != 0:
            raise SystemExit(f"bench: {self.argv[-5:]}: {self.text()[-500:]}")
        return self.text().partition("ready\n")[2]


def closes_of(server):
    """The times of the calls of close() since the last report, in nanoseconds."""
    before = server.text().count("end\n")
    server.signal(signal.SIGUSR1)
    wait_until(lambda: server.text().count("end\n") > before, "the times of close()")
    return histogram_of(server.text().split("end\n")[before])


class Crowd(Part):
    name, needs = "crowd", ("redis-server", "prlimit", "chrt")

    def __init__(self, scale):
        super().__init__(scale)
        self.rounds = scale.rounds or scale.of(9, 2, 1)
        self.again = scale.of(AGAIN, AGAIN, 0.1)
        self.loads = scale.of(LOADS, LOADS, LOADS[:3])
        self.real_time = False
        self.contenders = {"raw": Contender(), "pfswrap": Pfswrap()}

    def open(self):
        self.real_time = self.scale.name != "brief" and may_be_real_time()

    def with_priority(self, who, argv):
        return [*(["chrt", "-r", str(REAL_TIME[who])] if self.real_time else []), *map(str, argv)]

    def seconds(self):
        return self.rounds * len(self.loads) * len(self.contenders) * 2

    def round(self, number, found, progress):
        for load in self.loads:
            for name in turns(self.contenders, number):
                progress.step(f"a crowd, {load.words}, {self.contenders[name].label}", 2)
                self.measure(load, name, found)

    def measure(self, load, name, found):
        """One server with its crowd."""
        found["real_time"] = self.real_time
        contender, port = self.contenders[name], free_port()
        with Process(self.with_priority("server", contender.server_argv(load.argv(port), port))) as server:
            server.wait_for_port(port)
            if name == "pfswrap":
                check_sealed(port)
            asks = [PROGRAM, "client", port, "PING", load.answer]
            client = Told(self.with_priority("client", contender.client_argv(asks, port)))
            if load.counts_closes:
                closes_of(server)
            come = [PROGRAM, "strangers", port, STRANGERS, "return" if load.again else "stay"]
            crowd = Told(self.with_priority("strangers", come))
            time.sleep(self.again if load.again else SETTLE)  # the client measures
            waits = histogram_of(client.leave())
            closes = closes_of(server) if load.counts_closes else []
            came = int(crowd.leave())
        for what, percent in WAITS.items():
            add(found, "wait", load.name, what, name, histogram_percentile(waits, percent) / 1e3)
        if closes:
            for what, percent in WAITS.items():
                add(found, "close", load.name, what, name, histogram_percentile(closes, percent) / 1e3)
            add(found, "closed", load.name, name, sum(count for _, count in closes))
        add(found, "came", load.name, name, came)

    def text(self, found):
        waits = [[f"{load.words}: {what}", *[with_spread(found["wait"][load.name][what][name], 1) for name in self.contenders],
                  f"{figures.ratio_of_medians(*self.pair(found['wait'][load.name][what])):.2f}",
                  f"{figures.paired_ratio(*self.pair(found['wait'][load.name][what])):.2f}"]
                 for load in self.loads for what in WAITS]
        closes = [[f"{load.words}: {what}", *[with_spread(found["close"][load.name][what][name], 1) for name in self.contenders]]
                  for load in self.loads if load.counts_closes for what in WAITS]
        counts = [[load.words, *[f"{statistics.median(found['came'][load.name][name]):,.0f}" for name in self.contenders],
                   *[f"{statistics.median(found['closed'][load.name][name]):,.0f}" if load.counts_closes else ""
                     for name in self.contenders]] for load in self.loads]
        how = " Real-time priority." if found.get("real_time") else " Without real-time priority: other programs take part."
        return "\n\n".join((
            circumstances(found, after=how), table(["an established client waits, us", "bare", "sealed", "ratio", "paired"], waits),
            table(["close() of a stranger takes, us", "bare", "sealed"], closes),
            table(["in one turn", "came, bare", "came, sealed", "closed, bare", "closed, sealed"], counts)))

    @staticmethod
    def pair(sides):
        return sides["pfswrap"], sides["raw"]

    def targets(self, found):
        """For strangers that stay, no call may take longer; where they come again, the longest is that of a busy machine."""
        for load in self.loads:
            if load.counts_closes:
                what = "99 %" if load.again else "longest"
                ours_, bare = self.pair(found["close"][load.name][what])
                yield figures.Target(f"{load.short}: close(), {what}, us", statistics.median(ours_), ours_, CLOSE_US, False,
                                     "{:,.0f}", f"{statistics.median(ours_):,.0f}", f"bare {statistics.median(bare):,.0f}")
        for load in self.loads:
            for what in ("median", "99 %") if load.again else WAITS:
                ours_, bare = self.pair(found["wait"][load.name][what])
                yield figures.ratio_target(f"{load.short}: a client waits, {what}, us", ours_, bare, RATIO, False, beside="bare")
