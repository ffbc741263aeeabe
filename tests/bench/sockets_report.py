"""Tables and verdicts of the socket benchmark, from the figures that sockets_bench.py wrote. Measures nothing."""

import os
import re
import statistics

import figures
from contenders import ALL
from figures import table, with_spread
from lib.process import find, run
from lib.wrap import LAUNCHER
from part import circumstances, wrapped_lines
from sockets_measure import PERCENTILES, histogram_percentile

LABELS = {kind.name: kind.label for kind in ALL}


def size_name(size):
    return f"{size // 1024} KiB" if size >= 1024 else f"{size} B"


OTHERS = [kind.name for kind in ALL if kind.name not in ("raw", "pfswrap")]
KINDS = (("serve", "epoll"), ("serve-blocking", "blocking"))
AHEAD_FROM = 4096  # bytes of a write: from here on bulk data is to be ahead of everyone


def percentiles(histograms, percent):
    """Of each round."""
    return [histogram_percentile(histogram, percent) for histogram in histograms]


def median_of(values):
    return {name: statistics.median(each) for name, each in values.items()}


class Lead:
    """How far pfswrap is ahead of the best of the others at one load: the ratio of the medians, above 1 if it is."""

    def __init__(self, what, values, more_is_better=True):
        self.what, self.values = what, values
        medians = {name: each for name, each in median_of(values).items() if name in OTHERS}
        self.best = (max if more_is_better else min)(medians, key=medians.get)
        self.ratios = {name: self.ratio(name, more_is_better) for name in medians}
        self.rounds = self.paired(self.best, more_is_better)

    def ratio(self, name, more_is_better):
        ratio = figures.ratio_of_medians(self.values["pfswrap"], self.values[name])
        return ratio if more_is_better else 1 / ratio

    def cell(self, name):
        return f"{self.ratios[name]:.2f}" + ("" if self.ratios[name] > 1 else " behind")

    def paired(self, name, more_is_better):
        return [one / other if more_is_better else other / one
                for one, other in zip(self.values["pfswrap"], self.values[name])]

    def target(self, what, unit="{:,.0f}", scale=1):
        """The target of being ahead of everyone."""
        return figures.Target(what, self.ratios[self.best], self.rounds, 1, True, "{:.2f}",
                              unit.format(statistics.median(self.values["pfswrap"]) / scale),
                              f"{LABELS[self.best]} {unit.format(statistics.median(self.values[self.best]) / scale)}")


def bulk_leads(found):
    return {int(size): Lead(f"bulk, {size_name(int(size))} writes", rates) for size, rates in found["bulk"].items()}


def connection_leads(found):
    return [Lead(f"bulk, {count} connection{'s' if count != '1' else ''}", rates)
            for count, rates in found["connections"].items()]


def trip_lead(found, kind, how, percent):
    return Lead(f"round trip, {how}, {percent} %",
                {name: percentiles(each, percent) for name, each in found["round trips"][kind].items()}, False)


def closest_trip(found, kind, how):
    """Where of all percentiles up to the 99th the lead is smallest."""
    return min((trip_lead(found, kind, how, percent) for percent in range(1, 100)),
               key=lambda lead: min(lead.ratios.values()))


def memory_lead(found):
    return Lead("memory per connection", {name: per_connection(each) for name, each in found["memory"].items()}, False)


def bulk_targets(found):
    for size in ("16384", "65536"):
        rates, what = found["bulk"].get(size), f"bulk, {size_name(int(size))} writes, MB/s"
        if rates:
            yield figures.ratio_target(what, rates["pfswrap"], rates["stunnel"], 1.4, beside="stunnel")
            yield figures.ratio_target(what, rates["pfswrap"], rates["spiped"], 4, beside="spiped")
            yield figures.ratio_target(what, rates["pfswrap"], found["limits"]["push"], 0.58, beside="libsodium")
    leads = [lead for size, lead in bulk_leads(found).items() if size >= AHEAD_FROM] + connection_leads(found)
    least = min(leads, key=lambda lead: lead.ratios[lead.best])
    yield least.target(f"bulk from 4 KiB up, smallest lead: {least.what.removeprefix('bulk, ')}")


def trip_targets(found):
    for kind, how in KINDS:
        halves = {name: [value / 1000 for value in percentiles(each, 50)]
                  for name, each in found["round trips"][kind].items()}
        what = f"round trip of 64 B, {how}, median, us"
        yield figures.ratio_target(what, halves["pfswrap"], halves["raw"], 1.3, False, unit="{:.1f}", beside="raw TCP")
        yield figures.ratio_target(what, halves["pfswrap"], halves["stunnel"], 0.5, False, unit="{:.1f}",
                                   beside="stunnel")
        least = closest_trip(found, kind, how)
        yield least.target(f"round trip, {how}, smallest lead up to 99 %: {least.what.rpartition(', ')[2]}, us", "{:.1f}",
                           1000)


