"""The cost of padding: the part `padding`. Bytes on the wire and instructions of both sides for one more write.

They are counted, not timed, so they hardly depend on the machine. Both sides pad alike.
"""

import re

import figures
from contenders import FOLDER, Pfswrap
from part import Part, add
from sockets_cost import FOREVER, Load, counted_once, per_unit, read_callgrind, under_callgrind

SIZES = (64, 1000, 16_382, 16_384)
KINDS = ("off", "padme", "block:256", "block:4096")
SIDES = ("client", "server")


def numbers(size):
    """Fewer and more writes: the further ones take many times what a handshake does, which is not always the same."""
    return (100, 6100) if size <= 1000 else (64, 576)


class Padded(Pfswrap):
    """pfswrap with one kind of padding at both ends."""

    def __init__(self, kind):
        super().__init__()
        self.name = f"pfswrap-{kind.replace(':', '-')}"
        self.folder = FOLDER / self.name
        self.rule = f"padding = {kind}\n"


def under_sends(out):
    def watch(argv, environment):
        words = [f"-E{name}={value}" for name, value in environment.items()]
        return ["strace", "-f", "-e", "trace=sendto,sendmsg,write,writev", "-o", out, *words, *argv]
    return watch


def read_sends(out):
    """{"bytes": all that the process has sent on sockets}"""
    return {"bytes": sum(map(int, re.findall(r"^\d+ +send(?:to|msg)\(.* = (\d+)$", out.read_text(), re.MULTILINE)))}


TOOLS = {"bytes": (under_sends, read_sends), "callgrind": (under_callgrind, read_callgrind)}


class Padding(Part):
    name, needs = "padding", ("valgrind", "strace")

    def __init__(self, scale):
        super().__init__(scale)
        self.sizes = scale.of(SIZES, SIZES, SIZES[1:2])
        self.kinds = scale.of(KINDS, KINDS, KINDS[:1])

    def seconds(self):
        return len(self.sizes) * len(self.kinds) * 7

    def round(self, number, found, progress):
        for kind in self.kinds:
            contender = Padded(kind)
            for size in self.sizes:
                progress.step(f"padding = {kind}, {size} bytes", 7)
                counts = self.scale.of(numbers(size), numbers(size), (8, 24))
                load = Load(f"{size} B", ("sockets_bulk", "serve"),
                            lambda count, size=size: ("sockets_bulk", "send", size, FOREVER, size * count), counts, sodium={})
                for tool, hooks in TOOLS.items():
                    fewer, more = (counted_once(load, contender, tool, count, hooks) for count in load.numbers)
                    for side in SIDES:
                        for name, value in per_unit(fewer[side], more[side], load.units).items():
                            add(found, kind, size, side, name, value)

    def text(self, found):
        rows = []
        for kind in self.kinds:
            for size in self.sizes:
                each, bare = found[kind][str(size)], found["off"][str(size)]
                wire, plain = (which["client"]["bytes"][0] for which in (each, bare))
                rows.append([f"{size:,} B", kind, f"{wire:,.0f}", f"{wire / plain:.2f}"] + [
                    f"{each[side]['instructions'][0]:,.0f} ({each[side]['instructions'][0] / bare[side]['instructions'][0]:.2f})"
                    for side in SIDES])
        return f"{figures.machine()}; counted on {found['date']}.\n\n" + figures.table(
            ["write of", "padding", "bytes on the wire", "of off", "sender's instructions", "receiver's instructions"], rows)
