#!/usr/bin/env python3
"""The socket benchmark: that it runs with all contenders, writes what it promises, and would notice what must not be.

Never what it measures: a figure taken in passing on a busy machine means nothing.
"""
# timeout: 300

import json
import socket
import sys
import threading
import xml.etree.ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))

import figures  # noqa: E402
from contenders import ALL, Chain, check_sealed, chosen  # noqa: E402
from lib.process import BUILD, ROOT, run  # noqa: E402
from lib.tap import Tap, check, contains, equal  # noqa: E402
from sockets_measure import histogram_merge, histogram_percentile  # noqa: E402

BENCH = BUILD / "tests" / "bench"
FOLDER = BUILD / "bench" / "brief"
CHARTS = ("bulk-by-size", "bulk-by-connections", "round-trip", "new-connections", "memory", "cpu")
NAMES = [kind.name for kind in ALL]


def liar(answer):
    """The port of a server that gives one connection what `answer` makes of what it sent."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listener, listener.accept()[0] as connection:
            connection.settimeout(20)
            while True:
                received = connection.recv(1 << 20)
                if not received:
                    return
                connection.sendall(answer(received))
    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def wrong_amount(received):
    """What the receiver of bulk data answers to the last byte, one less."""
    return (len(received) - 1).to_bytes(8, sys.byteorder) if received[-1] == 255 else b""


def one_bit_off(received):
    return received[:-1] + bytes([received[-1] ^ 1])


def has_every_contender(found):
    for load in ("bulk", "cpu", "connections", "round trips"):
        check(len(found[load]) > 0, f"{load}: expected some sizes or kinds, found none")
        for what, values in found[load].items():
            equal(sorted(values), sorted(NAMES), f"who has figures for {load}, {what}")
    for load in ("opened", "memory"):
        equal(sorted(found[load]), sorted(NAMES), f"who has figures for {load}")


def is_chart(path):
    """An SVG with words in it."""
    root = xml.etree.ElementTree.parse(path).getroot()
    texts = [node for node in root.iter() if node.tag.endswith("}text")]
    check(root.tag.endswith("}svg") and len(texts) > 5, f"{path}: expected a chart with labels, found {len(texts)}")


def main():
    tap = Tap()
    for path in FOLDER.glob("*"):
        path.unlink()

    with tap.case("the benchmark runs with all contenders and ends well"):
        done = run([sys.executable, "-B", ROOT / "tests" / "bench" / "sockets_bench.py", "--brief"], timeout=280)
        equal(done.status, 0, f"status; it said {done.text[-1500:]}")
        for heading in ("| target ", "| how many times better than", "| MB/s by size of writes", "| new connections",
                        "| CPU seconds for a GB", "| round trip of 64 bytes, us", "| a call on a descriptor not ours",
                        "| MB beyond the bare programs", "| /bin/true", "| limits"):
            contains(done.text, heading, "what it prints")
    with tap.case("each contender has figures for each load"):
        has_every_contender(json.loads((FOLDER / "sockets.json").read_text()))
    with tap.case("each chart is an image with labels"):
        for name in CHARTS:
            is_chart(FOLDER / f"{name}.svg")
    with tap.case("the page shows each chart, has a place for each part's figures, and a brief run leaves it alone"):
        page = (ROOT / "docs" / "BENCHMARKS.md").read_text()
        for name in CHARTS:
            contains(page, f"(bench/{name}.svg)", "the page")
        for part in ("bench-sockets", "bench-tls", "bench-seal"):
            contains(page, f"<!-- {part}: begin -->", "the page")
            contains(page, f"<!-- {part}: end -->", "the page")
    with tap.case("a server that answers a stranger is found out: nothing would be sealed"):
        with Chain(chosen(["raw"])[0], ("sockets_ping", "serve")) as chain:
            try:
                check_sealed(chain)
            except SystemExit as end:
                contains(str(end), "nothing is sealed", "what it says")
            else:
                check(False, "expected the end of the benchmark")
        with Chain(chosen(["pfswrap"])[0], ("sockets_ping", "serve")) as chain:
            check_sealed(chain)
    with tap.case("bulk data of which a byte is missing gives no figure"):
        done = run([BENCH / "sockets_bulk", "send", liar(wrong_amount), 1000, 3600000, 5000])
        equal((done.status, done.out), (1, b""), f"status and figure: {done}")
        contains(done.text, "5001 bytes were sent", "what it says")
    with tap.case("a round trip that brings back something else gives no figure"):
        done = run([BENCH / "sockets_ping", "ping", liar(one_bit_off), 10])
        equal((done.status, done.out), (1, b""), f"status and figure: {done}")
    with tap.case("percentiles are those of the merged histograms"):
        merged = histogram_merge([[(10, 50), (30, 1)], [(10, 40), (20, 9)]])
        equal(merged, [(10, 90), (20, 9), (30, 1)], "merged")
        equal([histogram_percentile(merged, percent) for percent in (50, 90, 91, 99, 100)], [10, 10, 20, 20, 30],
              "percentiles")
    with tap.case("a verdict is given only where the ratio is clear of the target"):
        equal([figures.verdict(True, 0.1, 0.2), figures.verdict(False, 0.1, 0.2), figures.verdict(True, 0.3, 0.2)],
              ["PASS", "short", "undecided"], "verdicts")
    tap.finish()


main()
