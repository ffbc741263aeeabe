"""libuv's tests, linked with Debian's libuv: each is a process of its own, run one at a time, as `uv_run_tests TEST`."""

import re
import subprocess

import runs

SOURCE = "libuv1"
LEFT_OUT = re.compile(r"benchmark.*|runner-win|run-benchmarks")
AS_ROOT = {"UV_RUN_AS_ROOT": "1", "UV_TEST_TIMEOUT_MULTIPLIER": "20"}
SEALED = ("sealed",)
KNOWN = (
    (SEALED, "(poll|tcp)_oob", "urgent data (MSG_OOB) is refused"),
    (SEALED, "tcp_try_write_error", "both ends are in one loop; the event that this end is connected comes after the handshake"),
)


def prepare(work, jobs):
    tree = work / "source"
    if not (tree / "uv_run_tests").exists():
        sources = [path.name for path in sorted((tree / "test").glob("*.c"))
                   if not LEFT_OUT.fullmatch(path.stem)]
        runs.build(tree / "test", ["sh", "-c", f'printf "%s\\n" {" ".join(sources)} | '
                                   f"xargs -P {jobs} -n 8 gcc -c -w -D_GNU_SOURCE -DUSING_UV_SHARED=1 -I../include -I../src"],
                   ["sh", "-c", "gcc -o ../uv_run_tests *.o -l:libuv.so.1 -lpthread -ldl"])
    return tree


def run(tree, run_, words):
    """{test: outcome}."""
    binary = tree / "uv_run_tests"
    listed = subprocess.run([binary, "--list"], capture_output=True, text=True, check=True, cwd=tree, env=AS_ROOT).stdout
    found = {}
    for name in [line.split()[0] for line in listed.splitlines() if line.strip()]:  # NAME (helpers: NAMES)
        if runs.chosen(name, words):
            status, text = run_.command([binary, name], 200, cwd=tree, env=AS_ROOT, output=f"{name}.txt")
            found[name] = outcome(status, text)
    return found


def outcome(status, text):
    """From TAP: one line, `ok 1 - NAME`, with `# SKIP` if it was skipped."""
    line = re.search(r"^(not )?ok \d+ - .*$", text, re.MULTILINE)
    if line and "# SKIP" in line.group():
        return runs.SKIPPED
    if line and not line.group(1) and status == 0:
        return runs.PASSED
    return runs.word(1 if status == 0 else status)
