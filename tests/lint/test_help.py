#!/usr/bin/env python3
"""make help: every target has a line, and every line names a target or variable that exists."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))

from lib.process import ROOT, run, temporary_directory  # noqa: E402
from lib.tap import Tap, contains, equal  # noqa: E402

LINE = re.compile(r"^  (?P<names>(?:[a-z][-a-z0-9_.]*(?:, )?)+|[A-Z_]+=.*?)  +(?P<text>\S.*)$")
VARIABLES = {"TESTS", "SANITIZE", "SECONDS", "GIB", "CONNECTS", "QUICK", "ROUNDS", "CC", "PREFIX", "DESTDIR"}


def printed_by(command):
    result = run(command, cwd=ROOT)
    equal(result.status, 0, f"status of {result!r}")
    return result.out.decode()


def names_in_help():
    """(targets, variables) that `make help` lists."""
    targets, variables = [], []
    for line in printed_by(["make", "--no-print-directory", "help"]).splitlines():
        match = LINE.match(line)
        if match and "=" in match["names"]:
            variables.append(match["names"].partition("=")[0])
        elif match:
            targets += match["names"].split(", ")
    return targets, variables


def phony_targets():
    """What make itself knows as .PHONY, with every variable expanded."""
    database = run(["make", "--no-print-directory", "-nprR", "help"], cwd=ROOT).out.decode()
    return re.search(r"^\.PHONY: (.*)$", database, re.MULTILINE)[1].split()


def help_of(text):
    """The help for a makefile with this text."""
    makefile = temporary_directory() / "Makefile"
    makefile.write_text(text)
    return printed_by(["awk", "-f", "mk/help.awk", makefile])


def main():
    tap = Tap()
    with tap.case("make help has one line for each .PHONY target"):
        equal(sorted(names_in_help()[0]), sorted(phony_targets()), "targets")
    with tap.case("make help lists the variables that a person may set"):
        equal(sorted(VARIABLES - set(names_in_help()[1])), [], "variables without a line")
    with tap.case("a rule with several targets has one line, and a target without a comment has none"):
        text = help_of("## two at once\na b-c: d\nd:\n\techo\n")
        contains(text, "  a, b-c  two at once\n", "help")
        equal(len(text.splitlines()), 4, f"lines in {text!r}")
    with tap.case("groups appear in the order of their first heading, targets before variables"):
        text = help_of("##@ One\n##@ Two\n## last\nlast:\n"
                       "##@ One\n## a value\nV ?= 1\n## computed\nW = $(V)\n## t\nt:\n")
        equal(text.splitlines()[2:], ["One", "  t      t", "  V=1    a value", "  W=...  computed", "",
                                      "Two", "  last   last"], "lines")
    with tap.case("a comment that is not directly above a target describes nothing"):
        equal(len(help_of("## stray\n\na:\n").splitlines()), 1, "lines")
    tap.finish()


main()
