#!/usr/bin/env python3
"""make bench: it runs with all parts and contenders, writes its page and charts, and detects wrong measurements.

The tests never check what it measures: a figure from a busy machine means nothing.
"""

import json
import socket
import sys
import threading
import xml.etree.ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

import figures  # noqa: E402
from bench import PARTS, measure_round  # noqa: E402
from contenders import ALL, Chain, check_sealed, chosen  # noqa: E402
from lib.process import BUILD, DEADLINE, ROOT, run  # noqa: E402
from lib.tap import Tap, check, contains, equal  # noqa: E402
from part import Part, Scale, add  # noqa: E402
from sockets_bench import Sockets  # noqa: E402
from sockets_measure import histogram_merge, histogram_percentile  # noqa: E402
from start_bench import Start  # noqa: E402

BENCH = BUILD / "tests" / "bench"
FOLDER = BUILD / "bench" / "brief"
NAMES = [kind.name for kind in ALL]
CHARTS = [name for part in PARTS for name in part.charts]
HEADINGS = ("| how many times better than", "| MB/s by size of writes", "| MB/s by connections", "| new connections",
            "| CPU seconds for a GB", "| round trip of 64 bytes, us", "| a call on an unsealed descriptor",
            "| MB beyond the bare programs", "| write of", "| limits", "| an established client waits", "| close() of a stranger",
            "| /bin/true", "| nginx ", "| CPU of nginx", "| one byte over memory", "| nginx, TLS 1.3, P-256", "| nginx to curl, MB/s",
            "| for each handshake", "chunks of 16384 bytes", "| figure ")
TARGETS = ("bulk, 16 KiB writes", "round trip of 64 B, epoll", "round trip of 64 B, blocking", "new connections/s",
           "memory of an idle connection", "write on an unsealed descriptor", "start-up, pfswrap run", "at the limit: close()",
           "Redis: a client waits", "nginx, handshakes", "wire plane, nginx requests/s", "layer inside TLS", "log: a handshake that is counted",
           "channel in memory, 16384 B", "handshake in memory, IKpsk2")


