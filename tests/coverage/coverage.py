#!/usr/bin/env python3
"""Runs tests in a build that counts lines (make coverage builds it), and reports what they reached.

Usage: coverage.py --build FOLDER TEST...

Prints a table of lines and branches by folder and writes an HTML report to FOLDER/report/index.html, also if tests fail.
The exit status is 1 if a test failed or the counters cannot be read.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def shared_counters(build):
    return build / "libpfswrap.so.counters"


def launcher(build):
    """A copy of scripts/pfswrap that finds this build beside it."""
    return build / "launcher" / "scripts" / "pfswrap"


def prepare(build):
    """Sets all counters to zero. Programs write them as other users, too, so everyone may write the files."""
    for notes in build.rglob("*.gcno"):
        source = ROOT / str(notes.relative_to(build).with_suffix(".c")).removeprefix("model/")
        if not source.exists():  # moved since the last build
            notes.unlink()
            notes.with_suffix(".gcda").unlink(missing_ok=True)
            continue
        counters = notes.with_suffix(".gcda")
        counters.write_bytes(b"")
        counters.chmod(0o666)
    shared_counters(build).write_bytes(b"")
    shared_counters(build).chmod(0o666)
    launcher(build).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "scripts" / "pfswrap", launcher(build))
    link = launcher(build).parents[1] / "build"
    link.unlink(missing_ok=True)
    link.symlink_to(build)


def preloaded(build, command, **variables):
    """The exit status of a command under the shared object and the built-in policy."""
    environment = dict(os.environ, LD_PRELOAD=str(build / "libpfswrap.so"), PFSWRAP_POLICY="builtin", **variables)
    return subprocess.run(command, env=environment, check=False).returncode


def check_counters(build):
    """A process that is killed must leave its counters, or the report would be wrong without a word."""
    status = preloaded(build, ["sh", "-c", "kill -9 $$"])
    if status != -signal.SIGKILL or not any(shared_counters(build).read_bytes()):
        sys.exit(f"coverage: a process that was killed (status {status}) left no counters in {shared_counters(build)}")


def run_tests(build, tests):
    """Whether they passed. Without GCOV_ERROR_FILE, gcov's complaints about files would be output of the programs."""
    environment = dict(os.environ, B=build.name, PFSWRAP=str(launcher(build)), GCOV_ERROR_FILE="/dev/null")
    return subprocess.run([ROOT / "tests" / "run", *tests], env=environment, check=False).returncode == 0


def collect(build):
    """Adds the shared counters to those that the other programs wrote, and reads all. Returns gcovr's summary."""
    if preloaded(build, ["/bin/true"], PFSWRAP_COVERAGE_WRITE="1") != 0:
        sys.exit("coverage: the counters of libpfswrap.so could not be written")
    for counters in build.rglob("*.gcda"):
        if counters.stat().st_size == 0:
            counters.unlink()
    report = build / "report"
    report.mkdir(exist_ok=True)
    # A process that is killed inside a function leaves counters that do not add up, and gcov prints -1 for a branch.
    command = ["gcovr", "--gcov-ignore-parse-errors", "--root", str(ROOT), "--html-title", "pfswrap",
               "--filter", "shim/", "--filter", "include/", "--filter", "tools/",
               "--json-summary", str(report / "summary.json"), "--html-details", str(report / "index.html"), str(build)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"coverage: gcovr failed: {done.stderr.strip()}")
    return json.loads((report / "summary.json").read_text())


def percent(covered, total):
    return f"{100 * covered / total:5.1f} %" if total else "      -"


def table(summary):
    """Lines of text: a folder each, then the total."""
    folders = {}
    for file in summary["files"]:
        counts = folders.setdefault(str(Path(file["filename"]).parent), [0, 0, 0, 0])
        for i, name in enumerate(("line_covered", "line_total", "branch_covered", "branch_total")):
            counts[i] += file[name]
    rows = sorted(folders.items()) + [("all", [sum(column) for column in zip(*folders.values())])]
    width = max(len(name) for name, _ in rows)
    yield f"{'folder':<{width}}    lines          of  branches          of"
    for name, (lines, all_lines, branches, all_branches) in rows:
        yield (f"{name:<{width}}  {percent(lines, all_lines)}  {all_lines:>10}   {percent(branches, all_branches)}  "
               f"{all_branches:>10}")


def main():
    parser = argparse.ArgumentParser(description="Run tests in a coverage build and report what they reached.")
    parser.add_argument("--build", type=Path, required=True, help="the folder of the build")
    parser.add_argument("tests", nargs="+", metavar="TEST", help="what tests/run is given")
    options = parser.parse_args()
    build = options.build.resolve()
    prepare(build)
    check_counters(build)
    passed = run_tests(build, options.tests)
    for line in table(collect(build)):
        print(line)
    print(f"report: {os.path.relpath(build / 'report' / 'index.html')}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
