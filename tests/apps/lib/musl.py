"""What the tests of programs of musl share: where their build is (mk/musl.mk), whether it is there, and scenarios of the
sock_* programs whose two ends are programs of different C libraries.
"""

import platform
import socket
import subprocess
from pathlib import Path

from lib.process import DEADLINE, ROOT, TREE, Process, free_port
from lib.seal import SealWrap, check_wire, look, story
from lib.stale import stale
from lib.tap import Skip, check, equal

BUILD = TREE / "build-x86_64-musl"
OBJECT = BUILD / "libpfswrap.so"
LOADER = Path("/lib/ld-musl-x86_64.so.1")
PROGRAMS = {"musl": BUILD / "tests/apps/programs", "glibc": TREE / "build" / "tests/apps/programs"}


def missing():
    """Why there are no programs of musl, or None."""
    if platform.machine() != "x86_64":
        return "the object for musl is built on x86-64 only"
    if not LOADER.exists():
        return f"no {LOADER}, expected the package musl"
    if not OBJECT.exists() or not (PROGRAMS["musl"] / "seal/sock_calls").exists():
        return "the programs of musl are not built, expected 'make musl-check'"
    return stale(OBJECT, ROOT / "build-x86_64-musl", "make musl-check")


def needs_musl():
    if missing():
        raise Skip(missing())


def two_ends(keys, program, scenario, server, client):
    """
    Runs a scenario with the server's end in a program of the C library `server`, and the client's in one of `client`.
    Checks both ends and the wire.
    """
    port, sides = free_port(), socket.socketpair()
    wrap = SealWrap(keys, listen=port, connect=port)
    ends = []
    with look(port) as wire:
        for libc, role, side in zip((server, client), ("server", "client"), sides):
            argv = wrap.argv([PROGRAMS[libc] / "seal" / program, scenario, port, "127.0.0.1", role])
            environment = {"SOCK_SEALED": "1", "SOCK_SIDE": str(side.fileno())}
            ends.append(Process(argv, env=environment, pass_fds=[side.fileno()], stdin=subprocess.PIPE))
            side.close()
            if role == "server":
                ends[0].wait_for_port(port)
        statuses = [end.wait(DEADLINE) for end in ends]
        check(statuses == [0, 0] and all(end.text().endswith("ok\n") for end in ends),
              f"{scenario}: statuses {statuses}; the server printed {ends[0].text()[-600:]}, the client "
              f"{ends[1].text()[-600:]}\n{story(wrap)}")
        check_wire(wire, sealed=True)
    equal(sorted(event["role"] for event in wrap.events("opened")), ["client", "server"], "ends that opened a connection")
