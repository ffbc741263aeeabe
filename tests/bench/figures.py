"""Figures of the benchmarks: medians, spreads, ratios, verdicts, tables, and their section in docs/BENCHMARKS.md.

Knows nothing of what was measured.
"""

import os
import re
import shutil
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
    if statistics.median(values) == 0:
        return 0
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
    return "PASS" if holds else "missed"


class Target:
    """A row of the table of targets: what was found, beside what, the ratio (or difference), what is wanted, a verdict.

    `found` decides; `rounds` are the rounds' own figures of the same kind, whose spread says whether it can: a verdict needs
    two standard errors' distance from the target.
    """

    def __init__(self, what, found, rounds, wanted, at_least=True, form="{:.2f}", ours="", beside=""):
        self.what, self.ours, self.beside, self.found = what, ours, beside, form.format(found)
        self.wanted = f"{'>=' if at_least else '<='} {form.format(wanted)}"
        holds = found >= wanted if at_least else found <= wanted
        self.verdict = verdict(holds, median_error(rounds), abs(found - wanted) / 2)

    def row(self):
        return [self.what, self.ours, self.beside, self.found, self.wanted, self.verdict]


def ratio_target(what, one, other, wanted, at_least=True, form="{:.2f}", unit="{:,.0f}", beside=""):
    """The target of a ratio of two lists that were measured in the same rounds."""
    return Target(what, ratio_of_medians(one, other), [a / b for a, b in zip(one, other)], wanted, at_least, form,
                  unit.format(statistics.median(one)), f"{beside} {unit.format(statistics.median(other))}".strip())


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


def wait_for_quiet(seconds, limit=0.15):
    """Waits until nobody else computes, `seconds` at the most. Returns the share in use in the end."""
    end = time.monotonic() + seconds
    while True:
        share = busy_share(0.2)
        if share <= limit or time.monotonic() > end:
            return share


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Progress:
    """One line on a terminal: a bar, what is measured now, and the time left. Elsewhere nothing.

    Each step says how many seconds it is expected to take; what has been done tells how much to believe that.
    """

    BAR = 20

    def __init__(self, seconds, live=None):
        self.total, self.done, self.now, self.begun = max(seconds, 1), 0, 0, time.monotonic()
        self.live = sys.stderr.isatty() if live is None else live
        self.prefix = ""

    def line(self, what):
        share = min(self.done / self.total, 1)
        slow = max((time.monotonic() - self.begun) / self.done, 0.2) if self.done > 5 else 1
        left = clock(max(self.total - self.done, 0) * slow)
        bar = ("#" * int(share * self.BAR)).ljust(self.BAR, ".")
        return f"[{bar}] {share * 100:3.0f} %  {left} left  {self.prefix}{what}"

    def step(self, what, seconds=1.0):
        """The step before this one is done, and this one begins."""
        self.done += self.now
        self.now = seconds
        if self.live:
            width = shutil.get_terminal_size((100, 24)).columns - 1
            sys.stderr.write(f"\r\x1b[K{self.line(what)[:width]}")
            sys.stderr.flush()

    def part_ends(self, done):
        """A part is over: of all seconds that were expected, `done` are gone, whatever its steps said."""
        self.done, self.now = done, 0

    def end(self):
        if self.live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
