"""Tables and verdicts of the socket benchmark, from the figures that sockets_bench.py wrote. Measures nothing."""

import re
import statistics
import time

import figures
import sockets_cost
from contenders import ALL
from figures import table, with_spread
from lib.process import find, run
from lib.wrap import LAUNCHER
from sockets_measure import PERCENTILES, histogram_merge, histogram_percentile

LABELS = {kind.name: kind.label for kind in ALL}
IDLE_BYTES = 20e6


def size_name(size):
    return f"{size // 1024} KiB" if size >= 1024 else f"{size} B"


def verdict_row(what, ratios, ratio, target, at_least, form="{:.2f}"):
    """A row of the table of targets. `ratios` are the rounds' own; a verdict needs two standard errors' distance."""
    holds = ratio >= target if at_least else ratio <= target
    error = figures.median_error(ratios) if len(ratios) > 1 else 0
    word = figures.verdict(holds, error, abs(ratio - target) / 2)
    return [what, form.format(ratio), form.format(statistics.median(ratios)),
            f"{'>=' if at_least else '<='} {form.format(target)}", word]


def ratio_row(what, one, other, target, at_least=True):
    paired = [a / b for a, b in zip(one, other)]
    return verdict_row(what, paired, figures.ratio_of_medians(one, other), target, at_least)


def percentiles(histograms, percent):
    return [histogram_percentile(histogram, percent) for histogram in histograms]


def target_rows(found):
    """What issue 4's list of targets asks for, of the contenders that took part."""
    rows, bulk = [], found["bulk"]
    for size in ("16384", "65536"):
        rates, what = bulk.get(size, {}), f"bulk, {size_name(int(size))} writes: over"
        for name, target in (("stunnel", 1.4), ("spiped", 4)):
            if name in rates:
                rows.append(ratio_row(f"{what} {name}", rates["pfswrap"], rates[name], target))
        if rates:
            rows.append(ratio_row(f"{what} libsodium in memory", rates["pfswrap"], found["limits"]["push"], 0.58))
    for kind, how in (("serve", "epoll"), ("serve-blocking", "blocking")):
        trips = {name: percentiles(each, 50) for name, each in found["round trips"][kind].items()}
        for name, target in (("raw", 1.3), ("stunnel", 0.5)):
            if name in trips:
                rows.append(ratio_row(f"round trip, {how}: over {LABELS[name]}", trips["pfswrap"], trips[name], target,
                                      False))
    opened = found["opened"]
    if "stunnel" in opened:
        rows.append(ratio_row("new connections: over stunnel", opened["pfswrap"], opened["stunnel"], 1))
    for side in ("client", "server"):
        count = max(found["memory"]["pfswrap"], key=int)
        added = [found["memory"]["pfswrap"][count][side][which] - found["memory"]["raw"][count][side][which]
                 for which in (0, 1)]
        target = IDLE_BYTES * max(int(count), 1) / 10000
        if int(count) >= 1000:
            rows.append(verdict_row(f"{int(count):,} idle connections, {side}: MB added", [max(added) / 1e6],
                                    max(added) / 1e6, target / 1e6, False, "{:.1f}"))
    for kind, sides in found["foreign"].items():
        added = [one - other for one, other in zip(sides["pfswrap"], sides["raw"])]
        rows.append(verdict_row(f"{kind} on a descriptor not ours: ns added", added,
                                statistics.median(sides["pfswrap"]) - statistics.median(sides["raw"]), 15, False,
                                "{:.1f}"))
    return rows


