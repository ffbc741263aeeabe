"""`pfswrap` as a command: what the tests of the launcher run it on, and how they look at its message and exit status."""

import os

from lib.process import find, run, temporary_directory
from lib.tap import Skip, check, equal
from lib.wrap import LAUNCHER, LIBRARY

TRUE = os.path.realpath(find("true"))
NOBODY = 65534


def pfswrap(*words, launcher=LAUNCHER, **options):
    return run([launcher, *words], **options)


def message_of(result):
    """pfswrap's own line on stderr, which must be the only one, without its prefix."""
    lines = result.err.decode("utf-8", "replace").splitlines()
    equal(len(lines), 1, f"lines on stderr of {result!r}")
    check(lines[0].startswith("pfswrap: "), f"expected a line of pfswrap, found {lines[0]!r}")
    return lines[0][len("pfswrap: "):]


def refused(result, status, message):
    equal(result.status, status, f"status of {result!r}")
    equal(message_of(result), message, "message")
    equal(result.out, b"", "standard output")


def environment(*words, env=None, launcher=LAUNCHER, **options):
    """The environment of a program that was run."""
    result = pfswrap("run", *words, "env", "-0", launcher=launcher, env=env, **options)
    equal(result.status, 0, f"status of {result!r}")
    return dict(entry.split("=", 1) for entry in result.out.decode().split("\0") if "=" in entry)


def policy_file(text, mode=0o600):
    path = temporary_directory() / "test.conf"
    path.write_text(text)
    path.chmod(mode)
    return path


def sealing_policy():
    """A policy with a rule that seals, and the folder of its keys."""
    folder = temporary_directory()
    (folder / "identity").write_bytes(pfswrap("genkey").out)
    (folder / "identity").chmod(0o600)
    (folder / "peers").write_bytes(b"app-1 " + pfswrap("pubkey", data=(folder / "identity").read_bytes()).out)
    (folder / "peers").chmod(0o644)
    return policy_file(f"[seal]\nidentity = {folder}/identity\npeers = {folder}/peers\n"
                       "[listen app]\naddress = 127.0.0.1:1\nseal = require\nclients = app-1\n"), folder


def script(text, name="script", folder=None, mode=0o755):
    path = (folder or temporary_directory()) / name
    path.write_text(text)
    path.chmod(mode)
    return path


def as_nobody(*words):
    """Runs the launcher as the user nobody, if this is possible and that user can reach it."""
    if os.geteuid() != 0 or not find("setpriv"):
        raise Skip("only root with setpriv can become another user")
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    if run([*become, "test", "-x", LAUNCHER, "-a", "-r", LIBRARY]).status != 0:
        raise Skip("the user nobody cannot reach the build tree")
    return run([*become, LAUNCHER, *words])
