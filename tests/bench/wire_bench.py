"""What the wire plane costs: the part `wire`. nginx with TLS 1.3, a connection for each request, and one for all.

Both contenders have the tls plane; one looks at the first records of each connection as well. They take turns, and change
places from round to round.
"""

import figures
from contenders import CLIENT_CORE, SERVER_CORE
from figures import table, with_spread
from lib.process import temporary_directory
from lib.wrap import Wrap
from part import Part, add, circumstances, turns
from tls_server import Contender

SETTINGS = {"without": "[wire]\ntls = off\nplaintext = allow", "with": "[wire]\ntls = pfs\nplaintext = log"}
LOADS = {"close": "keepalive off", "keep": "keepalive on"}
TARGET = 0.98


class Wire(Part):
    name, needs = "wire", ("nginx", "wrk", "taskset")

    def __init__(self, scale):
        super().__init__(scale)
        self.rounds = scale.rounds or scale.of(20, 2, 1)
        self.contenders = {}

    def seconds(self):
        return self.rounds * 4 * 1.2

    def open(self):
        folder = temporary_directory()
        for name, settings in SETTINGS.items():
            place = folder / name
            place.mkdir(mode=0o755)
            self.contenders[name] = Contender(place, "p256", True, SERVER_CORE, Wrap(extra=settings))

    def close(self):
        for contender in self.contenders.values():
            contender.stop()

    def round(self, number, found, progress):
        for load, words in LOADS.items():
            for name in turns(SETTINGS, number):
                progress.step(f"wire plane, {words}, {name}", 1.2)
                rate, cpu = self.contenders[name].measure(load == "close", CLIENT_CORE)
                add(found, "rate", load, name, rate)
                add(found, "cpu", load, name, cpu)

    def text(self, found):
        rows = []
        for what, unit, digits in (("rate", "requests/s", 0), ("cpu", "CPU of the worker per request, us", 2)):
            for load, words in LOADS.items():
                sides = found[what][load]
                rows.append([f"{unit}, {words}", with_spread(sides["without"], digits), with_spread(sides["with"], digits),
                             f"{figures.ratio_of_medians(sides['with'], sides['without']):.3f}",
                             f"{figures.paired_ratio(sides['with'], sides['without']):.3f}"])
        return (f"{circumstances(found)}\n\n"
                f"{table(['nginx, TLS 1.3, P-256', 'without the wire plane', 'with it', 'ratio', 'paired'], rows)}")

    def targets(self, found):
        rate, cpu = found["rate"]["close"], found["cpu"]["close"]
        yield figures.ratio_target("wire plane, nginx requests/s, keepalive off", rate["with"], rate["without"], TARGET,
                                   form="{:.3f}", beside="without")
        yield figures.ratio_target("wire plane, CPU of the worker per request, us", cpu["with"], cpu["without"], 1 / TARGET,
                                   False, "{:.3f}", "{:.1f}", "without")
