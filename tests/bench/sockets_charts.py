"""The charts of the socket benchmark, from the figures that sockets_bench.py wrote: what is shown, in whose colour."""

import statistics

import charts
from contenders import ALL
from sockets_measure import histogram_merge
from sockets_report import LABELS, added_memory, size_name

COLOURS = dict(zip((kind.name for kind in ALL),
                   (charts.GREY, charts.BLUE, charts.ORANGE, charts.YELLOW, charts.GREEN, charts.PINK)))


def charts_series(found, points):
    """A line for each contender that has points; pfswrap's last, on top of the others, and thick."""
    names = sorted(found["contenders"], key=lambda name: name == "pfswrap")
    return [{"name": LABELS[name], "colour": COLOURS[name], "points": points(name),
             "width": 4 if name == "pfswrap" else 2} for name in names if points(name)]


def bulk_chart(found, folder):
    sizes = list(found["bulk"])
    series = charts_series(found, lambda name: [(size, statistics.median(found["bulk"][size][name])) for size in sizes])
    push = statistics.median(found["limits"]["push"])
    series.insert(0, {"name": "libsodium in memory", "colour": charts.BLACK, "dash": 3, "width": 1.5,
                      "points": [(sizes[0], push), (sizes[-1], push)]})
    ticks = ", ".join(f"{charts.quoted(size_name(int(size)))} {size}" for size in sizes)
    charts.lines_chart(folder / "bulk-by-size.svg", "Bulk rate of one connection, both cores", "size of each write",
                       "MB/s", series, ["set logscale x 2", "set logscale y 10", f"set xtics ({ticks})",
                                        f"set xrange [{int(sizes[0]) * 0.85}:{int(sizes[-1]) * 1.18}]",
                                        "set grid ytics mytics lc rgb '#dddddd', lc rgb '#eeeeee'"])


def connections_chart(found, folder):
    counts = list(found["connections"])
    series = [{"name": LABELS[name], "colour": COLOURS[name],
               "values": [statistics.median(found["connections"][count][name]) for count in counts]}
              for name in found["contenders"]]
    charts.groups_chart(folder / "bulk-by-connections.svg", "Bulk rate by connections, 16 KiB writes, both cores",
                        "connections", "MB/s, all together", counts, series)


def round_trip_chart(found, folder):
    def points(name):
        histogram = histogram_merge(found["round trips"]["serve"][name])
        total, passed, line = sum(count for _, count in histogram), 0, []
        for value, count in histogram:
            passed += count
            line.append((value / 1000, passed / total * 100))
        return [(value, share) for value, share in line if share <= 99.9]
    charts.lines_chart(folder / "round-trip.svg", "Round trip of 64 bytes, a core for each side", "microseconds",
                       "% of the round trips that took no longer", charts_series(found, points),
                       ["set logscale x 10", "set yrange [0:100]", "set xtics (10, 20, 30, 50, 70, 100, 200, 300, 500, "
                        "1000, 2000, 5000, 10000)", "set grid xtics ytics lc rgb '#dddddd' lt 1 lw 1"], points=False)


def bars(found, path, title, unit, values, form):
    names = [name for name in found["contenders"] if name in values]
    charts.bars_chart(path, title, unit, [LABELS[name] for name in names], [COLOURS[name] for name in names],
                      [statistics.median(values[name]) for name in names], form)


def memory_chart(found, folder):
    def points(name):
        counts = sorted(found["memory"][name], key=int)
        added = [(int(count), added_memory(found["memory"], name, count) / 1e6) for count in counts if count != "0"]
        return [(count, megabytes) for count, megabytes in added if megabytes > 0.01] if name != "raw" else []
    charts.lines_chart(folder / "memory.svg", "Memory beyond the bare programs, both ends", "idle connections", "MB",
                       charts_series(found, points),
                       ["set logscale x 10", "set logscale y 10", "set xrange [0.8:14000]"])


def draw(found, folder):
    bulk_chart(found, folder)
    connections_chart(found, folder)
    round_trip_chart(found, folder)
    memory_chart(found, folder)
    bars(found, folder / "new-connections.svg", "New connections, 8 at a time, both cores", "connections a second",
         found["opened"], "{:,.0f}")
    bars(found, folder / "cpu.svg", "Processor time to carry a gigabyte, 16 KiB writes", "CPU seconds, all processes",
         found["cpu"]["16384"], "{:.2f}")
