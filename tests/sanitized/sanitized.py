#!/usr/bin/env python3
"""Runs application tests with a shared object that a sanitizer checks (make check-sanitized builds it).

Usage: sanitized.py --build FOLDER undefined|address [WORD]...

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

# Tests that cannot pass in an object that UndefinedBehaviorSanitizer checks, with the reason.
LEFT_OUT = {
    "apps/project": "they examine the object that is installed, or what the others run already",
    "seal/test_small_stacks": "the checks make the frames larger",
    "seal/test_install": "it builds the tree again",
    "seal/test_sandbox_document": "the checks call other functions of libc",
    "layer/test_rebuilt": "it links a library of the ordinary build",
}

# AddressSanitizer's runtime does not see the threads, the vfork() and the longjmp() of a program that is not built with it.
# It takes what they leave on the stack for mistakes. The programs of these tests use none of them.
ADDRESS = ("layer/test_calls", "seal/test_adopted", "seal/test_blocking", "seal/test_calls", "seal/test_ends", "seal/test_epoll",
           "seal/test_options", "seal/test_pre_handshake", "seal/test_process.py", "seal/test_relay", "seal/test_unsealed")


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


def check_probe(build, reports):
    """A mistake in the shared object must be reported, or the tests would prove nothing."""
    environment = dict(os.environ, LD_PRELOAD=str(build / "libpfswrap.so"), PFSWRAP_POLICY="builtin",
                       PFSWRAP_SANITIZER_PROBE="1")
    program = build / "tests" / "apps" / "programs" / "launcher" / "who"
    status = subprocess.run([program], env=environment, check=False, capture_output=True).returncode
    found = list(reports.iterdir())
    if not found:
        sys.exit(f"sanitized: the mistake of tests/sanitized/probe.c was not reported (status {status})")
    for path in found:
        path.unlink()


def chosen(sanitizer, words):
    tests = []
    for path in sorted((ROOT / "tests" / "apps").glob("*/test_*.py")):
        why = next((why for name, why in LEFT_OUT.items() if name in str(path)), None)
        if sanitizer == "address" and not any(name in str(path) for name in ADDRESS):
            continue
        if why:
            print(f"left out - {path.relative_to(ROOT)}: {why}")
        elif not words or any(word in str(path.relative_to(ROOT)) for word in words):
            tests.append(path)
    return tests


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("sanitizer", choices=("undefined", "address"))
    parser.add_argument("words", nargs="*", metavar="WORD")
    options = parser.parse_args()
    build = options.build.resolve()
    reports = prepare(build)
    check_probe(build, reports)
    environment = dict(os.environ, B=build.name, PFSWRAP=str(launcher(build)), PFSWRAP_SANITIZED=options.sanitizer)
    tests = chosen(options.sanitizer, options.words)
    passed = subprocess.run([ROOT / "tests" / "run", *tests], env=environment, check=False).returncode == 0
    found = [path for path in sorted(reports.iterdir()) if path.stat().st_size > 0]
    for path in found:
        print(f"--- {path}\n{path.read_text(errors='replace')[:4000]}")
    print(f"{options.sanitizer}: {len(found)} reports in {reports}")
    return 0 if passed and not found else 1


if __name__ == "__main__":
    sys.exit(main())
