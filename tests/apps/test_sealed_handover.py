"""Connections that a program goes on with while another one has them, too: over exec, posix_spawn, in messages."""

import sys

from lib.process import PROGRAMS
from lib.seal import Scenarios
from lib.tap import Tap, equal


def ends_cleanly(mode, _result, wrap):
    """Both ends say so once, whoever was the last."""
    if mode.sealed:
        for role in ("server", "client"):
            equal(wrap.wait_event("closed", role=role)["end"], "clean", f"the {role}'s end")
        equal(len(wrap.events("closed")), 2, "ends in the log")
        equal(wrap.events("left") + wrap.events("refused"), [], "connections left behind")


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_handover")
    on.both("fork", "fork and exec while the parent keeps it: parent and programs take turns, one of which executes "
            "in vain and then another", then=ends_cleanly)
    on.both("generations", "a program's own children execute programs in turn, at another number", then=ends_cleanly)
    on.both("killed", "a program that is killed ends it for nobody", then=ends_cleanly)
    on.both("last", "the parent closes at once: the program goes on, and ends it", then=ends_cleanly)
    on.both("vfork", "children of vfork pass it on, at its number and at another, and the parent goes on in between",
            then=ends_cleanly)
    on.both("spawn", "posix_spawn passes it on, as it is and by its actions, and once in vain", then=ends_cleanly)
    on.both("message", "a process that may make no other one sends it in a message, and goes on; peeked at, and lost",
            then=ends_cleanly)
    tap.finish()


main()
