"""One run of a suite: bare, forced (the tls plane) or sealed (every TCP connection on the loopback), in namespaces of its own.

The namespaces (root only) give each run all ports, so that runs and other tests do not meet, and end every process that a
suite leaves behind.
"""

import functools
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))
from lib import seal  # noqa: E402  pylint: disable=wrong-import-position
from lib.process import merged  # noqa: E402  pylint: disable=wrong-import-position
from lib.wrap import Wrap  # noqa: E402  pylint: disable=wrong-import-position

EVERY_PORT = ("127.0.0.0/8:*", "[::1]:*")
LABELS = ("bare", "forced", "sealed")
PASSED, SKIPPED, FAILED, TIMED_OUT = "passed", "skipped", "failed", "timed out"


@functools.lru_cache(maxsize=1)
def own_namespaces():
    """The words before a command that give it a network and processes of its own; none without the right to."""
    words = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--",
             "sh", "-c", 'ip link set lo up; "$@"', "sh"]
    probe = subprocess.run([*words, "true"], capture_output=True, check=False)
    if probe.returncode:
        print("# no namespaces of its own (root only): uses this machine's ports", file=sys.stderr)
        return []
    return words


class Run:
    """What a suite's run() gets: runs commands bare or under `pfswrap run`. `folder` is this run's own and empty."""

    def __init__(self, label, folder, jobs):
        self.label, self.folder, self.jobs = label, folder, jobs
        self.folder.mkdir()
        self.folder.chmod(0o777)  # suites drop their privileges
        self.wrap = None
        if label == "forced":
            self.wrap = Wrap()
        elif label == "sealed":
            self.wrap = seal.SealWrap(seal.Keys("peer"), listen=EVERY_PORT, connect=EVERY_PORT)
        if self.wrap:
            readable(self.wrap)

    def command(self, argv, timeout, cwd=None, env=None, output=None):
        """Runs a command to its end. Returns its status, None after `timeout` seconds, and what it printed."""
        argv = [str(word) for word in argv]
        words = [*own_namespaces(), *(self.wrap.argv(argv) if self.wrap else argv)]
        with open(self.folder / (output or "output.txt"), "w+b") as file:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                                       cwd=cwd or self.folder, env=merged({"TMPDIR": str(self.folder), **(env or {})}))
            try:
                status = process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()  # the child that unshare --kill-child made ends with it, and all others end with that
                process.wait()
                status = None
            file.seek(0)
            return status, file.read().decode(errors="replace")


def readable(wrap):
    """Lets programs that a suite runs as another user read the policy, and append to the log."""
    wrap.policy.chmod(0o644)
    wrap.log.touch()
    wrap.log.chmod(0o666)


def word(status):
    """The word for an exit status that has no further meaning."""
    return {0: PASSED, 77: SKIPPED, None: TIMED_OUT}.get(status, f"{FAILED} (status {status})")


def build(folder, *commands, env=None):
    """Runs commands in a folder, one after the other; their output goes to build.txt. Raises if one fails."""
    with open(folder / "build.txt", "ab") as log:
        for command in commands:
            status = subprocess.run([str(part) for part in command], cwd=folder, stdin=subprocess.DEVNULL, stdout=log,
                                    stderr=subprocess.STDOUT, env=merged(env), check=False).returncode
            if status:
                raise SystemExit(f"suites: {' '.join(map(str, command))} failed, see {folder}/build.txt")


def cores():
    return os.cpu_count() or 1


def chosen(name, words):
    """Whether a test was asked for: by no word, by a part of its name, or by "=" and its whole name."""
    return not words or any(name == text[1:] if text.startswith("=") else text in name for text in words)
