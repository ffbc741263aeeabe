#!/usr/bin/env python3
"""CPython's own network tests, bare and with every TCP connection on the loopback sealed; prints where they differ.

Uses Debian's libpython3.11-testsuite: one that is installed, or an unpacked one (`apt-get download`, `dpkg -x FILE
FOLDER`, then --suite FOLDER). It belongs to /usr/bin/python3 of the same version. Writes nothing outside its own
temporary folder, which is kept only with --keep; takes several minutes, so that `make check` does not run it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))
from lib import seal  # noqa: E402  pylint: disable=wrong-import-position
from lib.process import merged, temporary_directory  # noqa: E402  pylint: disable=wrong-import-position

PYTHON = "/usr/bin/python3"
MODULES = """test_asyncio test_asyncore test_asynchat test_selectors test_select test_poll test_epoll test_socket
test_socketserver test_httplib test_httpservers test_ftplib test_smtplib test_poplib test_imaplib test_nntplib
test_telnetlib test_urllib test_urllib2 test_urllib2_localnet test_xmlrpc test_docxmlrpc test_wsgiref test_smtpd
test_subprocess test_robotparser test_logging test_fork1 test_os test_ssl test_signal test_eintr
test_support""".split()
LEFT_OUT = ("ThreadedVSOCKSocketStreamTest",)  # hangs where /dev/vsock exists without a hypervisor, also bare
EVERY_PORT = ("127.0.0.0/8:*", "[::1]:*")


def whole_package(unpacked, folder):
    """The unpacked package lacks test/__init__.py and test.support, which libpython3.11-stdlib has: both in one."""
    package = folder / "library" / "test"
    if not package.exists():
        shutil.copytree("/usr/lib/python3.11/test", package)
        shutil.copytree(Path(unpacked) / "usr/lib/python3.11/test", package, dirs_exist_ok=True)
    return str(package.parent)


def outcomes(path):
    """JUnit's XML -> {test: passed, skipped or the first line of what went wrong}."""
    found = {}
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        name = case.get("name") or "(a test that has no name: a module as a whole)"
        word = "passed"
        for child in case:
            if child.tag in ("skipped", "failure", "error"):
                lines = [line for line in (child.text or child.get("message") or "").splitlines() if line.strip()]
                word = child.tag + ("" if child.tag == "skipped" else f": {lines[-1] if lines else ''}")
        if case.get("result") == "skipped" or case.get("status") == "notrun":
            word = "skipped"
        found[name] = word
    return found


def run_suite(label, modules, folder, options, wrap=None):
    """One run of the test package; returns its outcomes and the seconds that it took."""
    scratch = folder / label
    scratch.mkdir()
    report = folder / f"{label}.xml"
    argv = [options.python, "-m", "test", f"-j{options.jobs}", "--timeout", str(options.timeout), "-u", "network,-urlfetch",
            "--junit-xml", str(report), "--tempdir", str(scratch), *modules]
    for name in LEFT_OUT:
        argv += ["-i", name]
    if options.match:
        for pattern in options.match:
            argv += ["-m", pattern]
    argv = wrap.argv(argv) if wrap else argv
    begun = time.monotonic()
    with open(folder / f"{label}.txt", "wb") as output:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=scratch,
                                   env=merged({"PYTHONPATH": options.suite} if options.suite else {}))
        process.wait()
    return (outcomes(report) if report.exists() else {}), time.monotonic() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", help="test modules (default: those about the network)")
    parser.add_argument("--suite", help="folder that libpython3.11-testsuite was unpacked in")
    parser.add_argument("--python", default=PYTHON)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--timeout", type=int, default=300, help="seconds for one module")
    parser.add_argument("--match", action="append", help="only tests that match this pattern")
    parser.add_argument("--only", choices=("bare", "sealed"))
    parser.add_argument("--keep", help="folder that keeps output and reports")
    options = parser.parse_args()
    folder = Path(options.keep).resolve() if options.keep else temporary_directory()
    folder.mkdir(exist_ok=True)
    if options.suite:
        options.suite = whole_package(options.suite, folder)
    modules = options.modules or MODULES
    results = {}
    if options.only != "sealed":
        results["bare"], seconds = run_suite("bare", modules, folder, options)
        print(f"bare: {summary(results['bare'])}, {seconds:.0f} s", flush=True)
    if options.only != "bare":
        wrap = seal.SealWrap(seal.Keys("peer"), listen=EVERY_PORT, connect=EVERY_PORT)
        results["sealed"], seconds = run_suite("sealed", modules, folder, options, wrap)
        shutil.copy(wrap.log, folder / "audit.jsonl")
        print(f"sealed: {summary(results['sealed'])}, {seconds:.0f} s", flush=True)
    differences = compare(results.get("bare", {}), results.get("sealed", {})) if len(results) == 2 else []
    for line in differences:
        print(line)
    return 1 if differences else 0


def summary(found):
    counts = {}
    for word in found.values():
        counts[word.split(":")[0]] = counts.get(word.split(":")[0], 0) + 1
    return ", ".join(f"{count} {word}" for word, count in sorted(counts.items())) or "nothing ran"


def compare(bare, sealed):
    """One line for each test that ended otherwise."""
    return [f"{name}\n    bare:   {bare.get(name, 'not run')}\n    sealed: {sealed.get(name, 'not run')}"
            for name in sorted({*bare, *sealed})
            if bare.get(name, "not run").split(":")[0] != sealed.get(name, "not run").split(":")[0]]


if __name__ == "__main__":
    sys.exit(main())
