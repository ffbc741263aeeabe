#!/usr/bin/env python3
"""tests/run: which files run at a time, and those that are built meanwhile."""

import json
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))

from lib.process import ROOT, run, temporary_directory  # noqa: E402
from lib.tap import Tap, check, contains, equal, lacks  # noqa: E402

PROCESSORS = len(os.sched_getaffinity(0))
PASSES = "print('ok 1 - it passes'); print('1..1')\n"
# Writes down how many run, and waits until as many as sys.argv[0] names have begun.
MEETS = """
import pathlib, time
here = pathlib.Path(__file__).parent
(here / f"{__file__}.begun").touch()
end = time.monotonic() + 60
while time.monotonic() < end and len(list(here.glob("*.begun"))) < COUNT:
    time.sleep(0.01)
print("ok" if time.monotonic() < end else "not ok", "1 - the others run, too")
print("1..1")
"""
# Holds one of as many places as files may run at a time.
COMPUTES = """
import fcntl, pathlib, time
here = pathlib.Path(__file__).parent
for number in range(COUNT):
    place = open(here / f"place-{number}", "w")
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        break
    except BlockingIOError:
        continue
else:
    print("not ok 1 - no more run than there are places")
    raise SystemExit(1)
time.sleep(0.2)
print("ok 1 - there was a place")
print("1..1")
"""


class Tree:
    """A copy of the runner, and test files."""

    def __init__(self, times=None):
        self.root = temporary_directory()
        (self.root / "tests").mkdir()
        for name in ("run", "pool.py"):
            shutil.copy(ROOT / "tests" / name, self.root / "tests")
        (self.root / "tests/times.json").write_text(json.dumps(times or {}))

    def file(self, name, text=PASSES):
        path = self.root / "tests" / name
        path.write_text(text)
        return path

    def run(self, *arguments):
        return run([sys.executable, "-B", self.root / "tests/run", *arguments], cwd=self.root)


def last(result):
    return result.lines[-1]


def main():
    tap = Tap()
    with tap.case("four files that mostly wait run at a time for each processor"):
        count = 4 * PROCESSORS
        names = [f"test_{number}.py" for number in range(count)]
        tree = Tree({f"tests/{name}": [10, 0.1] for name in names})
        result = tree.run(*[tree.file(name, MEETS.replace("COUNT", str(count))) for name in names])
        equal(last(result), f"{count} passed, 0 failed, 0 skipped", f"{result!r}")
    with tap.case("of files that compute, or that nothing is known of, one more runs than there are processors"):
        for times in ([1, 1], None):
            names = [f"test_{number}.py" for number in range(2 * PROCESSORS + 4)]
            tree = Tree({f"tests/{name}": times for name in names} if times else {})
            result = tree.run(*[tree.file(name, COMPUTES.replace("COUNT", str(PROCESSORS + 1))) for name in names])
            equal(last(result), f"{len(names)} passed, 0 failed, 0 skipped", f"{result!r}")
    with tap.case("what the files took is written down, in the form of tests/times.json"):
        tree = Tree()
        tree.run(tree.file("test_one.py", "end = 0\nfor i in range(3000000):\n    end += i\n" + PASSES))
        took, computed = json.loads((tree.root / "build/test-times.json").read_text())["tests/test_one.py"]
        check(took > 0 and computed > 0.05, f"{took} s, {computed} s of the processor")
    with tap.case("files that are built meanwhile are run, too"):
        tree = Tree()
        now, later, made = tree.file("test_now.py"), tree.file("later", PASSES), tree.root / "tests/test_later.py"
        result = tree.run(now, "--meanwhile", f"mv {later} {made}", "--then", made)
        equal((result.status, last(result)), (0, "2 passed, 0 failed, 0 skipped"), f"{result!r}")
    with tap.case("a build that fails fails the run, and is shown"):
        result = tree.run(now, "--meanwhile", "echo no compiler; exit 3", "--then", "tests/test_never.py")
        equal((result.status, last(result)), (1, "1 passed, 1 failed, 0 skipped"), f"{result!r}")
        contains(result.text, "the build exited with status 3", "what it prints")
        contains(result.text, "no compiler", "what it prints")
    with tap.case("a file that is not there after the build fails the run"):
        result = tree.run(now, "--meanwhile", "true", "--then", "tests/test_never.py")
        equal((result.status, last(result)), (1, "1 passed, 1 failed, 0 skipped"), f"{result!r}")
    with tap.case("words choose among the files that are built meanwhile; without any of them nothing is built"):
        result = tree.run(now, "now", "--meanwhile", "echo no compiler; exit 3", "--then", "tests/test_never.py")
        equal((result.status, last(result)), (0, "1 passed, 0 failed, 0 skipped"), f"{result!r}")
        lacks(result.text, "no compiler", "what it prints")
    with tap.case("--jobs says how many run at a time"):
        names = [f"test_{number}.py" for number in range(5)]
        tree = Tree({f"tests/{name}": [10, 0.1] for name in names})
        result = tree.run("--jobs", "1", *[tree.file(name, COMPUTES.replace("COUNT", "1")) for name in names])
        equal(last(result), "5 passed, 0 failed, 0 skipped", f"{result!r}")
    tap.finish()


main()
