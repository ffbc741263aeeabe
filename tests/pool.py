"""Which test files run at a time: those that take longest first, and as many as keep the processors busy.

A file that mostly waits runs beside many others, one that computes beside few. tests/times.json says how many seconds each
file took on a machine that did nothing else, and how many seconds of the processor; what was measured here counts more
(build/test-times.json, which is in the same form and can take its place). Standard library only.
"""

import json
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KNOWN = ROOT / "tests" / "times.json"  # {file: [seconds, seconds of the processor]}
MEASURED = ROOT / "build" / "test-times.json"
SLOTS = 4  # files at a time for each processor, however little they compute
SPARE = 1.0  # processors that the files under way may need above those that are there: no file computes all the time


def read_times():
    """{file: (seconds, seconds of the processor)}"""
    times = {}
    for path in (KNOWN, MEASURED):
        try:
            times.update({str(name): (float(took), float(computed))
                          for name, (took, computed) in json.loads(path.read_text()).items()})
        except (OSError, ValueError, TypeError, AttributeError):
            continue
    return times


def write_times(times):
    lines = ",\n".join(f"{json.dumps(name)}: [{took:g}, {computed:g}]" for name, (took, computed) in sorted(times.items()))
    try:
        MEASURED.parent.mkdir(exist_ok=True)
        MEASURED.write_text(f"{{\n{lines}\n}}\n")
    except OSError:
        pass  # only the order and the time left depend on it


def share(seconds):
    """How much of a processor a file keeps busy, 0.05 to 1.5, by (seconds, seconds of the processor)."""
    took, computed = seconds
    return min(max(computed / max(took, 0.01), 0.05), 1.5)


def taken(first):
    """What a file that nothing is known of is taken to need, with `run: first` or without."""
    return (60.0, 20.0) if first else (2.0, 2.0)


class Pool:
    """Runs tests in threads, those that take longest first, as many at a time as `slots` and the processors allow."""

    def __init__(self, slots, processors, one):
        self.slots, self.processors, self.one = slots, processors, one
        self.waiting, self.running, self.busy, self.errors = [], 0, 0.0, []
        self.changed = threading.Condition()

    def add(self, tests):
        with self.changed:
            self.waiting = sorted(self.waiting + tests, key=lambda test: -test.weight)
            self.changed.notify()

    def meanwhile(self, needs, action):
        """Runs action() in a thread, which keeps so many processors busy; the tests that it returns are run then."""
        with self.changed:
            self.begin(needs, lambda: self.add(action()))

    def begin(self, needs, action):
        self.running += 1
        self.busy += needs
        threading.Thread(target=self.act, args=(needs, action), daemon=True).start()

    def act(self, needs, action):
        try:
            action()
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(error)
        with self.changed:
            self.running -= 1
            self.busy -= needs
            self.changed.notify()

    def next(self):
        """The first test that there is room for, or None."""
        if self.running >= self.slots:
            return None
        return next((test for test in self.waiting if not self.running or self.busy + test.share <= self.processors), None)

    def run(self):
        """Returns when there is nothing left to run."""
        with self.changed:
            while self.waiting or self.running:
                test = self.next()
                if test is None:
                    self.changed.wait()
                    continue
                self.waiting.remove(test)
                self.begin(test.share, lambda test=test: self.one(test))
        if self.errors:
            raise self.errors[0]