def memory_targets(found):
    memory = found["memory"]
    count = max(memory["pfswrap"], key=int)
    if int(count) >= 1000:
        for side in ("client", "server"):
            # The larger of what is resident and what counts as the program's own.
            added = [max(one - other for one, other in zip(ours, bare)) / 1e6
                     for ours, bare in zip(memory["pfswrap"][count][side], memory["raw"][count][side])]
            yield figures.Target(f"{int(count):,} idle connections, {side}, MB added", statistics.median(added), added,
                                 20 * int(count) / 10000, False, "{:.1f}", beside="bare program")
    yield memory_lead(found).target("memory of an idle connection, smallest lead, bytes")


def call_targets(found):
    for kind, sides in found["foreign"].items():
        added = [one - other for one, other in zip(sides["pfswrap"], sides["raw"])]
        ours, bare = (statistics.median(sides[name]) for name in ("pfswrap", "raw"))
        yield figures.Target(f"{CALLS[kind]}, ns added", ours - bare, added, 15, False, "{:.1f}", f"{ours:.0f}",
                             f"bare {bare:.0f}")


def cost_targets(found):
    """System calls do not depend on the machine: the same bounds hold, less strictly, in apps/seal/test_system_calls.py."""
    for what, limit in (("new connection", 25), ("64 B there and back, epoll", 3), ("64 B there and back, blocking", 2)):
        each = (found.get("counted") or {}).get(what, {})
        for side in ("client", "server") if each else ():
            ours, bare = (sum(each[name]["strace"][side].values()) for name in ("pfswrap", "raw"))
            yield figures.Target(f"{what}, {side}, system calls", ours, [ours], limit, False, "{:.1f}", f"{ours:.1f}",
                                 f"bare {bare:.1f}")


CALLS = {"write": "write on an unsealed descriptor", "read": "read on an unsealed descriptor", "pipe": "unsealed pipe",
         "socket": "unsealed Unix socket"}


def targets(found):
    opened = found["opened"]
    return [*bulk_targets(found), *trip_targets(found),
            figures.ratio_target("new connections/s", opened["pfswrap"], opened["stunnel"], 1, beside="stunnel"),
            Lead("new connections", opened).target("new connections/s, smallest lead"), *memory_targets(found),
            *call_targets(found), *cost_targets(found)]


def ahead_table(found):
    """Beside each contender: how many times better, and where it is not."""
    leads = [*bulk_leads(found).values(), *connection_leads(found)]
    for kind, how in KINDS:
        leads += [trip_lead(found, kind, how, percent) for percent in PERCENTILES]
        least = closest_trip(found, kind, how)
        least.what = f"round trip, {how}, smallest lead: {least.what.rpartition(', ')[2]}"
        leads.append(least)
    leads += [Lead("new connections per second", found["opened"]), memory_lead(found)]
    return table(["how many times better than", *(LABELS[name] for name in OTHERS)],
                 [[lead.what, *map(lead.cell, OTHERS)] for lead in leads])


def proportional(sides, number):
    """Bytes that count as these processes' own, in that round."""
    return sum(rounds[number][1] for rounds in sides.values())


def added_memory(memory, name, count):
    """Bytes of both ends and what stands between them, beyond the bare programs with as many connections, per round."""
    bare = memory["raw"].get(count) or memory["raw"][max(memory["raw"], key=int)]
    sides = memory[name][count]
    return [proportional(sides, number) - proportional(bare, number) for number in range(len(sides["client"]))]


def per_connection(memory):
    """Bytes that a connection adds to the two ends and the proxies together, from none to the most that were held."""
    least, most = (pick(memory, key=int) for pick in (min, max))
    return [max(proportional(memory[most], number) - proportional(memory[least], number), 1) / (int(most) - int(least))
            for number in range(len(memory[most]["client"]))]


def matrix(found, first, rows, digits=0):
    """A table with a column for each contender; `rows` is {name: {contender: [values]}}."""
    return table([first, *LABELS.values()],
                 [[what, *(with_spread(values[name], digits) for name in LABELS)] for what, values in rows.items()])


