#!/usr/bin/env python3
"""make lint-commits: the form of a commit's message."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))

from lib.process import ROOT, run, temporary_directory  # noqa: E402
from lib.tap import Tap, contains, equal  # noqa: E402

GOOD = ("policy: a new key", "fd, socket: one table", "tests/apps: cases of TLS 1.3\n\nWhy.\nMore of it.",
        "x: " + "a" * 69)
BAD = (("a change", "no subsystem"), ("Policy: a key", "no subsystem"), ("policy:a key", "no subsystem"),
       ("x: " + "a" * 70, "73 characters"), ("policy: a key.", "a full stop at the end"),
       ("policy: a key\nand more", "no empty line below the subject"))


class Repository:
    """A repository with one commit, `base`, to which a test adds others."""

    def __init__(self):
        self.folder = temporary_directory()
        self.git("init", "--quiet")
        self.commit("x: the first")
        self.git("tag", "base")

    def git(self, *words, data=b""):
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
        result = run(["git", *identity, *words], data=data, cwd=self.folder, env={"GIT_CONFIG_GLOBAL": "/dev/null"})
        equal(result.status, 0, f"status of {result!r}")

    def commit(self, message):
        self.git("commit", "--quiet", "--allow-empty", "--file=-", data=message.encode())

    def lint(self, since="base"):
        return run([ROOT / "tests" / "lint" / "commits", since], cwd=self.folder)


def main():
    tap = Tap()
    with tap.case("messages of the right form pass, and so do none at all"):
        repository = Repository()
        equal((repository.lint().status, repository.lint().out), (0, b""), "status and output without commits")
        for message in GOOD:
            repository.commit(message)
        equal((repository.lint().status, repository.lint().out), (0, b""), "status and output")
    with tap.case("each fault is one line that names the commit and the fault"):
        for message, fault in BAD:
            repository = Repository()
            repository.commit("x: fine")
            repository.commit(message)
            result = repository.lint()
            equal((result.status, result.out.count(b"\n")), (1, 1), f"status and lines of {result!r}")
            contains(result.out.decode(), f": {fault} in ", "the line")
    with tap.case("a commit that does not exist is an error"):
        result = Repository().lint("nowhere")
        equal((result.status, result.out), (1, b""), f"status and output of {result!r}")
        contains(result.err.decode(), "no commit nowhere, expected", "message")
    tap.finish()


main()
