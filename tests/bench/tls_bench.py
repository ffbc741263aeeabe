"""What pfswrap costs a TLS server: the part `tls`. nginx wrapped against bare, a single call, memory.

Contenders take turns within each round, and change places from round to round, so that what else the machine does
falls on both. nginx has one worker on one core, wrk the other.
"""

import statistics

import charts
import figures
from contenders import CLIENT_CORE, PROGRAMS, SERVER_CORE, pinned
from figures import table, with_spread
from lib import certs
from lib.process import find, run, temporary_directory
from lib.wrap import LAUNCHER, Wrap
from part import Part, add, circumstances, turns
from tls_server import Contender

KINDS = {"rsa": "RSA-2048", "p256": "ECDSA P-256"}
SIDES = ("bare", "wrapped")
TARGET_RATIO = 0.98


def load_name(kind, close):
    return f"{'handshakes' if close else 'requests'}, {KINDS[kind]}"


class Tls(Part):
    name, needs, charts = "tls", ("nginx", "wrk", "taskset", "openssl"), ("nginx",)

    def __init__(self, scale):
        super().__init__(scale)
        # Many short turns: the closer two contenders are in time, the more alike is what else the machine does.
        self.rounds = scale.rounds or scale.of(12, 1, 1)
        self.calls = scale.of(50000, 50000, 500)
        loads = [(kind, close) for kind in KINDS for close in (False, True)]
        # The certificate is not used after the handshake: a quick look at keepalive needs one kind.
        self.loads = scale.of(loads, loads[:1] + loads[1::2], loads[1:2])
        self.folder = None

    def seconds(self):
        return self.rounds * (len(self.loads) * 2 * 1.2 + 2)

    def open(self):
        self.folder = temporary_directory()

    def round(self, number, found, progress):
        for kind in dict.fromkeys(kind for kind, _ in self.loads):
            contenders = {side: Contender(self.folder, kind, side == "wrapped", SERVER_CORE) for side in SIDES}
            agreed = {side: contender.agreed() for side, contender in contenders.items()}
            if agreed["bare"] != agreed["wrapped"]:
                raise SystemExit(f"bench: bare nginx gives {agreed['bare']}, wrapped {agreed['wrapped']}, expected the "
                                 "same")
            for close in [close for each, close in self.loads if each == kind]:
                for side in turns(SIDES, number):
                    progress.step(f"nginx, {load_name(kind, close)}, {side}", 1.2)
                    rate, cpu = contenders[side].measure(close, CLIENT_CORE)
                    add(found, "rate", load_name(kind, close), side, rate)
                    add(found, "cpu", load_name(kind, close), side, cpu)
            for side, contender in contenders.items():
                add(found, "memory", side, contender.resident_bytes())
                contender.stop()
        certificate, wrap = certs.server("p256"), Wrap()
        progress.step("single calls", 0.5)
        for side in turns(SIDES, number):
            done = run(pinned([PROGRAMS / "tls_call", certificate.cert, certificate.key, self.calls], CLIENT_CORE),
                       env=wrap.preload() if side == "wrapped" else None)
            if done.status != 0:
                raise SystemExit(f"bench: {done}")
            add(found, "call", side, float(done.out))

    def text(self, found):
        return "\n\n".join([circumstances(found, f"{versions()}; "), *server_tables(found), call_table(found["call"]),
                            memory_table(found["memory"])])

    def draw(self, found, folder):
        panels = []
        for word in ("requests", "handshakes"):
            loads = {name: each for name, each in found["rate"].items() if name.startswith(word)}
            if loads:
                panels.append((f"{word} per second", [name.partition(", ")[2] for name in loads], list(loads.values())))
        charts.panels_chart(folder / "nginx.svg", "nginx, TLS 1.3, bare and under pfswrap run: more is better", SIDES,
                            (charts.GREY, charts.BLUE), panels)

    def targets(self, found):
        for name, sides in found["rate"].items():
            yield figures.ratio_target(f"nginx, {name}, per second", sides["wrapped"], sides["bare"], TARGET_RATIO,
                                       form="{:.3f}", beside="bare")


def server_tables(found):
    """Rates, and what the worker's core spent."""
    rates, costs = [], []
    for name, sides in found["rate"].items():
        bare, wrapped = (sides[side] for side in SIDES)
        bare_cpu, wrapped_cpu = (found["cpu"][name][side] for side in SIDES)
        rates.append([f"{name}, per second", with_spread(bare), with_spread(wrapped),
                      f"{figures.ratio_of_medians(wrapped, bare):.3f}", f"{figures.paired_ratio(wrapped, bare):.3f}"])
        busy = statistics.median(bare) * statistics.median(bare_cpu) / 1e4
        costs.append([name, with_spread(bare_cpu, 1), with_spread(wrapped_cpu, 1),
                      f"{figures.paired_difference(wrapped_cpu, bare_cpu):+.1f} us",
                      f"{1 / figures.paired_ratio(wrapped_cpu, bare_cpu):.3f}", f"{busy:.0f} %"])
    return (table(["nginx", "bare", "wrapped", "ratio", "paired"], rates),
            table(["CPU of nginx for one of the", "bare, us", "wrapped, us", "added", "ratio", "core in use"], costs))


def call_table(calls):
    bare, wrapped = (calls[side] for side in SIDES)
    return table(["one byte over memory BIOs", "bare, ns", "wrapped, ns", "added", "paired ratio"],
                 [["SSL_write, SSL_read: one call", with_spread(bare), with_spread(wrapped),
                   f"{figures.paired_difference(wrapped, bare):+.0f} ns", f"{figures.paired_ratio(wrapped, bare):.3f}"]])


def memory_table(memory):
    rows = []
    for name, place in (("resident", 0), ("of that, private", 1)):
        bare, wrapped = ([sample[place] for sample in memory[side]] for side in SIDES)
        rows.append([name, *(f"{statistics.median(values) / 1024:,.0f}" for values in (bare, wrapped)),
                     f"{figures.paired_difference(wrapped, bare):+,.0f} bytes"])
    return table(["memory of an nginx worker after the load", "bare, KiB", "wrapped, KiB", "added"], rows)


def versions():
    nginx = run([find("nginx"), "-v"]).text.strip().rpartition(": ")[2]
    openssl = " ".join(run(["openssl", "version"]).text.split()[:2])
    pfswrap = run([LAUNCHER, "version"]).text.splitlines()[0]
    return f"{pfswrap}, {nginx}, {openssl}"