def liar(answer):
    """The port of a server that answers one connection with answer(what it received)."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listener, listener.accept()[0] as connection:
            connection.settimeout(DEADLINE)
            while True:
                received = connection.recv(1 << 20)
                if not received:
                    return
                connection.sendall(answer(received))
    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def wrong_amount(received):
    """The answer of a receiver of bulk data, one byte too few."""
    return (len(received) - 1).to_bytes(8, sys.byteorder) if received[-1] == 255 else b""


def one_bit_off(received):
    return received[:-1] + bytes([received[-1] ^ 1])


def brief(*options):
    return run([sys.executable, "-B", ROOT / "tests" / "bench" / "bench.py", "--brief", *options], timeout=280)


def figures_of(part):
    return json.loads((FOLDER / f"{part.name}.json").read_text())


def has_every_contender(found):
    for load in ("bulk", "cpu", "connections", "round trips"):
        check(len(found[load]) > 0, f"{load}: expected some sizes or kinds, found none")
        for what, values in found[load].items():
            equal(sorted(values), sorted(NAMES), f"contenders with figures for {load}, {what}")
    for load in ("opened", "memory"):
        equal(sorted(found[load]), sorted(NAMES), f"contenders with figures for {load}")


class Failing(Part):
    """A part whose round fails a number of times before it succeeds, each time with half of its figures written."""

    name = "failing"

    def __init__(self, failures):
        super().__init__(Scale("brief"))
        self.failures, self.begun = failures, 0

    def round(self, number, found, progress):
        add(found, "value", 1)
        self.begun += 1
        if self.begun <= self.failures:
            raise SystemExit(f"failure {self.begun}")


def is_chart(path):
    """An SVG that contains text."""
    root = xml.etree.ElementTree.parse(path).getroot()
    texts = [node for node in root.iter() if node.tag.endswith("}text")]
    check(root.tag.endswith("}svg") and len(texts) > 5, f"{path}: expected a chart with labels, found {len(texts)}")


def main():
    tap = Tap()
    for path in FOLDER.glob("*"):
        path.unlink()

    with tap.case("the benchmark runs with all parts and contenders and ends well"):
        done = brief()
        equal(done.status, 0, f"status; it said {done.text[-1500:]}")
        for heading in HEADINGS:
            contains(done.text, heading, "what it prints")
        for target in TARGETS:
            contains(done.text, f"| {target}", "the table of targets")
    with tap.case("each contender has figures for each load"):
        has_every_contender(figures_of(Sockets))
    with tap.case("each chart is an image with labels"):
        for name in CHARTS:
            is_chart(FOLDER / f"{name}.svg")
    with tap.case("the page shows each chart, has a place for each part's figures, and a quick run does not change it"):
        page = (ROOT / "docs" / "BENCHMARKS.md").read_text()
        for name in CHARTS:
            contains(page, f"(bench/{name}.svg)", "the page")
        for name in ("targets", *(part.name for part in PARTS)):
            contains(page, f"<!-- {name}: begin -->", "the page")
            contains(page, f"<!-- {name}: end -->", "the page")
        check("| 1 round," not in page and "; 1 round," not in page, "expected no figures of a single round on the page")
    with tap.case("a stopped run continues: complete parts are not measured again, the others get their missing rounds"):
        begun = {**figures_of(Start), "complete": False}
        (FOLDER / "start.json").write_text(json.dumps(begun))
        before = (FOLDER / "layer.json").stat().st_mtime_ns
        equal(brief("--resume", "--rounds", "2", "start", "layer").status, 0, "status")
        equal((FOLDER / "layer.json").stat().st_mtime_ns, before, "when the complete part was written")
        after = figures_of(Start)
        equal((after["rounds"], after["complete"], after["start"]["bare"][:1]), (2, True, begun["start"]["bare"]),
              "rounds, whether it is complete, and the first round's figure")
    with tap.case("a round that fails is measured a second time, and a second failure ends the benchmark"):
        fails_once, fails = Failing(1), Failing(2)
        equal(measure_round(fails_once, 0, {}, None)["value"], [1], "figures of a round that failed once")
        try:
            measure_round(fails, 0, {}, None)
        except SystemExit as end:
            equal(str(end), "failure 2", "what it says")
        else:
            check(False, "expected the end of the benchmark")
    with tap.case("the bar on a terminal shows the progress and the time left, estimated from the time so far"):
        progress = figures.Progress(100, live=False)
        progress.begun -= 40
        progress.part_ends(20)
        equal(progress.line("bulk"), "[####................]  20 %  2:40 left  bulk", "the line")
    with tap.case("a server that answers a client without a key ends the benchmark: nothing would be sealed"):
        with Chain(chosen(["raw"])[0], ("sockets_ping", "serve")) as chain:
            try:
                check_sealed(chain.back)
            except SystemExit as end:
                contains(str(end), "nothing is sealed", "what it says")
            else:
                check(False, "expected the end of the benchmark")
        with Chain(chosen(["pfswrap"])[0], ("sockets_ping", "serve")) as chain:
            check_sealed(chain.back)
    with tap.case("bulk data with a missing byte gives no figure"):
        done = run([BENCH / "sockets_bulk", "send", liar(wrong_amount), 1000, 3600000, 5000])
        equal((done.status, done.out), (1, b""), f"status and figure: {done}")
        contains(done.text, "5001 bytes were sent", "what it says")
    with tap.case("a round trip with a wrong answer gives no figure"):
        done = run([BENCH / "sockets_ping", "ping", liar(one_bit_off), 10])
        equal((done.status, done.out), (1, b""), f"status and figure: {done}")
    with tap.case("percentiles are those of the merged histograms"):
        merged = histogram_merge([[(10, 50), (30, 1)], [(10, 40), (20, 9)]])
        equal(merged, [(10, 90), (20, 9), (30, 1)], "merged")
        equal([histogram_percentile(merged, percent) for percent in (50, 90, 91, 99, 100)], [10, 10, 20, 20, 30],
              "percentiles")
    with tap.case("a verdict is given only if the ratio is clearly off the target"):
        equal([figures.verdict(True, 0.1, 0.2), figures.verdict(False, 0.1, 0.2), figures.verdict(True, 0.3, 0.2)],
              ["PASS", "missed", "undecided"], "verdicts")
    tap.finish()


main()
