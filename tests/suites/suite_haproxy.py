"""haproxy's regression tests, with Debian's haproxy and varnishtest, which is client and server in one process."""

import re
import subprocess
import tempfile
from pathlib import Path

import runs

SOURCE = "haproxy"
HAPROXY = "/usr/sbin/haproxy"
SECONDS = 90  # for one test; the 10 of haproxy's script are too few beside other work
KNOWN = ()


def prepare(work, _jobs):
    """haproxy's script knows which tests this haproxy can run; it prints them to a list that is used again."""
    tree, listed = work / "source", work / "tests.txt"
    if not listed.exists():
        done = subprocess.run(["scripts/run-regtests.sh"], cwd=tree, capture_output=True, text=True, check=True,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "VTEST_PROGRAM": "/bin/true",
                                   "HAPROXY_PROGRAM": HAPROXY, "TMPDIR": str(work)})
        listed.write_text("\n".join(re.findall(r"^ +Add test: (\S+)", done.stdout, re.MULTILINE)) + "\n")
    return tree


def run(tree, run_, words):
    """{test: outcome}. A test is a file below reg-tests/."""
    files = [name for name in (tree.parent / "tests.txt").read_text().split() if runs.chosen(name, words)]
    with tempfile.TemporaryDirectory(prefix="s") as short:  # paths of Unix sockets have at most 107 characters
        Path(short).chmod(0o755)
        status, text = run_.command(["varnishtest", "-b", 2 << 20, "-k", "-l", "-t", SECONDS, "-j", run_.jobs, *files],
                                    4 * 3600, cwd=tree, env={"TMPDIR": short, "HAPROXY_PROGRAM": HAPROXY, "HAPROXY_ARGS": "-dM"})
    outcomes = {"passed": runs.PASSED, "skipped": runs.SKIPPED, "FAILED": runs.FAILED, "TIMED": runs.TIMED_OUT}
    found = {name: outcomes[outcome]
             for name, outcome in re.findall(r"TEST (\S+\.vtc) (passed|skipped|FAILED|TIMED)", text)}
    if status is None:
        found["(the whole suite)"] = runs.TIMED_OUT
    return found
