"""The charts of the sealed sockets, from the figures that sockets_bench.py wrote: what is shown, in whose colour."""

import statistics

import charts
from contenders import ALL
from sockets_report import CALLS, KINDS, LABELS, added_memory, percentiles, size_name

COLOURS = dict(zip((kind.name for kind in ALL),
                   (charts.GREY, charts.BLUE, charts.ORANGE, charts.YELLOW, charts.GREEN, charts.PINK)))
DASHES = dict(zip(COLOURS, (1, 1, "(24,4)", "(12,4)", "(5,4)", "(2,4)")))
# Percentiles as steps of equal width to the next nine: 50, 90, 99, 99.9.
TAIL = [percent for percent in range(1, 99)] + [98 + tenth / 10 for tenth in range(0, 20)]


def charts_series(points):
    """A line for each contender that has points; pfswrap's last, on top of the others, and thick."""
    names = sorted(LABELS, key=lambda name: name == "pfswrap")
    return [{"name": LABELS[name], "colour": COLOURS[name], "points": points(name),
             "width": 4 if name == "pfswrap" else 2, "dash": DASHES[name]} for name in names if points(name)]


def bulk_chart(found, folder):
    sizes = list(found["bulk"])
    series = charts_series(lambda name: [(size, statistics.median(found["bulk"][size][name])) for size in sizes])
    push = statistics.median(found["limits"]["push"])
    series.insert(0, {"name": "libsodium in memory", "colour": charts.BLACK, "dash": 3, "width": 1.5,
                      "points": [(sizes[0], push), (sizes[-1], push)]})
    marks = ", ".join(f"{charts.quoted(size_name(int(size)))} {size}" for size in sizes)
    charts.lines_chart(folder / "bulk-by-size.svg", "Bulk rate of one connection, both cores: more is better",
                       "size of each write", "MB/s", series,
                       [f"set xtics ({marks})",
                        f"set xrange [{int(sizes[0]) * 0.85}:{int(sizes[-1]) * 1.18}]",
                        "set ytics add (20, 50, 200, 500, 2000, 5000)"])


def connections_chart(found, folder):
    counts = list(found["connections"])
    series = [{"name": LABELS[name], "colour": COLOURS[name], "values": [found["connections"][count][name]
                                                                         for count in counts]} for name in LABELS]
    charts.groups_chart(folder / "bulk-by-connections.svg", "Bulk rate, 16 KiB writes, both cores: more is better",
                        "parallel connections", "MB/s, total", counts, series)


def round_trip_chart(found, folder, kind, how, name):
    def points(contender):
        histograms = found["round trips"][kind][contender]
        return [(1 / (1 - percent / 100), statistics.median(percentiles(histograms, percent)) / 1000)
                for percent in TAIL]
    charts.lines_chart(folder / f"{name}.svg", f"Round trip of 64 bytes, {how} server: less is better",
                       "percentile of the round trips", "microseconds", charts_series(points),
                       ["set xrange [1:1000]",
                        'set xtics ("0 %%" 1, "50 %%" 2, "75 %%" 4, "90 %%" 10, "99 %%" 100, "99.9 %%" 1000)',
                        "set ytics (10, 20, 30, 50, 100, 200, 300, 500, 1000, 2000, 5000, 10000)",
                        "set grid xtics ytics lc rgb '#dddddd' lt 1 lw 1"], points=False)


def bars(path, title, unit, values, form="{:,.0f}", names=LABELS):
    charts.bars_chart(path, title, unit, [LABELS[name] for name in names], [COLOURS[name] for name in names],
                      [values[name] for name in names], form)


def memory_chart(found, folder):
    def points(name):
        counts = sorted(found["memory"][name], key=int)
        added = [(int(count), statistics.median(added_memory(found["memory"], name, count)) / 1e6)
                 for count in counts if count != "0"]
        return [(count, megabytes) for count, megabytes in added if megabytes > 0.01] if name != "raw" else []
    charts.lines_chart(folder / "memory.svg", "Memory beyond the bare programs, both ends: less is better",
                       "idle connections", "MB", charts_series(points),
                       ["set xrange [0.8:14000]",
                        "set xtics ('1' 1, '10' 10, '100' 100, '1,000' 1000, '10,000' 10000)"])


def other_descriptors_chart(found, folder):
    kinds = list(found["foreign"])
    series = [{"name": words, "colour": COLOURS[name], "values": [found["foreign"][kind][name] for kind in kinds]}
              for name, words in (("raw", "bare"), ("pfswrap", "under pfswrap"))]
    charts.groups_chart(folder / "other-descriptors.svg", "Calls on unsealed descriptors: less is better", "",
                        "nanoseconds per call", [CALLS[kind].partition(" on ")[0].removeprefix("unsealed ") for kind in kinds],
                        series)


def draw(found, folder):
    bulk_chart(found, folder)
    connections_chart(found, folder)
    for (kind, how), name in zip(KINDS, ("round-trip", "round-trip-blocking")):
        round_trip_chart(found, folder, kind, how, name)
    memory_chart(found, folder)
    other_descriptors_chart(found, folder)
    bars(folder / "new-connections.svg", "New connections, 8 at a time, both cores: more is better",
         "connections per second", found["opened"])
    bars(folder / "cpu.svg", "Processor time to carry a gigabyte, 16 KiB writes: less is better",
         "CPU seconds, all processes", found["cpu"]["16384"], "{:.2f}")