def ahead_rows(found):
    """Where pfswrap is not ahead of a contender, and where it is: one row a kind of load."""
    others = [name for name in found["contenders"] if name not in ("raw", "pfswrap")]

    def row(what, ours, theirs, more_is_better):
        cells = []
        for name in others:
            ratio = ours / theirs[name] if more_is_better else theirs[name] / ours
            cells.append(f"{ratio:.2f}" + ("" if ratio > 1 else " behind"))
        return [what, *cells]

    rows = []
    for size, rates in found["bulk"].items():
        medians = {name: statistics.median(values) for name, values in rates.items()}
        rows.append(row(f"bulk, {size_name(int(size))} writes", medians["pfswrap"], medians, True))
    for count, rates in found["connections"].items():
        medians = {name: statistics.median(values) for name, values in rates.items()}
        rows.append(row(f"bulk, {count} connection{'s' if count != '1' else ''}", medians["pfswrap"], medians, True))
    for kind, how in (("serve", "epoll"), ("serve-blocking", "blocking")):
        for percent in PERCENTILES:
            values = {name: histogram_percentile(histogram_merge(each), percent)
                      for name, each in found["round trips"][kind].items()}
            rows.append(row(f"round trip, {how}, {percent} %", values["pfswrap"], values, False))
    medians = {name: statistics.median(values) for name, values in found["opened"].items()}
    rows.append(row("new connections a second", medians["pfswrap"], medians, True))
    each = {name: per_connection(found["memory"], name) for name in found["memory"]}
    rows.append(row("memory of a connection", each["pfswrap"], each, False))
    return table(["how many times better than", *(LABELS[name] for name in others)], rows)


def added_memory(memory, name, count):
    """Bytes of both ends and what stands between them, beyond the two bare programs with as many connections."""
    bare = memory["raw"].get(count) or memory["raw"][max(memory["raw"], key=int)]
    return sum(figure[1] for figure in memory[name][count].values()) - sum(figure[1] for figure in bare.values())


def per_connection(memory, name):
    """Bytes that a connection adds, of the two ends and the proxies together, from none to the most that were held."""
    least, most = (pick(memory[name], key=int) for pick in (min, max))
    grown = sum(memory[name][most][side][1] - memory[name][least][side][1] for side in memory[name][most])
    return max(grown, 1) / (int(most) - int(least))


def matrix(found, first, rows, digits=0):
    """A table with a column for each contender; `rows` is {name: {contender: [values]}}."""
    names = found["contenders"]
    return table([first, *(LABELS[name] for name in names)],
                 [[what, *(with_spread(values[name], digits) if name in values else "-" for name in names)]
                  for what, values in rows.items()])


def round_trip_table(found):
    rows = []
    for kind, how in (("serve", "epoll"), ("serve-blocking", "blocking")):
        for percent in PERCENTILES:
            rows.append([f"{how}, {percent} %", *(
                f"{statistics.median(percentiles(found['round trips'][kind][name], percent)) / 1000:,.1f}"
                for name in found["contenders"])])
    return table(["round trip of 64 bytes, us", *(LABELS[name] for name in found["contenders"])], rows)


def memory_table(found):
    counts = sorted({count for each in found["memory"].values() for count in each}, key=int)
    rows = []
    for name in found["contenders"]:
        memory = found["memory"][name]
        rows.append([LABELS[name],
                     *(f"{added_memory(found['memory'], name, count) / 1e6:,.1f}" if count in memory else "-"
                       for count in counts), f"{per_connection(found['memory'], name):,.0f}"])
    return table(["MB beyond the bare programs with idle connections", *(f"{int(count):,}" for count in counts),
                  "bytes each"], rows)


def foreign_table(found):
    rows = []
    for kind, sides in found["foreign"].items():
        rows.append([kind, with_spread(sides["raw"], 1), with_spread(sides["pfswrap"], 1),
                     f"{figures.paired_difference(sides['pfswrap'], sides['raw']):+.1f} ns"])
    return table(["a call on a descriptor not ours", "bare, ns", "wrapped, ns", "added"], rows)


