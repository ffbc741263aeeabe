#!/usr/bin/env python3
"""make coverage: counters survive every way in which a process ends, and the table adds up."""

import json
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "apps"), str(TESTS / "coverage")]

import coverage  # noqa: E402
from lib.process import ROOT, run, temporary_directory  # noqa: E402
from lib.tap import Tap, equal  # noqa: E402

SOURCE = "int getppid(void);\nint getppid(void)\n{\n    return 1;\n}\n"
ENDS = {  # how often each calls getppid(), which the shared object under test interposes
    "os.getppid()": 1,
    "os.getppid(); os._exit(0)": 1,
    "os.getppid(); os.kill(os.getpid(), signal.SIGTERM)": 1,
    "os.getppid(); os.kill(os.getpid(), signal.SIGKILL)": 1,
    "os.getppid(); os.execv('/bin/true', ['true'])": 1,
    "os.fork(); os.getppid(); os.kill(os.getpid(), signal.SIGKILL)": 2,
    "os.getppid(); os.chroot('/proc/self/fdinfo') if os.geteuid() == 0 else None; os.getppid(); os._exit(0)": 2,
}


def shared_object(folder):
    """A shared object that counts, linked as libpfswrap.so is."""
    (folder / "counted.c").write_text(SOURCE)
    flags = ["-O0", "-fPIC", "-fno-builtin", f"-I{ROOT}/shim", f'-DPFSWRAP_COVERAGE_FILE="{folder}/counters"']
    counting = ["--coverage", "-fprofile-update=atomic", "-fdata-sections"]
    linking = ["-shared", "--coverage", "-Wl,--wrap=__gcov_exit", f"-Wl,-T,{ROOT}/tests/coverage/counters.ld"]
    for command in (["gcc", *flags, *counting, "-c", "-o", "counted.o", "counted.c"],
                    ["gcc", *flags, "-c", "-o", "counters.o", ROOT / "tests/coverage/counters.c"],
                    ["gcc", *linking, "-o", "counted.so", "counted.o", "counters.o"]):
        result = run(command, cwd=folder)
        equal(result.status, 0, f"status of {result!r}")
    return folder / "counted.so"


def executed(folder):
    """How often the only line of the function ran, by gcov."""
    report = run(["gcov", "--json-format", "--stdout", "counted.o"], cwd=folder).out
    lines = json.loads(report)["files"][0]["lines"]
    return next(line["count"] for line in lines if line["line_number"] == 4)


def main():
    tap = Tap()
    folder = temporary_directory()
    with tap.case("a call is counted whether its process exits, is killed, executes another program or forks"):
        library = shared_object(folder)
        (folder / "counters").write_bytes(b"")
        for code in ENDS:
            run([sys.executable, "-c", f"import os, signal\n{code}"], env={"LD_PRELOAD": str(library)})
        equal(sorted(folder.glob("*.gcda")), [], "counters written without PFSWRAP_COVERAGE_WRITE")
        run(["/bin/true"], env={"LD_PRELOAD": str(library), "PFSWRAP_COVERAGE_WRITE": "1"})
        equal(executed(folder), sum(ENDS.values()), "how often the function ran")
    with tap.case("a file of counters that cannot be opened changes nothing for the program"):
        (folder / "counters").unlink()
        result = run([sys.executable, "-c", "import os; print(os.getppid())"], env={"LD_PRELOAD": str(library)})
        equal((result.status, result.out, result.err), (0, b"1\n", b""), "status and output")
    with tap.case("the table has a line for each folder and their sum, and no percentage of nothing"):
        file = {"line_covered": 1, "line_total": 2, "branch_covered": 0, "branch_total": 0}
        files = [{"filename": name, **file} for name in ("shim/b/x.c", "shim/a/y.c", "shim/b/z.c")]
        equal([line.split() for line in coverage.table({"files": files})][1:],
              [["shim/a", "50.0", "%", "2", "-", "0"], ["shim/b", "50.0", "%", "4", "-", "0"],
               ["all", "50.0", "%", "6", "-", "0"]], "lines")
    tap.finish()


main()
