"""Sealed connections between a program of 64-bit ARM and one of this machine, in both directions. `make check-aarch64` runs
it in tests/emulated/enter, with B=build-aarch64; the objects and programs of this machine are in build/."""

import os
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "apps"))

# pylint: disable=wrong-import-position
from lib.process import BUILD, Process, free_port, run  # noqa: E402
from lib.seal import Keys, Mode, SealWrap, check_wire, look, look_case  # noqa: E402
from lib.tap import Skip, Tap, check, contains, equal, skip_all  # noqa: E402

MACHINES = {"64-bit ARM": BUILD, "this machine": ROOT / "build"}
PROGRAM = "tests/apps/programs/seal/sock_blocking"
SCENARIOS = ("ping_pong", "sizes", "half_close_by_client")


def argv_of(machine, wrap, words):
    """The program of a machine, under the launcher of that machine's build, if `wrap` is one."""
    build = MACHINES[machine]
    program = [str(build / PROGRAM), *map(str, words)]
    return program if wrap is None else [str(build / "pfswrap-tool"), "run", "--policy", str(wrap.policy), "--", *program]


def exchange(keys, server, client, scenario, sealed):
    port = free_port()
    wrap = SealWrap(keys, listen=port, connect=port) if sealed else None
    environment = Mode(sealed).environment()
    with look(port) as wire:
        with Process(argv_of(server, wrap, [scenario, port, "127.0.0.1", "server"]), env=environment) as listener:
            listener.wait_for_port(port)
            result = run(argv_of(client, wrap, [scenario, port, "127.0.0.1", "client"]), env=environment)
            check(result.status == 0, repr(result))
            check(listener.wait() == 0, f"the server: {listener.text()}")
        check_wire(wire, sealed)
    if sealed:
        opened = {event["role"] for event in wrap.events("opened")}
        check(opened == {"client", "server"}, f"both ends log a sealed connection; the log says: {wrap.tail()}")


def old_emulator():
    """qemu-user before 8.0, which takes every advice of madvise(2) and follows none; raises Skip without one."""
    path = shutil.which("qemu-aarch64-static")
    version = re.search(r"version (\d+)\.", run([path, "--version"]).text) if path else None
    if not version or int(version[1]) >= 8:
        raise Skip("there is no qemu-aarch64-static before 8.0 here")
    return [path, "-L", BUILD / "sysroot"]


def refuse_emulator(keys):
    """Where memory is not wiped, a child of a fork could use its parent's keys without being noticed."""
    port = free_port()
    preload = SealWrap(keys, listen=port, connect=port).preload()
    command = [BUILD / PROGRAM, "one_word", port, "127.0.0.1"]
    result = run([*old_emulator(), "-E", ",".join(f"{name}={value}" for name, value in preload.items()), *command])
    equal(result.status, 125, repr(result))
    contains(result.text, "cannot prepare for sealed connections", "what the refusal says")


def main():
    if not os.path.exists(MACHINES["this machine"] / PROGRAM):
        skip_all(f"build/{PROGRAM} is not built")
    tap = Tap()
    look_case(tap)
    keys = Keys("peer")
    for server, client in (("64-bit ARM", "this machine"), ("this machine", "64-bit ARM"), ("64-bit ARM", "64-bit ARM")):
        for sealed in (False, True):
            with tap.case(f"{'sealed' if sealed else 'bare'}: a client of {client} and a server of {server}"):
                for scenario in SCENARIOS:
                    exchange(keys, server, client, scenario, sealed)
    with tap.case("an emulator that does not wipe memory after a fork is refused"):
        refuse_emulator(keys)
    tap.finish()


main()
