#!/usr/bin/env python3
"""make suites: how the outcomes of other projects' suites are read and compared. Runs none of these suites.

Each suite's run() gets what a command of that suite printed, once with and once without a failure.
"""

import argparse
import contextlib
import io
import sys
import types
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "suites"))

import runs  # noqa: E402
import suite_curl  # noqa: E402
import suite_haproxy  # noqa: E402
import suite_libuv  # noqa: E402
import suites  # noqa: E402
from lib.process import ROOT, run, temporary_directory  # noqa: E402
from lib.tap import Tap, contains, equal  # noqa: E402

CURL = "FAIL: 7 - a - b - data\nPASS: 8 - c\nSKIP: 9 - d\n\n 10: protocol FAILED!\n"
HAPROXY = "#    top  TEST a/x.vtc passed (0.1)\n#    top  TEST a/y.vtc FAILED (0.1) exit=2\n#     top  TEST a/z.vtc TIMED OUT (kill -9)\n"


class Printed:
    """Stands in for a Run: every command prints the same and ends with the same status."""

    def __init__(self, status, text):
        self.status, self.text, self.jobs = status, text, 1

    def command(self, *_words, **_options):
        return self.status, self.text


def compared(bare, sealed, known=()):
    """What report() prints and returns for a suite with these outcomes."""
    suite = types.ModuleType("suite_imaginary")
    suite.KNOWN = known
    with contextlib.redirect_stdout(io.StringIO()) as output:
        count = suites.report(suite, None, None, "sealed", {"bare": bare, "sealed": sealed}, argparse.Namespace(repeat=0))
    return count, output.getvalue()


def comparison_cases(tap):
    with tap.case("equal outcomes are no difference, whatever their details"):
        equal(compared({"a": "failed: one", "b": runs.TIMED_OUT, "c": "passed (3 lines)"},
                       {"a": "failed (status 2)", "b": runs.FAILED, "c": "passed"}), (0, ""), "differences")
    with tap.case("a test that fails sealed only is a difference"):
        count, output = compared({"a": runs.PASSED}, {"a": runs.FAILED})
        equal(count, 1, "differences")
        contains(output, "imaginary sealed: a\n    bare:   passed\n    sealed: failed", "what is printed")
    with tap.case("a test that does not run sealed is a difference"):
        equal(compared({"a": runs.PASSED}, {})[0], 1, "differences")
    with tap.case("a known difference is printed with its reason and not counted; it names the whole test"):
        known = [(("sealed",), "a.", "the reason")]
        count, output = compared({"ab": runs.PASSED, "abc": runs.PASSED}, {"ab": runs.FAILED, "abc": runs.FAILED}, known)
        equal(count, 1, "differences that are not known")
        contains(output, "known:  the reason", "what is printed")
    with tap.case("a suite that is unknown is refused, and the names are listed"):
        result = run([sys.executable, "-B", ROOT / "tests/suites/suites.py", "--work", "/nonexistent", "imaginary"])
        equal(result.status, 2, "exit status")
        contains(result.text, "unknown suite 'imaginary', expected one of: libuv", "the message")


def reading_cases(tap):
    folder = temporary_directory()
    with tap.case("libuv: TAP of one test"):
        equal([suite_libuv.outcome(status, text) for status, text in
               ((0, "1..1\nok 1 - a\n"), (1, "1..1\nnot ok 1 - a\n"), (0, "ok 1 - a # SKIP why\n"), (None, ""), (0, ""))],
              [runs.PASSED, "failed (status 1)", runs.SKIPPED, runs.TIMED_OUT, "failed (status 1)"], "outcomes")
    with tap.case("curl: lines of runtests.pl, in both of its forms"):
        equal(suite_curl.run(folder, Printed(0, CURL), ()),
              {"7": "failed: data", "8": runs.PASSED, "9": runs.SKIPPED, "10": "failed: protocol"}, "outcomes")
    with tap.case("haproxy: lines of varnishtest; a suite that does not end is one more failure"):
        (folder / "tests.txt").write_text("a/x.vtc\n")
        (folder / "source").mkdir()
        outcomes = {"a/x.vtc": runs.PASSED, "a/y.vtc": runs.FAILED, "a/z.vtc": runs.TIMED_OUT}
        equal(suite_haproxy.run(folder / "source", Printed(1, HAPROXY), ()), outcomes, "outcomes")
        equal(suite_haproxy.run(folder / "source", Printed(None, HAPROXY), ()),
              {**outcomes, "(the whole suite)": runs.TIMED_OUT}, "outcomes of a suite that does not end")


def main():
    tap = Tap()
    comparison_cases(tap)
    reading_cases(tap)
    tap.finish()


main()