def counted_table(found):
    """Instructions beyond the program's own and libsodium's, and system calls, for one chunk of 16 KiB."""
    counted, rows = found["counted"], []
    for side, what in (("client", "sealed and sent"), ("server", "received and opened")):
        ours, bare = (counted[name]["callgrind"][side]["instructions"] for name in ("pfswrap", "raw"))
        calls = {name: sum(counted[name]["strace"][side].values()) for name in ("pfswrap", "raw")}
        names = ", ".join(f"{value:.2f} {name}" for name, value in counted["pfswrap"]["strace"][side].items())
        rows.append([what, f"{ours - bare:,.0f}", f"{counted['libsodium'][side]:,.0f}",
                     f"{ours - bare - counted['libsodium'][side]:+,.0f}", f"{calls['pfswrap']:.2f} ({names})",
                     f"{calls['raw']:.2f}"])
    return table([f"a chunk of {sockets_cost.SIZE:,} bytes", "instructions", "libsodium's", "beyond them",
                  "system calls", "bare"], rows)


def start_table(found):
    start = found["start"]
    rows = [[name, with_spread(start[key]), "" if key == "bare" else
             f"{figures.paired_difference(start[key], start['bare']):+,.0f} us"]
            for key, name in (("bare", "bare"), ("preloaded", "preloaded, with keys to load"),
                              ("run", "pfswrap run, with keys to load"))]
    return table(["/bin/true", "us", "added"], rows)


def limits_table(found):
    limits, opened = found["limits"], found["opened"]
    rows = [["libsodium's secretstream, 16 KiB, push", f"{with_spread(limits['push'])} MB/s"],
            ["libsodium's secretstream, 16 KiB, pull", f"{with_spread(limits['pull'])} MB/s"],
            ["X25519 operations on one core", f"{with_spread(limits['x25519'])} a second"]]
    if "pfswrap" in opened:
        # Ten in a handshake of IK: a side makes an ephemeral key and computes es, ss, ee and se.
        cores = statistics.median(opened["pfswrap"]) * 10 / statistics.median(limits["x25519"])
        rows.append(["cores busy with X25519 at pfswrap's new connections", f"{cores:.2f} of 2"])
    return table(["limits", ""], rows)


def versions(found):
    """Who took part, in the versions they name themselves."""
    asked = {"pfswrap": ([LAUNCHER, "version"], r"pfswrap [\d.]+"),
             "stunnel": (["stunnel4", "-version"], r"stunnel [\d.]+"),
             "haproxy": ([find("haproxy") or "haproxy", "-v"], r"HAProxy version [\d.]+"),
             "spiped": (["spiped", "-v"], r"spiped [\d.]+"), "socat": (["socat", "-V"], r"socat version [\d.]+"),
             "raw": (["openssl", "version"], r"OpenSSL [\d.]+")}
    answers = [re.search(pattern, run(argv).text) for argv, pattern in map(asked.get, found["contenders"])]
    return ", ".join(answer[0].replace(" version", "") for answer in answers if answer)


def wrapped_lines(text, width=118):
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return "\n".join(lines)


def text(found):
    """The whole section, as Markdown."""
    noise = statistics.median(found["busy"]) * 100
    date = time.strftime("%Y-%m-%d", time.gmtime(found["ended"]))
    parts = [wrapped_lines(
        f"{versions(found)}; {figures.machine()}; {date}. "
        f"{found['rounds']} rounds, {(found['ended'] - found['begun']) / 60:.0f} minutes; before each, others used "
        f"{noise:.0f} % of the processors (median). ± is half the distance between the quartiles.")]
    complete = {"raw", "pfswrap"} <= set(found["contenders"])
    if complete:
        parts += [table(["target", "found", "paired", "wanted", ""], target_rows(found)), ahead_rows(found)]
    parts += [
        matrix(found, "MB/s by size of writes", {size_name(int(size)): each for size, each in found["bulk"].items()}),
        matrix(found, "MB/s by connections, 16 KiB writes", found["connections"]),
        matrix(found, "CPU seconds for a GB", {size_name(int(size)): each for size, each in found["cpu"].items()}, 2),
        round_trip_table(found), matrix(found, "new connections", {"a second": found["opened"]}), memory_table(found)]
    if complete:
        parts += [foreign_table(found), start_table(found)]
    if complete and found["counted"]:
        parts.append(counted_table(found))
    return "\n\n".join([*parts, limits_table(found)])
