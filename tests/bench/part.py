"""What the parts of `make bench` have in common: how much they are to measure, and what bench.py asks of them.

A part measures one subject and keeps its figures in a dictionary of lists, a value for each round, that goes to
build/bench/ as JSON after every round, so that a run that was stopped goes on where it was. Tables, charts and targets are
made of that dictionary alone. Knows nothing of what is measured.
"""

import textwrap

import figures

LINE_COLUMNS = 126


class Scale:
    """How much of what: the whole, a look of two minutes, or the shape only, of which no figure means anything."""

    NAMES = ("whole", "quick", "brief")

    def __init__(self, name, rounds=None):
        self.name, self.rounds = name, rounds

    def of(self, whole, quick, brief):
        return (whole, quick, brief)[self.NAMES.index(self.name)]


class Part:
    """A part of the benchmark. `needs`: programs that must be installed. `charts`: the names of its charts."""

    name, needs, charts = "", (), ()

    def __init__(self, scale):
        self.scale = scale
        self.rounds = 1

    def seconds(self):
        """How long it will take, about, on a quiet machine: for the progress bar."""
        return 0

    def open(self):
        """Starts what stays for all rounds."""

    def round(self, number, found, progress):
        """Everyone's turn at everything: appends to the lists in `found`."""

    def finish(self, found, progress):
        """What is counted and not timed, once."""

    def close(self):
        """Ends what open() started."""

    def text(self, found):
        """Its section of the page, in Markdown."""
        raise NotImplementedError

    def draw(self, found, folder):
        """Its charts."""

    def targets(self, found):
        """-> [figures.Target]"""
        return []


def add(found, *path):
    """Appends the last of `path` to the list that the others name."""
    *names, last, value = path
    for name in names:
        found = found.setdefault(str(name), {})
    found.setdefault(str(last), []).append(value)


def turns(names, number):
    """The names in the order of this round: nobody always follows the same one."""
    names = list(names)
    shift = number % len(names)
    return names[shift:] + names[:shift]


def wrapped_lines(text, indent=""):
    return textwrap.fill(text, LINE_COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def circumstances(found, before="", after=""):
    """A paragraph that says how a part's figures were measured: `7 rounds, 9 minutes, ...`, with text before and after."""
    busy = sorted(found["busy"])[len(found["busy"]) // 2] * 100
    rounds = f"{found['rounds']} round{'s' if found['rounds'] != 1 else ''}"
    return wrapped_lines(
        f"{before}{figures.machine()}; {rounds}, {max(found['seconds'] / 60, 0.1):.1f} minutes, {found['date']}; before each "
        f"round, other programs used {busy:.0f} % of the processors (median).{after}")
