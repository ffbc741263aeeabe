"""APR's tests (Apache Portable Runtime): sockets, polling, processes, files; `test/testall -v SUITE`."""

import re
import subprocess

import runs

SOURCE = "apr"
KNOWN = ()


def prepare(work, jobs):
    tree = work / "source"
    if not (tree / "test/testall").exists():
        runs.build(tree, ["./buildconf"], ["./configure", "--enable-nonportable-atomics"], ["make", f"-j{jobs}"])
        text = (tree / "test/Makefile").read_text()
        parts = re.search(r"^TESTALL_COMPONENTS = (.*?[^\\])$", text, re.MULTILINE | re.DOTALL)[1].replace("\\", " ").split()
        runs.build(tree / "test", ["make", f"-j{jobs}", *parts, "testall"])
    return tree / "test"


def run(tree, run_, words):
    """{test: outcome}. A test is one of testall's suites, and each of its lines that reports a failure."""
    names = subprocess.run(["./testall", "-l"], cwd=tree, capture_output=True, text=True, check=True).stdout.split()
    found = {}
    for name in names:
        if runs.chosen(name, [word.split(":")[0] for word in words]):
            status, text = run_.command(["./testall", "-v", name], 600, cwd=tree, output=f"{name}.txt")
            failed = re.findall(r"^Line (\d+): (.*)$", text, re.MULTILINE)
            found.update({f"{name}: line {line}": f"{runs.FAILED}: {what}" for line, what in failed})
            found[name] = runs.word(status)
    return found
