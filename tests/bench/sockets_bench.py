"""Sealed sockets beside raw TCP and what a user would pick instead: the part `sockets`. docs/BENCHMARKS.md says how.

In each round every contender has its turn at each load, and they change places from round to round, so that what else
the machine does falls on all of them.
"""

import sockets_charts
import sockets_cost
import sockets_measure as measure
import sockets_report
from contenders import ALL, Chain, check_sealed, chosen
from part import Part, add, turns

KIB = 1024
FOREIGN_CONNECTIONS = 64


class Sockets(Part):
    """Bulk rate, round trips, new connections, memory, processor time, calls on other descriptors, and the limits."""

    name, needs = "sockets", ("taskset", "valgrind", "strace")
    charts = ("bulk-by-size", "bulk-by-connections", "round-trip", "round-trip-blocking", "new-connections", "memory",
              "cpu", "other-descriptors")

    def __init__(self, scale):
        super().__init__(scale)
        self.contenders = chosen([kind.name for kind in ALL])
        self.by_name = {contender.name: contender for contender in self.contenders}
        self.rounds = scale.rounds or scale.of(7, 1, 1)
        self.milliseconds = scale.of(500, 150, 30)
        self.sizes = scale.of(tuple(64 << shift for shift in range(0, 14, 2)), (64, 16 * KIB, 64 * KIB), (16 * KIB,))
        self.connections = scale.of((1, 8, 64), (1, 64), (8,))
        self.pings = scale.of(10000, 2000, 200)
        self.calls = scale.of(5000, 5000, 200)
        self.idle = scale.of((0, 1, 10, 100, 1000, 10000), (0, 200), (0, 20))
        # Memory hardly differs from round to round, and 10,000 connections take time.
        self.memory_rounds = scale.of(2, 1, 1)
        self.counted = scale.of(sockets_cost.LOADS, sockets_cost.LOADS[:1], ())

    def seconds(self):
        turn = self.milliseconds / 1000 + 0.1
        each = turn * (len(self.sizes) + len(self.connections) + 1) + 2 * (self.pings * 120e-6 + 0.2) + 2
        memory = self.memory_seconds() * min(self.memory_rounds, self.rounds)
        return self.rounds * (each * len(self.contenders) + 5 * turn) + memory * len(self.contenders) + self.count_seconds()

    def memory_seconds(self):
        return sum(self.idle) / 1400 + len(self.idle) * 0.3

    def count_seconds(self):
        return len(self.counted) * 20

    def open(self):
        with Chain(self.by_name["pfswrap"], ("sockets_ping", "serve")) as chain:
            check_sealed(chain.back)

    def in_turn(self, number, running, what, progress, seconds):
        """The running chains in this round's order, each with a step of the progress bar."""
        for name in turns(running, number):
            progress.step(f"{what}, {self.by_name[name].label}", seconds)
            yield name, running[name]

    def round(self, number, found, progress):
        self.bulk(number, found, progress)
        self.round_trips(number, found, progress)
        self.opened(number, found, progress)
        self.other_calls(number, found, progress)
        if number < self.memory_rounds:
            self.memory(number, found, progress)

    def bulk(self, number, found, progress):
        turn = self.milliseconds / 1000 + 0.1
        with measure.chains(self.contenders, ("sockets_bulk", "serve")) as running:
            for size in self.sizes:
                what = f"writes of {sockets_report.size_name(size)}"
                for name, chain in self.in_turn(number, running, what, progress, turn):
                    rate, cpu = measure.bulk(chain, size, self.milliseconds)
                    add(found, "bulk", size, name, rate)
                    add(found, "cpu", size, name, cpu)
        with measure.chains(self.contenders, ("sockets_bulk", "serve-epoll")) as running:
            for count in self.connections:
                for name, chain in self.in_turn(number, running, f"{count} connections", progress, turn):
                    add(found, "connections", count, name,
                        measure.bulk(chain, 16 * KIB, self.milliseconds, count)[0])

    def round_trips(self, number, found, progress):
        for kind in ("serve", "serve-blocking"):
            with measure.chains(self.contenders, ("sockets_ping", kind), pin=True) as running:
                for name, chain in self.in_turn(number, running, "round trips", progress, self.pings * 120e-6 + 0.2):
                    add(found, "round trips", kind, name, measure.round_trips(chain, self.pings))

    def opened(self, number, found, progress):
        with measure.chains(self.contenders, ("sockets_ping", "serve")) as running:
            turn = self.milliseconds / 1000 + 0.1
            for name, chain in self.in_turn(number, running, "new connections", progress, turn):
                add(found, "opened", name, measure.opened(chain, self.milliseconds))

    def other_calls(self, number, found, progress):
        """What has no contender: calls on foreign descriptors, and the limits."""
        progress.step("foreign descriptors", 3)
        both = [self.by_name[name] for name in ("raw", "pfswrap")]
        with measure.chains(both, ("sockets_ping", "serve"), pin=True) as running:
            for name in turns(running, number):
                for kind, value in measure.foreign_calls(running[name], FOREIGN_CONNECTIONS, self.calls).items():
                    add(found, "foreign", kind, name, value)
        progress.step("limits", 3 * self.milliseconds / 1000)
        for name, value in measure.limits(self.milliseconds).items():
            add(found, "limits", name, value)

    def memory(self, number, found, progress):
        for name in turns(self.by_name, number):
            progress.step(f"idle connections, {self.by_name[name].label}", self.memory_seconds())
            for count, sides in measure.idle_memory(self.by_name[name], self.idle).items():
                for side, figures in sides.items():
                    add(found, "memory", name, count, side, figures)

    def finish(self, found, progress):
        for load in self.counted:
            progress.step(f"instructions and system calls, {load.name}", 20)
            found.setdefault("counted", {})[load.name] = sockets_cost.counted(load, self.by_name)

    def text(self, found):
        return sockets_report.text(found)

    def draw(self, found, folder):
        sockets_charts.draw(found, folder)

    def targets(self, found):
        return sockets_report.targets(found)
