"""memcached's Perl tests (t/*.t), over TCP: the build has no Unix sockets, which the tests would take otherwise."""

import re

import runs

SOURCE = "memcached"
# The source's layout; gigabytes of memory; values in files, for many minutes of processor time.
LEFT_OUT = ("whitespace.t", "64bit.t", "binary-extstore.t", "chunked-extstore.t", "extstore.t", "extstore-buckets.t",
            "extstore-jbod.t")
KNOWN = ((("forced", "sealed"), r"ssl_(proto_version|session_resumption)\.t.*", "needs TLS 1.2, or its sessions"),)


def prepare(work, jobs):
    tree = work / "source"
    if not (tree / "memcached-debug").exists():
        runs.build(tree, ["./configure", "--enable-tls", "--disable-unix-socket", "--disable-docs"],
                   ["make", f"-j{jobs}", "memcached", "memcached-debug", "timedrun", "sizes", "testapp"])
    return tree


def run(tree, run_, words):
    """{test: outcome}. A test is one line of TAP; those of the files that use TLS run as in `make test_basic_tls`."""
    found = {}
    for file in sorted((tree / "t").glob("*.t")):
        for tls in (False, True) if file.name in ("binary.t", "getset.t") else (file.name.startswith("ssl"),):
            if file.name not in LEFT_OUT and runs.chosen(file.name, [word.split(":")[0] for word in words]):
                label = file.name + (" with TLS" if tls else "")
                status, text = run_.command(["perl", file], 900, cwd=tree, output=f"{label}.txt",
                                            env={"SSL_TEST": "1"} if tls else {})
                found.update(lines(label, status, text))
    return found


def lines(label, status, text):
    """The outcome of the file, and of each line of TAP that did not pass or was skipped."""
    tap = re.findall(r"^(not ok|ok) (\d+)(.*)$", text, re.MULTILINE)
    found = {f"{label}: {number}{rest}": runs.FAILED for verdict, number, rest in tap if verdict == "not ok" and "# TODO" not in rest}
    if re.search(r"^1\.\.0", text, re.MULTILINE):
        found[label] = runs.SKIPPED
    else:
        found[label] = f"{runs.word(status)} ({len(tap)} lines)"
    return found
