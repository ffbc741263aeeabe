"""Processes, ports and temporary directories of a test script: started, waited for, ended by their own id.

Nothing here depends on TLS or on pfswrap. Scripts wait for a condition (a port that listens, a line that was printed),
with a deadline; what a script has started is ended when it exits.
"""

import atexit
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lib.listening import listens

ROOT = Path(__file__).resolve().parents[3]
BUILD = ROOT / os.environ.get("B", "build")
PYTHON = (sys.executable, "-S")  # without site-packages: some installations start much in each interpreter
DEADLINE = float(os.environ.get("PFSWRAP_TEST_DEADLINE", "60"))  # seconds any single wait may take on a busy machine


class Timeout(AssertionError):
    """A condition that did not come true in time."""


def wait_until(condition, what, seconds=DEADLINE):
    """Returns the first true value of condition(); raises Timeout after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Timeout(f"waited {seconds} s for {what() if callable(what) else what}")
        time.sleep(0.01)


def temporary_directory():
    """A directory that is removed when the script exits. Others may enter it: servers drop their privileges."""
    path = Path(tempfile.mkdtemp(prefix="pfswrap-test-"))
    path.chmod(0o755)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def reachable_tree():
    """
    ROOT; or, where root runs the tests and other users cannot reach ROOT, a copy of what they execute: the launcher, the
    shared object and the test programs, in the same folders.
    """
    places = [BUILD.resolve(), *BUILD.resolve().parents]
    if os.geteuid() != 0 or all(place.stat().st_mode & 0o001 for place in places):
        return ROOT
    copy = temporary_directory()
    names = ["scripts/pfswrap", "build/pfswrap-tool", "build/libpfswrap.so", "build/x86_64-musl/libpfswrap.so"]
    for folder in sorted({"build", BUILD.name, "build-x86_64-musl"}):
        names += [f"{folder}/{name}" for name in ("pfswrap-tool", "pfswrap-seal", "libpfswrap.so", "tests/apps/programs", "tests/apps/plugins")]
    for name in dict.fromkeys(names):
        source, target = ROOT / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.o", "*.d"))
        elif source.exists():
            shutil.copy(source, target)
    return copy


TREE = reachable_tree()
PROGRAMS = TREE / BUILD.name / "tests" / "apps" / "programs"


def free_port(following=0):
    """
    A port that no socket is bound to, from below the range that the kernel gives to clients. So are the `following` ports behind
    it.
    """
    for _ in range(200):
        port = random.randrange(12000, 32000 - following)
        try:
            for each in range(port, port + 1 + following):
                for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                    with socket.socket(family, socket.SOCK_STREAM) as probe:
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                        if family == socket.AF_INET6:
                            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                        probe.bind((host, each))
            return port
        except OSError:
            continue
    raise Timeout("no free port between 12000 and 32000")


def find(*names):
    """The path of the first of these commands that is installed, or None."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin"])
    return next((found for found in (shutil.which(name, path=path) for name in names) if found), None)


def no_namespaces():
    """Why no pid and mount namespace can be made here (not root, a container, a root that is no mount point), or None."""
    probe = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True, text=True, check=False)
    return f"no namespace can be made here: {probe.stderr.strip()}" if probe.returncode else None


def python_with(*modules):
    """An interpreter that has these modules, this one or the distribution's; None if neither has."""
    for python in (sys.executable, "/usr/bin/python3"):
        if python and subprocess.run([python, "-c", f"import {', '.join(modules)}"], capture_output=True,
                                     check=False).returncode == 0:
            return python
    return None


class Result:
    """How a finished command ended."""

    def __init__(self, argv, status, out, err):
        self.argv, self.status, self.out, self.err = argv, status, out, err

    @property
    def text(self):
        return (self.out + self.err).decode("utf-8", "replace")

    @property
    def lines(self):
        """The lines of its standard output."""
        return self.out.decode().splitlines()

    def __repr__(self):
        return f"{' '.join(map(str, self.argv))}: status {self.status}, output {self.text[-1500:]!r}"


def run(argv, data=b"", timeout=DEADLINE, env=None, cwd=None):
    """Runs a command to its end, with `data` on its standard input. Killed (status None) after `timeout` seconds."""
    process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=merged(env), cwd=cwd)
    try:
        out, err = process.communicate(data, timeout)
        return Result(argv, process.returncode, out, err)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        return Result(argv, None, out, err + f"\n[killed after {timeout} s]".encode())


def merged(env):
    """The environment of a child: this process's, without variables that would preload or configure, plus `env`."""
    clean = {name: value for name, value in os.environ.items()
             if name not in ("LD_PRELOAD", "PFSWRAP_POLICY", "PFSWRAP_CHILD", "OPENSSL_CONF", "SSLKEYLOGFILE")}
    clean.update(env or {})
    return clean


class Process:
    """A command that runs while the test uses it; its output goes to a file."""

    def __init__(self, argv, env=None, cwd=None, stdin=subprocess.DEVNULL, pass_fds=()):
        self.argv = [str(word) for word in argv]
        self.output = tempfile.NamedTemporaryFile(prefix="pfswrap-out-")
        self.popen = subprocess.Popen(self.argv, stdin=stdin, stdout=self.output, stderr=subprocess.STDOUT,
                                      env=merged(env), cwd=cwd, pass_fds=pass_fds)
        atexit.register(self.stop)

    @property
    def pid(self):
        return self.popen.pid

    def text(self):
        return Path(self.output.name).read_text(errors="replace")

    def running(self):
        return self.popen.poll() is None

    def wait_for_port(self, port, udp=False, seconds=DEADLINE):
        """Returns once the port listens; raises with the program's output if it ends before."""
        def ready():
            if not self.running():
                raise Timeout(f"{self.argv[0]} ended with status {self.popen.returncode} before it listened on "
                              f"port {port}: {self.text()[-1500:]}")
            return listens(port, udp)
        wait_until(ready, lambda: f"port {port}; the program printed: {self.text()[-1500:]}", seconds)
        return self

    def wait(self, seconds=DEADLINE):
        """The exit status, once it has ended by itself."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.argv[0]} did not end in {seconds} s; printed: {self.text()[-1500:]}") from None

    def signal(self, number):
        self.popen.send_signal(number)

    def stop(self, seconds=5):
        """Ends the process by SIGTERM, then by SIGKILL. Returns its exit status."""
        if self.popen.stdin:
            with contextlib.suppress(BrokenPipeError):  # it ended without reading what was left for it
                self.popen.stdin.close()
            self.popen.stdin = None
        if self.running():
            self.popen.terminate()
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.popen.send_signal(signal.SIGKILL)
                self.popen.wait()
        return self.popen.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
