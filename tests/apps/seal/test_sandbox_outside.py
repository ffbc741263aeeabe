"""Filters that are installed before a program starts, as service managers do, and that kill for a call on their list.

The programs run bare behind the same filter first. The calls are those that pfswrap makes in addition to the program's
own: docs/SANDBOXES.md says what it does without them.
"""

import functools

from lib.filters import filtered
from lib.seal import Keys, Scenarios, SealWrap
from lib.process import free_port, run
from lib.tap import Tap, check, equal

# Groups of systemd (systemd.exec(5), SystemCallFilter=), as far as they have calls that pfswrap makes or has made.
FILTERS = {
    "~@memlock": ["mlock", "mlock2", "mlockall", "munlock", "munlockall"],
    "~memfd_create": ["memfd_create"],
    "~@debug ~pidfd_open ~kcmp": ["process_vm_readv", "process_vm_writev", "ptrace", "pidfd_getfd", "pidfd_open", "kcmp",
                                  "perf_event_open", "lookup_dcookie", "rtas", "sys_debug_setcontext"],
    "~waitid ~tkill": ["waitid", "tkill"],
}
EVERYTHING = sorted({name for names in FILTERS.values() for name in names})

SCENARIOS = {
    "sock_connect": {"nonblocking": "a non-blocking connect", "questions": "connect with wrong arguments"},
    "sock_fork": {"fork": "a connection that parent and child use in turns"},
    "sock_exec": {"echo": "a program that inherits a connection as its stdin", "failed_exec": "an exec that fails",
                  "inherited": "a program that inherits a connection at a higher number"},
    "sock_close": {"both_in_flight": "bytes in flight at a close", "killed_idle": "a process that is killed"},
}


def limits(tap):
    """prlimit64 is left out above: the launcher is a shell script, and the shell makes that call."""
    keys, port = Keys("peer"), free_port()
    wrap = SealWrap(keys, listen=port, connect=port)
    with tap.case("sealed: a program that starts by the preload alone, behind ~prlimit64"):
        argv = filtered(["/bin/true"], ["prlimit64"])
        bare, sealed = run(argv), run(argv, env=wrap.preload())
        if bare.status == 0:
            equal(sealed.status, 0, f"the status: {sealed!r}")
        check(bare.status in (0, -31), f"a bare program ended with {bare!r}")


def main():
    tap = Tap()
    for program, scenarios in SCENARIOS.items():
        for scenario, sentence in scenarios.items():
            on = Scenarios(tap, program, behind=functools.partial(filtered, names=EVERYTHING))
            on.both(scenario, f"{sentence}, behind {' '.join(FILTERS)}")
    for name, calls in FILTERS.items():
        on = Scenarios(tap, "sock_exec", behind=functools.partial(filtered, names=calls))
        on.both("echo", f"a server that executes a program for each connection, behind {name}")
    limits(tap)
    tap.finish()


main()
