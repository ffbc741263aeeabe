# run: first
"""scripts/demo: what a newcomer sees first is true, fits 80 columns, and reports when a claim does not hold."""

import os
import pty
import re
import select
import subprocess

from lib.process import ROOT, run, temporary_directory
from lib.legacy import require_programs
from lib.tap import Skip, Tap, check, contains, equal

DEMO = ROOT / "scripts" / "demo"
KEY_LINES = [
    r"TLSv1\.2, AES128-SHA: static RSA, no ephemeral key",
    r"The TLS 1\.2 client is refused\n +libssl says: .*protocol version",
    r"TLSv1\.3, group X25519, TLS_[A-Z0-9_]+",
    r"curl fetches the page, every byte of it\n +TLSv1\.3, TLS_[A-Z0-9_]+, \d{6,} bytes",
    r"Under pfswrap it uses TLS 1\.3 and gets the page\n +TLSv1\.3, TLS_[A-Z0-9_]+",
    r"policy +nginx +mode enforce",
    r"override +nginx +cipher-list: AES128-SHA",
    r"refused +nginx +as server: unsupported protocol",
    r"handshake +nginx +as server: TLSv1\.3, X25519, TLS_",
    r"handshake +curl +as client: TLSv1\.3, X25519, TLS_",
    r"redis-cli sets and gets a value\n +SET card 4111-1111-1111-1111: OK; GET card: 4111-",
    r"redis-cli sets and gets a value, as before\n +SET card 4111-1111-1111-1111: OK; GET card: 4111-",
    r"A client that is not sealed gets nothing\n +redis-cli says: \S",
    r"A client whose key the server does not know gets nothing\n +redis-cli says: \S",
    r"opened +redis-server +as server: with app-1, Noise IK",
    r"opened +redis-cli +as client: with redis-1, Noise IK",
    r"refused +redis-server +as server: \S",
    r"closed +redis-server +as server: \d+ bytes sent, \d+ received",
    r"All \d+ claims are true\.",
]
WIRE_LINES = [
    r"Everybody on the network can read it\n.*\n +2a 33 0d 0a 24 33 0d 0a 53 45 54 .* >\*3\.\.\$3\.\.SET",
    r"Nobody on the network can read it\n.*\n +f5 70 66 73 77 0d 0a 01 ",
]


def leftovers(folder):
    """What the demo left in its temporary directory."""
    return sorted(path.name for path in folder.iterdir())


def on_a_terminal(env):
    """Runs the demo on a new terminal; returns its status and its output."""
    master, slave = pty.openpty()
    process = subprocess.Popen([str(DEMO)], stdin=slave, stdout=slave, stderr=slave, env={**os.environ, **env})
    os.close(slave)
    printed = b""
    while select.select([master], [], [], 60)[0]:
        try:
            more = os.read(master, 65536)
        except OSError:  # EIO: the last program has closed it
            break
        printed += more
    os.close(master)
    return process.wait(60), printed.decode()


def fake(folder, name, body):
    """A directory for the front of PATH, with a program of that name that misbehaves."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def main():
    tap = Tap()
    require_programs("nginx", "openssl", "curl", "redis-server", "redis-cli", "tcpdump")

    folder = temporary_directory()
    result = run([DEMO], timeout=60, env={"TMPDIR": str(folder), "NO_COLOR": ""})
    with tap.case("the demo ends with status 0, and prints nothing on standard error"):
        equal((result.status, result.err), (0, b""), f"status and standard error of {result!r}")
    for pattern in KEY_LINES:
        with tap.case(f"the demo shows /{pattern}/"):
            check(re.search(pattern, result.text), f"expected it in {result.text}")
    for pattern in WIRE_LINES:
        with tap.case(f"the demo shows /{pattern}/"):
            if os.getuid() != 0:
                raise Skip("only root is shown the wire")
            check(re.search(pattern, result.text), f"expected it in {result.text}")
    with tap.case("the demo has at most 80 columns, and plain text without a terminal"):
        equal([line for line in result.text.splitlines() if len(line) > 79], [], "lines longer than 79")
        check("\x1b" not in result.text, "expected no escape sequence")
    with tap.case("the demo leaves no file behind"):
        equal(leftovers(folder), [], "files in its temporary directory")

    with tap.case("the demo is coloured on a terminal"):
        status, printed = on_a_terminal({"TERM": "xterm", "NO_COLOR": ""})
        equal(status, 0, f"status after {printed[-500:]}")
        contains(printed, "\x1b[32mok", "what it printed")
    with tap.case("the demo is plain on a terminal with NO_COLOR"):
        status, printed = on_a_terminal({"TERM": "xterm", "NO_COLOR": "1"})
        equal(status, 0, f"status after {printed[-500:]}")
        check("\x1b" not in printed, "expected no escape sequence")

    for name, body, words in (
            ("curl", "exec /usr/bin/curl --range 0-99 \"$@\"", "expected the page intact"),
            ("openssl", "case $* in *tls1_2*) exit 1;; esac; exec /usr/bin/openssl \"$@\"", "expected TLSv1.2"),
            ("nginx", "echo 'nginx: cannot do that' >&2; exit 1", "nginx: cannot do that"),
            ("redis-cli", "echo no answer", "expected OK, found no answer"),
            ("redis-server", "echo cannot do that; exit 1", "redis-server did not start: cannot do that")):
        with tap.case(f"the demo fails with one line that says why if {name} does not behave as claimed"):
            folder, scratch = temporary_directory(), temporary_directory()
            result = run([DEMO], timeout=60, env={**fake(folder, name, body), "TMPDIR": str(scratch)})
            equal(result.status, 1, f"status of {result!r}")
            equal(len(result.err.splitlines()), 1, f"lines on standard error of {result!r}")
            contains(result.err.decode(), words, "standard error")
            check(b"claims are true" not in result.out, f"expected no claim of success in {result!r}")
            equal(leftovers(scratch), [], "files in its temporary directory")

    with tap.case("the demo works as an ordinary user"):
        if os.getuid() != 0:
            raise Skip("this test does not run as root, so that the cases above are the proof")
        if run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "test", "-r", DEMO]).status != 0:
            raise Skip("the tree is not readable by other users")
        result = run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "env", "-i",
                      "PATH=/usr/bin:/bin", DEMO])
        equal((result.status, result.err), (0, b""), f"status and standard error of {result!r}")
        contains(result.text, "claims are true", "what it printed")
    tap.finish()


main()
