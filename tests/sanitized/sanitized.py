#!/usr/bin/env python3
"""Runs application tests with a shared object that a sanitizer checks (make check-sanitized builds it).

Usage: sanitized.py --build FOLDER undefined|address|thread [WORD]...

With words, runs the tests whose path contains one of them. What a sanitizer finds is in FOLDER/reports/ and is printed at
the end. The exit status is 1 if a test failed or a sanitizer found something.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Tests that are left out, by a part of their path, with the reason. The first table is for all sanitizers.
LEFT_OUT = {
    "apps/project": "they examine the object that is installed, or what the others run already",
    "seal/test_small_stacks": "the checks make the frames larger",
    "seal/test_install": "it builds the tree again",
    "seal/test_sandbox_document": "the checks call other functions of libc",
    "layer/test_rebuilt": "it links a library of the ordinary build",
}
LEFT_OUT_HERE = {
    "undefined": {},
    "address": {
        "seal/test_mail": "dovecot limits the address space of its processes",
        "seal/test_redis": "its malloc() makes system calls before the runtime is ready, and the runtime needs malloc() to be",
        "seal/test_vsftpd": "vsftpd limits the address space of its processes",
        "seal/test_secrets": "it reads the whole memory of a process, and the shadow memory has 20 TB",
    },
    "thread": {
        "seal/test_forks": "forks by clone() and _Fork() copy the runtime with locks that other threads have taken",
        "seal/test_readiness": "the runtime delays the handlers of signals in calls that it does not know, such as pselect()",
        "seal/test_sandbox": "the runtime makes system calls that the filters do not allow",
    },
}

# gcc 12's ThreadSanitizer cannot place its shadow memory when a kernel randomises more than 28 bits.
FIXED_ADDRESSES = {"thread": ("setarch", "-R")}

# What a runtime reports that could not start, in a test that limits its process: no mistake, but counted.
LIMITED = ("ReserveShadowMemoryRange failed", "getrlimit() failed")

# ThreadSanitizer has to see the program's threads as well, so these are tests whose programs are built with it.
THREADS = ("seal/test_adopted", "seal/test_blocking", "seal/test_calls", "seal/test_close", "seal/test_descriptor_reuse",
           "seal/test_descriptor_storm", "seal/test_ends", "seal/test_epoll", "seal/test_link", "seal/test_linger",
           "seal/test_options", "seal/test_pre_handshake", "seal/test_process.py", "seal/test_relay", "seal/test_small_buffers",
           "seal/test_unsealed")

# As in options.c, for programs that run without the object.
PROGRAM_OPTIONS = "die_after_fork=0:report_signal_unsafe=0:report_thread_leaks=0"


def launcher(build):
    """A copy of scripts/pfswrap that finds this build beside it."""
    path = build / "launcher" / "scripts" / "pfswrap"
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "scripts" / "pfswrap", path)
    link = build / "launcher" / "build"
    link.unlink(missing_ok=True)
    link.symlink_to(build)
    return path


def prepare(build):
    """An empty folder that processes of any user may write reports to, and what this build takes from the ordinary one."""
    reports = build / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(parents=True)
    reports.chmod(0o777)
    for name in ("pfswrap-tool", "libpfswrap-seal.a", "libpfswrap-seal.so"):
        if not (build / name).exists():
            shutil.copy(ROOT / "build" / name, build / name)
    for name in ("programs", "plugins"):
        programs = build / "tests" / "apps" / name
        if not programs.exists():
            programs.parent.mkdir(parents=True, exist_ok=True)
            programs.symlink_to(ROOT / "build" / "tests" / "apps" / name)
    return reports


def check_probe(sanitizer, build, reports):
    """A mistake in the shared object must be reported, or the tests would prove nothing."""
    variables = (f"LD_PRELOAD={build / 'libpfswrap.so'}", "PFSWRAP_POLICY=builtin", "PFSWRAP_SANITIZER_PROBE=1")
    program = build / "tests" / "apps" / "programs" / "launcher" / "who"
    argv = [*FIXED_ADDRESSES.get(sanitizer, ()), "env", *variables, program]
    status = subprocess.run(argv, check=False, capture_output=True).returncode
    found = list(reports.iterdir())
    if not found:
        sys.exit(f"sanitized: the mistake of tests/sanitized/probe.c was not reported (status {status})")
    for path in found:
        path.unlink()


def chosen(sanitizer, words):
    """The tests to run, and how many were left out. Prints the reason for each of those."""
    tests, left_out = [], 0
    for path in sorted((ROOT / "tests" / "apps").glob("*/test_*.py")):
        name = str(path.relative_to(ROOT))
        why = next((why for part, why in {**LEFT_OUT, **LEFT_OUT_HERE[sanitizer]}.items() if part in name), None)
        if why is None and sanitizer == "thread" and not any(part in name for part in THREADS):
            why = "its programs are not built with ThreadSanitizer"
        if words and not any(word in name for word in words):
            continue
        if why:
            print(f"left out - {name}: {why}")
            left_out += 1
        else:
            tests.append(path)
    return tests, left_out


def run(sanitizer, tests, environment):
    """Runs the tests and shows what they print. Returns the exit status, and the line with the counts."""
    argv = [*FIXED_ADDRESSES.get(sanitizer, ()), ROOT / "tests" / "run", *tests]
    last = ""
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    return process.returncode, last


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("sanitizer", choices=LEFT_OUT_HERE)
    parser.add_argument("words", nargs="*", metavar="WORD")
    options = parser.parse_args()
    build = options.build.resolve()
    reports = prepare(build)
    check_probe(options.sanitizer, build, reports)
    environment = dict(os.environ, B=build.name, PFSWRAP=str(launcher(build)), PFSWRAP_SANITIZED=options.sanitizer)
    environment.setdefault("PFSWRAP_TEST_DEADLINE", "300")
    environment.setdefault("TSAN_OPTIONS", PROGRAM_OPTIONS)
    tests, left_out = chosen(options.sanitizer, options.words)
    status, counts = run(options.sanitizer, tests, environment)
    texts = {path: path.read_text(errors="replace") for path in sorted(reports.iterdir()) if path.stat().st_size > 0}
    found = [path for path, text in texts.items() if not any(words in text for words in LIMITED)]
    for path in found:
        print(f"--- {path}\n{texts[path][:4000]}")
    print(f"{options.sanitizer}: {len(tests)} test files, {counts}; {left_out} files left out; "
          f"{len(texts) - len(found)} times too limited for the runtime; {len(found)} reports in {reports}")
    return 0 if status == 0 and not found else 1


if __name__ == "__main__":
    sys.exit(main())