def round_trip_table(found):
    rows = []
    for kind, how in KINDS:
        for percent in PERCENTILES:
            rows.append([f"{how}, {percent} %", *(
                f"{statistics.median(percentiles(found['round trips'][kind][name], percent)) / 1000:,.1f}"
                for name in LABELS)])
    return table(["round trip of 64 bytes, us", *LABELS.values()], rows)


def memory_table(found):
    counts = sorted({count for each in found["memory"].values() for count in each}, key=int)
    rows = []
    for name in LABELS:
        memory = found["memory"][name]
        added = {count: statistics.median(added_memory(found["memory"], name, count)) / 1e6 for count in memory}
        rows.append([LABELS[name], *(f"{added[count]:,.1f}" if count in added else "-" for count in counts),
                     f"{statistics.median(per_connection(memory)):,.0f}"])
    return table(["MB beyond the bare programs, by idle connections", *(f"{int(count):,}" for count in counts),
                  "bytes each"], rows)


def foreign_table(found):
    rows = []
    for kind, sides in found["foreign"].items():
        rows.append([kind, with_spread(sides["raw"], 1), with_spread(sides["pfswrap"], 1),
                     f"{figures.paired_difference(sides['pfswrap'], sides['raw']):+.1f} ns"])
    return table(["a call on an unsealed descriptor", "bare, ns", "wrapped, ns", "added"], rows)


def counted_tables(found):
    """For one more of each load, on each side: instructions beyond the program's own and libsodium's, and system calls."""
    rows, lines = [], ["The system calls, by name:\n"]
    for what, each in found["counted"].items():
        for side in ("client", "server"):
            ours, bare = (each[name]["callgrind"][side]["instructions"] for name in ("pfswrap", "raw"))
            calls = {name: each[name]["strace"][side] for name in ("pfswrap", "raw")}
            sodium = each["libsodium"][side]
            rows.append([f"{what}, {side}", f"{ours - bare:,.0f}", f"{sodium:,.0f}", f"{ours - bare - sodium:+,.0f}",
                         *(f"{sum(calls[name].values()):.2f}" for name in ("pfswrap", "raw"))])
            named = ", ".join(f"{value:.2f} {name}" for name, value in calls["pfswrap"].items())
            lines.append(wrapped_lines(f"- {what}, {side}: {named}", indent="  "))
    return (table(["cost of one more", "instructions added", "libsodium's", "the rest", "system calls", "bare"], rows),
            "\n".join(lines))


def limits_table(found):
    limits, opened = found["limits"], found["opened"]
    rows = [["libsodium's secretstream, 16 KiB, push", f"{with_spread(limits['push'])} MB/s"],
            ["libsodium's secretstream, 16 KiB, pull", f"{with_spread(limits['pull'])} MB/s"],
            ["X25519 operations on one core", f"{with_spread(limits['x25519'])} per second"],
            # A side makes an ephemeral key and computes es, ss, ee and se.
            ["X25519 operations in a handshake of IK, both sides", "10"]]
    cores = statistics.median(opened["pfswrap"]) * 10 / statistics.median(limits["x25519"])
    rows.append(["cores that compute X25519 at pfswrap's rate of new connections", f"{cores:.2f} of {os.cpu_count()}"])
    return table(["limits", "value"], rows)


def versions():
    """Who took part, in the versions they name themselves."""
    asked = {"pfswrap": ([LAUNCHER, "version"], r"pfswrap [\d.]+"),
             "stunnel": (["stunnel4", "-version"], r"stunnel [\d.]+"),
             "haproxy": ([find("haproxy") or "haproxy", "-v"], r"HAProxy version [\d.]+"),
             "spiped": (["spiped", "-v"], r"spiped [\d.]+"), "socat": (["socat", "-V"], r"socat version [\d.]+"),
             "raw": (["openssl", "version"], r"OpenSSL [\d.]+")}
    answers = [re.search(pattern, run(argv).text) for argv, pattern in map(asked.get, LABELS)]
    return ", ".join(answer[0].replace(" version", "") for answer in answers if answer)


def text(found):
    """The whole section, as Markdown."""
    return "\n\n".join([
        circumstances(found, f"{versions()}; ", " ± is half the interquartile range."),
        ahead_table(found),
        matrix(found, "MB/s by size of writes", {size_name(int(size)): each for size, each in found["bulk"].items()}),
        matrix(found, "MB/s by connections, 16 KiB writes", found["connections"]),
        matrix(found, "CPU seconds for a GB", {size_name(int(size)): each for size, each in found["cpu"].items()}, 2),
        round_trip_table(found), matrix(found, "new connections", {"per second": found["opened"]}), memory_table(found),
        foreign_table(found), *(counted_tables(found) if found.get("counted") else ()), limits_table(found)])
