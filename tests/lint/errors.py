#!/usr/bin/env python3
"""Holds the convention for errors (CONTRIBUTING.md, "Errors and errno") against the sources of shim/ and tools/.

An error is a negative errno value, so three things are findings: a positive errno value that is returned or stored,
an assignment to errno in the shim, and a comment that promises one of the two. The places that may differ are the
rows of the table `| place | why it differs |` in CONTRIBUTING.md: folders and files. A row that nothing needs is a
finding, too. Python's standard library only.
"""

import argparse
import re
import sys
from pathlib import Path

from sources import rows_below, without_comments

DOCUMENT = "CONTRIBUTING.md"
HEADER = "| place | why it differs |"
NAMES = "|".join((
    "E2BIG", "EACCES", "EADDRINUSE", "EADDRNOTAVAIL", "EAGAIN", "EALREADY", "EBADF", "EBUSY", "ECONNABORTED",
    "ECONNREFUSED", "ECONNRESET", "EDEADLK", "EEXIST", "EFAULT", "EFBIG", "EINPROGRESS", "EINTR", "EINVAL", "EIO",
    "EISCONN", "EISDIR", "EMFILE", "EMSGSIZE", "ENAMETOOLONG", "ENFILE", "ENOBUFS", "ENODATA", "ENOENT", "ENOEXEC",
    "ENOMEM", "ENOSPC", "ENOSYS", "ENOTCONN", "ENOTDIR", "ENOTSOCK", "ENOTSUP", "EOPNOTSUPP", "EOVERFLOW", "EPERM",
    "EPIPE", "EPROTO", "ESPIPE", "ESRCH", "ESTALE", "ETIMEDOUT", "EXDEV"))
# A value that is returned, or that a variable gets, also as one side of a condition. A member of a structure may have
# what a program will see, such as SO_ERROR.
RESULT = re.compile(r"\breturn\b|(?<![.>])\b(?:error|result|worst) = ")
POSITIVE = re.compile(rf"(?:\breturn|(?<![=!])=|[?:])\s+(?:{NAMES})\b")
RETURNED = re.compile(r"\breturn errno;")
SETS = re.compile(r"\berrno = (?!saved\b|error\b|before\b|0;|connect_errno\b|failed \?)")
PROMISES = re.compile(r"\b(?:or|the|an|Returns) errno\b(?! value)|negated errno")


def places(root):
    """(row's line, place) of each exception."""
    rows = rows_below((root / DOCUMENT).read_text(), HEADER)
    return [(number, place) for number, cells in rows or [] for place in re.findall(r"`([^`]+)`", cells[0])]


def findings_in(name, text):
    code = without_comments(text)
    for number, (line, plain) in enumerate(zip(text.splitlines(), code.splitlines()), 1):
        where = f"{name}:{number}"
        if SETS.search(plain) and name.startswith("shim/"):
            yield f"{where}: sets errno, expected a negative errno value that is returned"
        elif RETURNED.search(plain) or (RESULT.search(plain) and POSITIVE.search(plain)):
            yield f"{where}: a positive errno value, expected a negative one"
        if PROMISES.search(line) and plain.strip() != line.strip():
            yield f"{where}: the comment speaks of a positive errno value, expected `a negative errno value`"


def findings_of(root):
    exceptions, used = places(root), set()
    if not exceptions:
        yield f"{DOCUMENT}: no table `{HEADER}`, expected one with the places that differ"
    for folder in ("shim", "tools"):
        for path in sorted((root / folder).rglob("*.[ch]")):
            name = str(path.relative_to(root))
            found = list(findings_in(name, path.read_text()))
            allowed = [place for _, place in exceptions if name == place or (place.endswith("/") and name.startswith(place))]
            used.update(allowed if found else ())
            yield from () if allowed else found
    for number, place in exceptions:
        if place not in used:
            yield f"{DOCUMENT}:{number}: `{place}` follows the convention, expected no row for it"


def main():
    parser = argparse.ArgumentParser(description=f"Hold the convention for errors of {DOCUMENT} against the sources.")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2], help="the tree to look at")
    found = list(findings_of(parser.parse_args().root.resolve()))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
