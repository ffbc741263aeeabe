"""sshd and ssh, sealed: sshd executes itself for each connection, and its first process locks itself in a sandbox."""

import hashlib
import os
from pathlib import Path

from lib.legacy import require_programs
from lib.process import find, run
from lib.sealed import begin, ended, prove, word_on_the_wire
from lib.tap import Tap, check, contains, equal, skip_all

DATA = os.urandom(3 * 1024 * 1024)
BANNER = b"SSH-2.0-OpenSSH"  # what ssh sends in plain text, and its lists of algorithms
CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/client.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp {sftp}
"""


def prepare(ends):
    for name in ("host", "client"):
        done = run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ends.folder / name])
        equal(done.status, 0, f"status of {done!r}")
    (ends.folder / "sshd_config").write_text(CONFIG.format(port=ends.port, folder=ends.folder,
                                                           sftp="/usr/lib/openssh/sftp-server"))
    (ends.folder / "data").write_bytes(DATA)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)


def start(ends):
    prepare(ends)
    server = ends.server([find("sshd"), "-D", "-e", "-f", ends.folder / "sshd_config"])
    yield server
    ended(server, (0, 255))


def options(ends, key="client"):
    known = ["-o", "UserKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes",
             "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes", "-F", "none"]
    return [*known, "-i", str(ends.folder / key)]


def ssh(ends, *command, data=b"", before=()):
    done = ends.client(["ssh", "-p", ends.port, *options(ends), *before, "127.0.0.1", *command], data=data)
    equal(done.status, 0, f"status of {done!r}")
    return done.out


@word_on_the_wire(BANNER)
def command(ends, _server):
    equal(ssh(ends, "echo", "a", "word").strip(), b"a word", "what the command printed")


@word_on_the_wire(BANNER)
def through_cat(ends, _server):
    out = ssh(ends, "cat", data=DATA)
    equal(hashlib.sha256(out).hexdigest(), hashlib.sha256(DATA).hexdigest(), "digest of 3 MB through cat")


@word_on_the_wire(BANNER)
def copied(ends, _server):
    done = ends.client(["scp", "-q", "-P", ends.port, *options(ends), ends.folder / "data",
                        f"127.0.0.1:{ends.folder}/copy"])
    equal(done.status, 0, f"status of {done!r}")
    check((ends.folder / "copy").read_bytes() == DATA, "expected the copy to be the same")


@word_on_the_wire(BANNER)
def several(ends, _server):
    """Sessions at the same time, each with its own sandboxed process."""
    clients = [ends.background(["ssh", "-p", ends.port, *options(ends), "127.0.0.1", "echo", f"number {number}"])
               for number in range(5)]
    for number, client in enumerate(clients):
        equal((client.wait(), client.text().strip()), (0, f"number {number}"), "a session")


@word_on_the_wire(BANNER)
def rejected(ends, _server):
    """A key that the server does not have: it refuses, and the connection ends in order."""
    done = ends.client(["ssh", "-p", ends.port, *options(ends, "host"), "127.0.0.1", "true"])
    equal(done.status, 255, f"status of {done!r}")
    contains(done.text, "Permission denied", "what ssh said")


def main():
    if os.geteuid() != 0:
        skip_all("sshd's sandboxed process changes its user, which needs root")
    require_programs("sshd", "ssh", "scp", "ssh-keygen")
    tap = Tap()
    begin(tap)
    prove(tap, "sshd", start, [
        ("a command runs after a login by key", command),
        ("3 MB come back through cat", through_cat),
        ("scp copies a file of 3 MB", copied),
        ("five sessions run at once", several),
        ("an unknown key is denied", rejected),
    ])
    tap.finish()


main()
