"""What processes use while a long test runs: resident memory, descriptors and threads, sampled, and their bounds.

What is used once (caches, pools, the first connections) is used by the end of the warm-up. After that each figure may exceed
the warm-up's maximum by its allowance only, however long the test runs.
"""

import contextlib
import time
from pathlib import Path

from lib.seal import descriptors
from lib.tap import check

ALLOWED = {"KiB": 16384, "descriptors": 64, "threads": 4}  # beyond the maximum of the warm-up
EVERY = 0.5  # seconds between two samples


def used(pid):
    """{"KiB", "descriptors", "threads"} of a process, or None if it is gone."""
    try:
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines())
        return {"KiB": int(fields["VmRSS"].split()[0]), "descriptors": descriptors(pid), "threads": int(fields["Threads"])}
    except (OSError, KeyError):  # a zombie has no VmRSS
        return None


def children(pid):
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, path.read_text().split())
    return found


class Usage:
    """Samples of some processes, by name. `pids()` -> {name: pid}: those that are there now."""

    def __init__(self, pids):
        self.pids, self.first, self.most, self.sampled = pids, {}, {}, 0.0
        self.warm = False

    def sample(self):
        """Looks at the processes, not more often than EVERY. A process that exceeds a bound fails the test."""
        now = time.monotonic()
        if now - self.sampled < EVERY:
            return
        self.sampled = now
        for name, pid in self.pids().items():
            values = used(pid)
            if values is None:
                continue
            maxima = self.most.setdefault(name, values)
            self.most[name] = {key: max(value, maxima[key]) for key, value in values.items()}
            if not self.warm:
                self.first[name] = self.most[name]
            for key, allowed in ALLOWED.items() if self.warm and name in self.first else ():
                most = self.first[name][key] + allowed
                check(values[key] <= most, f"{name} uses {values[key]} {key}, expected at most {most}; {self.text()}")

    def text(self):
        """Maxima of the warm-up, and of the whole."""
        return "; ".join(f"{name}: " + ", ".join(f"{value} {key} (at first {self.first.get(name, self.most[name])[key]})"
                                                 for key, value in values.items()) for name, values in self.most.items())
