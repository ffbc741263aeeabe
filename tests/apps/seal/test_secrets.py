"""Where the keys of a running program are: the test searches every readable byte of its memory."""

import base64
import subprocess
from pathlib import Path

from lib.memory import places
from lib.process import Process, run, temporary_directory, wait_until
from lib.tap import Skip, Tap, check, equal
from lib.wrap import LAUNCHER, LIBRARY

tap = Tap()


def sealing_policy():
    """A policy with a rule that seals, the paths and the 32 bytes of its identity and its psk, and a peers file."""
    folder, secrets = temporary_directory(), {}
    for name, command in (("identity", "genkey"), ("psk", "genpsk")):
        text = run([LAUNCHER, command]).out
        (folder / name).write_bytes(text)
        (folder / name).chmod(0o600)
        secrets[name] = text.strip()
    public = run([LAUNCHER, "pubkey"], data=secrets["identity"]).out.decode().strip()
    (folder / "peers").write_text(f"peer-in-memory {public}\n")
    (folder / "peers").chmod(0o644)
    policy = folder / "policy.conf"
    policy.write_text(f"[seal]\nidentity = {folder}/identity\npsk = {folder}/psk\npeers = {folder}/peers\n"
                      "[listen any]\naddress = 127.0.0.1:1\nseal = require\n")
    policy.chmod(0o600)
    return policy, secrets, public


def waiting(policy):
    """A program that has started under the policy and waits for its input."""
    process = Process([LAUNCHER, "run", "--policy", policy, "sh", "-c", "echo started; read line"],
                      env={"PFSMARK": "a word in memory"}, stdin=subprocess.PIPE)
    wait_until(lambda: "started" in process.text(), lambda: f"the program to start: {process.text()}")
    return process


def main():
    policy, secrets, public = sealing_policy()
    with waiting(policy) as process:
        try:
            with open(f"/proc/{process.pid}/mem", "rb"):
                pass
        except PermissionError:
            with tap.case("the keys of a running program are in guarded memory only"):
                raise Skip("another process's memory cannot be read here")
            tap.finish()
        with tap.case("the search finds what is in memory: a variable, and the peer's key and name"):
            check(str(LIBRARY) in Path(f"/proc/{process.pid}/maps").read_text(), "the library in the program")
            check(places(process.pid, b"a word in memory"), "the variable")
            check(places(process.pid, b"peer-in-memory"), "the peer's name")
            check(places(process.pid, base64.b64decode(public)), "the peer's key")
        for name, text in secrets.items():
            with tap.case(f"the {name} is in memory once, read-only, locked and excluded from core dumps"):
                found = places(process.pid, base64.b64decode(text.split()[0]))
                equal(len(found), 1, f"places of the {name}, {found}")
                permissions, flags = found[0]
                equal(permissions, "r--p", "permissions")
                check("dd" in flags and "lo" in flags, f"dd and lo in {flags}")
            with tap.case(f"the {name} is not in memory as the text of its file"):
                equal(places(process.pid, text[:20]), [], "places of the text")
    tap.finish()


main()
