#!/usr/bin/env python3
"""Test suites of other projects, bare, forced (TLS 1.3 with ECDHE) and sealed (all TCP of the loopback), test by test.

    tests/suites/suites.py libuv curl       # or: make suites SUITE="libuv curl"

Fetches each suite's source as Debian has it, builds it below --work, runs it three times and prints each test that does
not end as it does bare. What is known to differ is printed with its reason. The exit status is 1 if anything else differs.
"""

import argparse
import importlib
import re
import subprocess
import sys
import time
from pathlib import Path

import runs

ROOT = Path(__file__).resolve().parents[2]
SUITES = ("libuv", "cpython", "curl", "haproxy", "mosquitto", "memcached", "apr")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"default: {' '.join(SUITES)}")
    parser.add_argument("--work", required=True, help="folder for sources, builds and results; a build in it is used again")
    parser.add_argument("--only", nargs="+", choices=runs.LABELS, default=runs.LABELS, help="make only these runs")
    parser.add_argument("--tests", nargs="+", default=(), help="only tests whose name contains one of these words")
    parser.add_argument("--jobs", type=int, default=runs.cores())
    parser.add_argument("--repeat", type=int, default=3, help="times a test that differs is run again, bare and wrapped")
    options = parser.parse_args()
    unknown = [name for name in options.suites if name not in SUITES]
    if unknown:
        parser.error(f"unknown suite '{unknown[0]}', expected one of: {' '.join(SUITES)}")
    surprises = 0
    for name in options.suites or SUITES:
        surprises += run_suite(name, options)
    return 1 if surprises else 0


def run_suite(name, options):
    """All runs of one suite; returns the number of differences that have no known reason."""
    suite = importlib.import_module(f"suite_{name}")
    work = Path(options.work).resolve() / name
    work.mkdir(parents=True, exist_ok=True)
    if suite.SOURCE:
        subprocess.run([ROOT / "scripts/debian-source", suite.SOURCE, work], check=True)
    print(f"{name}: builds in {work}", flush=True)
    tree = suite.prepare(work, options.jobs)
    results = {}
    for label in options.only:
        begun = time.monotonic()
        results[label] = suite.run(tree, fresh(work, label, options), options.tests)
        print(f"{name} {label}: {summary(results[label])}, {time.monotonic() - begun:.0f} s", flush=True)
    surprises = 0
    for label in options.only:
        if label != "bare" and "bare" in results:
            surprises += report(suite, tree, work, label, results, options)
    return surprises


def fresh(work, label, options, number=0):
    """A new Run in a folder that did not exist."""
    while (work / f"{label[0]}{number:04}").exists():  # equally long names: some tests bind Unix sockets below
        number += 1
    return runs.Run(label, work / f"{label[0]}{number:04}", options.jobs)


def summary(found):
    counts = {}
    for text in found.values():
        counts[kind(text)] = counts.get(kind(text), 0) + 1
    return ", ".join(f"{count} {text}" for text, count in sorted(counts.items())) or "nothing ran"


def kind(text):
    """The outcome without its details: passed, skipped, failed; a time-out is a failure."""
    return text.split(" (")[0].split(":")[0].replace(runs.TIMED_OUT, runs.FAILED)


def report(suite, tree, work, label, results, options):
    """Prints what differs between bare and another run, after a repetition of both; returns how much is not known."""
    bare, other = results["bare"], results[label]
    differ = [name for name in sorted({*bare, *other}) if kind(bare.get(name, "not run")) != kind(other.get(name, "not run"))]
    surprises = 0
    for name in differ:
        reason = next((reason for where, pattern, reason in suite.KNOWN if label in where and re.fullmatch(pattern, name)), None)
        print(f"{suite.__name__[6:]} {label}: {name}\n    bare:   {bare.get(name, 'not run')}\n    {label}: {other.get(name, 'not run')}")
        if reason:
            print(f"    known:  {reason}", flush=True)
            continue
        again = repeated(suite, tree, work, label, name, options) if options.repeat and name in bare else ""
        if again:
            print(f"    again:  {again}", flush=True)
        surprises += 1
    return surprises


def repeated(suite, tree, work, label, name, options):
    """Runs one test alone, bare and wrapped; returns how often it passed."""
    counts = {}
    for which in ("bare", label):
        outcomes = [suite.run(tree, fresh(work, which, options), [f"={name}"]).get(name, "not run") for _ in range(options.repeat)]
        counts[which] = sum(kind(outcome) == runs.PASSED for outcome in outcomes)
    return ", ".join(f"{which} passed {count} of {options.repeat}" for which, count in counts.items())


if __name__ == "__main__":
    sys.exit(main())
