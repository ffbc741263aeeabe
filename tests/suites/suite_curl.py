"""curl's tests, run by its own runtests.pl: Debian's curl against curl's servers in C and Perl. Only these servers are built.

Tests of libcurl programs fail, bare too, since these programs are not built.
"""

import re

import runs

SOURCE = "curl"
CURL = "/usr/bin/curl"
KNOWN = ((("forced", "sealed"), "32[0-4]", "TLS-SRP, which TLS 1.3 does not have"),)


def prepare(work, jobs):
    tree = work / "source"
    if not (tree / "tests/server/sws").exists():
        runs.build(tree, ["./configure", "--with-openssl", "--disable-shared", "--disable-ldap", "--without-libpsl",
                          "--disable-dependency-tracking"])
        runs.build(tree / "tests/server", ["make", f"-j{jobs}"])
    return tree


def run(tree, run_, words):
    """{number of a test: outcome}. Words are test numbers or keywords, as in runtests.pl."""
    chosen = [word.lstrip("=") for word in words]
    status, text = run_.command(["perl", "./runtests.pl", "-c", CURL, "-vc", CURL, "-a", "-am", "-n", *chosen], 6 * 3600,
                                cwd=tree / "tests", env={"srcdir": "."})
    found = {}
    for outcome, number, name in re.findall(r"^(PASS|FAIL|SKIP): (\d+) - (.*)$", text, re.MULTILINE):
        what = f"{runs.FAILED}: {name.rpartition(' - ')[2]}"
        found[number] = {"PASS": runs.PASSED, "SKIP": runs.SKIPPED}.get(outcome, what)
    for number, what in re.findall(r"^ *(\d+): (\w+) FAILED", text, re.MULTILINE):  # also in the style of automake
        found[number] = f"{runs.FAILED}: {what}"
    if status is None:
        found["(the whole suite)"] = runs.TIMED_OUT
    return found
