#!/usr/bin/env python3
"""compile_commands.json: each C file of the tree has one entry, with the flags that make uses."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))

from lib.process import ROOT, run  # noqa: E402
from lib.tap import Tap, check, contains, equal  # noqa: E402

SCRIPT = ROOT / "scripts" / "compile-commands"


def converted(text):
    """The database for what make printed."""
    result = run([SCRIPT], text.encode(), cwd=ROOT)
    equal(result.status, 0, f"status of {result!r}")
    return json.loads(result.out)


def main():
    tap = Tap()
    dry = run(["make", "--no-print-directory", "--dry-run", "--always-make", "tests", "fuzzers"], cwd=ROOT)
    with tap.case("each C file of the tree has one entry"):
        equal(dry.status, 0, f"status of {dry!r}")
        files = [entry["file"] for entry in converted(dry.out.decode())]
        equal(len(files), len(set(files)), "entries")
        folders = [ROOT / name for name in ("shim", "tools", "tests")]
        # Those for another C library, or for a build with sanitizers, are not compiled here.
        expected = {str(path.relative_to(ROOT)) for folder in folders for path in folder.rglob("*.c")
                    if not path.name.endswith("_musl.c") and path.parent.name != "sanitized"}
        equal(set(files) ^ expected, set(), "files on one side only")
    with tap.case("an entry has the folder, the flags as make's shell would pass them, and the object"):
        entry, = converted("mkdir -p b\ngcc -DA='\"1\"' -Ishim \\\n  -c -o b/shim/x.o shim/x.c\n"
                           "gcc -o b/x b/shim/x.o -lm\n")
        equal(entry, {"file": "shim/x.c", "directory": str(ROOT), "output": "b/shim/x.o",
                      "arguments": ["gcc", '-DA="1"', "-Ishim", "-c", "-o", "b/shim/x.o", "shim/x.c"]}, "entry")
    with tap.case("a file that is compiled twice has its first command"):
        entry, = converted("gcc -c -o b/x.o x.c\ngcc -DMODEL -c -o b/model/x.o x.c\n")
        check("-DMODEL" not in entry["arguments"], f"expected the first command, found {entry}")
    with tap.case("a program that one command compiles from several files is an entry for each, with that file only"):
        entries = converted("gcc -c -o b/x.o x.c\nclang -o b/fuzz fuzz.c x.c shared.c -lm\n")
        equal([(entry["file"], entry["arguments"][0]) for entry in entries],
              [("fuzz.c", "clang"), ("shared.c", "clang"), ("x.c", "gcc")], "files and compilers")
        equal(entries[1]["arguments"], ["clang", "-o", "b/fuzz", "shared.c", "-lm"], "arguments")
    with tap.case("text without a command that compiles is an error"):
        result = run([SCRIPT], b"echo nothing\n")
        equal((result.status, result.out), (1, b""), f"status and output of {result!r}")
        contains(result.text, "expected", "message")
    tap.finish()


main()
