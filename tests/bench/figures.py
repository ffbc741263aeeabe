"""Figures of the benchmarks: medians, spreads, ratios, verdicts, tables, and their section in docs/BENCHMARKS.md.

Knows nothing of what was measured.
"""

import os
import re
import statistics
import sys
import time
from pathlib import Path


def paired_ratio(wrapped, bare):
    """The median of the rounds' own ratios: what the machine did in a round falls on both."""
    return statistics.median(one / other for one, other in zip(wrapped, bare))


def paired_difference(wrapped, bare):
    return statistics.median(one - other for one, other in zip(wrapped, bare))


def ratio_of_medians(wrapped, bare):
    return statistics.median(wrapped) / statistics.median(bare)


def spread(values):
    """Half the distance between the quartiles, in percent of the median: half of the rounds lie that close."""
    if len(values) < 4:
        return (max(values) - min(values)) / 2 / statistics.median(values) * 100
    first, _, third = statistics.quantiles(values, n=4)
    return (third - first) / 2 / statistics.median(values) * 100


def with_spread(values, digits=0):
    return f"{statistics.median(values):,.{digits}f} ±{spread(values):.1f} %"


def median_error(values):
    """The standard error of their median, from the distance between the quartiles; infinite for fewer than four."""
    if len(values) < 4:
        return float("inf")
    first, _, third = statistics.quantiles(values, n=4)
    return 0.93 * (third - first) / len(values) ** 0.5  # 1.25 sigma / sqrt(n), sigma = distance / 1.35


def verdict(holds, error, enough):
    """`enough` is the error with which a target can still be told from a miss; on a busy machine it is often larger."""
    if error > enough:
        return "undecided"
    return "PASS" if holds else "short"


def table(header, rows):
    """A Markdown table whose columns line up, the first to the left and the others to the right."""
    columns = list(zip(header, *rows))
    widths = [max(map(len, column)) for column in columns]

    def line(cells):
        return "| " + " | ".join(cell.ljust(width) if place == 0 else cell.rjust(width)
                                 for place, (cell, width) in enumerate(zip(cells, widths))) + " |"

    rule = "|" + "|".join(("-" * (width + 1) + (":" if place else "-")) for place, width in enumerate(widths)) + "|"
    return "\n".join([line(header), rule, *map(line, rows)])


def machine():
    """The processor's model and how many there are, as /proc/cpuinfo has them."""
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.*)$", text, re.MULTILINE)
    count = os.cpu_count()
    return f"{model[1].strip() if model else 'unknown processor'}, {count} core{'s' if count != 1 else ''}"


def replace_section(path, name, text):
    """Puts `text` between the markers `<!-- NAME: begin -->` and `<!-- NAME: end -->` of a file."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    whole = path.read_text()
    before, found_begin, rest = whole.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise SystemExit(f"{path}: expected the lines '{begin}' and '{end}' around the figures")
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")


def busy_share(seconds):
    """How much of all processors others used during that time, 0 to 1 (proc(5), /proc/stat)."""
    def read():
        fields = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return sum(fields), fields[3] + fields[4]
    total, idle = read()
    time.sleep(seconds)
    total_after, idle_after = read()
    passed = total_after - total
    return 1 - (idle_after - idle) / passed if passed else 0


def wait_for_quiet(patience, limit=0.15):
    """Waits until nobody else computes, `patience` seconds at the most. Returns the share in use in the end."""
    end = time.monotonic() + patience
    while True:
        share = busy_share(0.2)
        if share <= limit or time.monotonic() > end:
            return share


class Progress:
    """One line on a terminal: what is measured now, and the time left. Elsewhere nothing."""

    def __init__(self, steps):
        self.steps, self.done, self.begun = steps, 0, time.monotonic()
        self.live = sys.stderr.isatty()

    def step(self, what):
        if self.live:
            left = ""
            if self.done:
                seconds = (time.monotonic() - self.begun) / self.done * (self.steps - self.done)
                left = f", about {seconds:.0f} s left"
            sys.stderr.write(f"\r\x1b[K[{self.done + 1} of {self.steps}] {what}{left}"[:85])
            sys.stderr.flush()
        self.done += 1

    def end(self):
        if self.live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
