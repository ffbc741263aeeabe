#!/usr/bin/env python3
"""The lint of errors reports each positive errno value of a small tree, and nothing else."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))

from lib.process import ROOT, run, temporary_directory  # noqa: E402
from lib.tap import Tap, contains, equal  # noqa: E402

GOOD = """/* Returns 0, or a negative errno value. */
int open_it(int fd)
{
    const int saved = errno;
    int error = fd < 0 ? -EBADF : 0;
    if (error == EINTR || errno == EAGAIN) /* compared */
        error = -errno;
    errno = saved;
    connection->error = ECONNRESET; /* what the program will see */
    return error != 0 ? error : -EINVAL;
}
"""
TABLE = "| place | why it differs |\n| --- | --- |\n| `shim/socket/`, `shim/base/libc.c` | calls |\n"
CALL = "int call(void)\n{\n    errno = EBADF;\n    return -1;\n}\n"


def findings(files, table=TABLE):
    """What the lint prints about a tree with these files, line by line, and its exit status."""
    root = temporary_directory()
    (root / "CONTRIBUTING.md").write_text(f"# Contributing\n\n{table}\n")
    for name, text in {"shim/socket/read.c": CALL, "shim/base/libc.c": CALL, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    result = run([sys.executable, "-B", ROOT / "tests/lint/errors.py", "--root", root])
    return result.out.decode().splitlines(), result.status


def of_line(code):
    """What it prints about a file of one line."""
    return findings({"shim/fd/own.c": code + "\n"})[0]


def main():
    tap = Tap()
    with tap.case("code that follows the convention passes, and so do compared values and members"):
        equal(findings({"shim/fd/own.c": GOOD, "tools/run.c": GOOD}), ([], 0), "output and status")
    with tap.case("a positive value that is returned, or becomes the error, is reported"):
        contains(of_line("    return EBADF;")[0], "shim/fd/own.c:1: a positive errno value", "the line")
        for code in ("    return fd < 0 ? EMFILE : 0;", "    return fd >= 0 ? 0 : EMFILE;", "    return errno;",
                     "    error = ENOMEM;", "    int error = ENOMEM;"):
            equal(len(of_line(code)), 1, f"findings in {code}")
    with tap.case("an assignment to errno is reported in the shim, and not in a tool"):
        contains(of_line("    errno = -result;")[0], "sets errno, expected a negative errno value", "the line")
        equal(findings({"tools/copy.c": "    errno = ENAMETOOLONG;\n"}), ([], 0), "output and status")
    with tap.case("a comment that promises a positive value is reported"):
        for comment in ("/* Returns 0, or an errno. */", "/* Returns 0 or a negated errno. */"):
            contains(of_line(comment)[0], "the comment speaks of a positive errno value", "the line")
    with tap.case("what stands in a string does not count"):
        equal(of_line('    text = "return EBADF;";'), [], "findings")
    with tap.case("a row that nothing needs is reported, and so is a missing table"):
        equal(findings({"shim/base/libc.c": GOOD}),
              (["CONTRIBUTING.md:5: `shim/base/libc.c` follows the convention, expected no row for it"], 1),
              "output and status")
        contains(findings({}, "")[0][0], "no table", "the line")
    tap.finish()


main()
