"""make bench-wire: what the wire plane costs. nginx, TLS 1.3, a connection for each request.

Both contenders have the tls plane; one looks at the first records of each connection as well. They take turns, and
change places from round to round. Stated are the rate, and the processor time of nginx's worker for a request, which
other load on the machine disturbs less. Exits with 1 if the wire plane costs more than 2 % of that time.
"""

import argparse
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))

from figures import table  # noqa: E402
from lib.process import temporary_directory  # noqa: E402
from lib.wrap import Wrap  # noqa: E402
from tls_server import Contender  # noqa: E402

SERVER_CORE, CLIENT_CORE = 0, 1
SETTINGS = {"without": "[wire]\ntls = off\nplaintext = allow", "with": "[wire]\ntls = pfs\nplaintext = log"}
TARGET = 0.02


def measure(rounds, close):
    """{name: [(rate, cpu)]} in turns."""
    folder, results = temporary_directory(), {name: [] for name in SETTINGS}
    contenders = {}
    for name, settings in SETTINGS.items():
        place = folder / name
        place.mkdir(mode=0o755)
        contenders[name] = Contender(place, "p256", True, SERVER_CORE, Wrap(extra=settings))
    for number in range(rounds):
        for name in sorted(contenders, reverse=number % 2 == 1):
            results[name].append(contenders[name].measure(1, close, CLIENT_CORE))
    for contender in contenders.values():
        contender.stop()
    return results


def cost(results, place):
    """How much more `with` needs than `without`: the median of the rounds' own ratios. place 0: rate, 1: time."""
    ratios = [one[place] / other[place] for one, other in zip(results["with"], results["without"])]
    ratio = statistics.median(ratios)
    return 1 - ratio if place == 0 else ratio - 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    rows, missed = [], False
    for words, close in (("a connection for each request", True), ("one connection for all", False)):
        results = measure(rounds, close)
        for name, turns in results.items():
            rows.append([f"{words}, {name}", f"{statistics.median(rate for rate, _ in turns):.0f}",
                         f"{statistics.median(cpu for _, cpu in turns):.2f}"])
        rows.append(["  cost", f"{cost(results, 0):+.1%}", f"{cost(results, 1):+.1%}"])
        missed = missed or cost(results, 1) > TARGET
    print(table(["nginx, TLS 1.3, P-256", "requests/s", "us of the worker each"], rows))
    sys.exit(1 if missed else 0)


main()
