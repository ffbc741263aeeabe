"""docs/SANDBOXES.md lists the system calls of the shared object, and what is needed for which plane is true."""

import re

from lib.faults import ACTIONS, ROLES, Bench, Fault
from lib.filters import numbers
from lib.object_calls import object_calls
from lib.process import ROOT
from lib.seal import needs_seal
from lib.tap import Tap, check, equal

TABLE = "| system calls | needed for | without them |"
# What fault_steps, libc and ld.so call without pfswrap.
BARE = {"socket", "connect", "bind", "wait4", "clone", "prctl", "set_robust_list", "rseq", "prlimit64", "getrandom",
        "setsockopt", "readlink", "exit_group", "rt_sigaction"}


def rows():
    """{what it is needed for: set of calls}"""
    lines = (ROOT / "docs" / "SANDBOXES.md").read_text().splitlines()
    found = {}
    for line in lines[lines.index(TABLE) + 2:]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        found.setdefault(cells[1], set()).update(re.findall(r"`(\w+)`", cells[0]))
    return found


def probed():
    text = (ROOT / "shim" / "base" / "probe.c").read_text()
    return set(re.findall(r"SYS_(\w+)", text[text.index("rare_calls[] ="):text.index("};")]))


class Several(Fault):
    """A fault of several calls at once: all are killed before the program starts."""

    def __init__(self, calls, role, plane, peer):
        super().__init__("write", "kill", "before", role, "blocking", plane, peer)
        self.calls = calls


class SeveralBench(Bench):
    def command(self, fault, port, faulty=True):
        argv = super().command(fault, port, faulty)
        place = argv.index(str(numbers()[fault.call])) if faulty else 0
        if faulty:
            argv[place] = ",".join(str(numbers()[call]) for call in sorted(fault.calls))
        return argv


def survives(tap, plane, peer, allowed):
    forbidden = set(object_calls()) - allowed - BARE
    for role in ROLES:
        with tap.case(f"{plane}: a {role} runs behind a filter that kills for {len(forbidden)} calls of other rows"):
            needs_seal()
            bench, fault = SeveralBench(), Several(forbidden, role, plane, peer)
            bare, _ = bench.run(fault, bare=True)
            outcome, wrap = bench.run(fault)
            equal(bare.status, 0, f"the bare program {bare.text}")
            equal(outcome.status, 0, f"{outcome.text}; {wrap.tail()}")


def main():
    tap = Tap()
    table = rows()
    with tap.case("every system call of the object is in the table, once, and no other"):
        names = [name for calls in table.values() for name in calls]
        equal(sorted(names), sorted(set(names)), "calls that are in two rows")
        equal(sorted(names), [name for name in object_calls() if name in numbers()], "the calls")
    with tap.case("the rare calls are those that are tried in a child"):
        check(probed() <= table["rare"], f"not in the table: {probed() - table['rare']}")
        equal(table["rare"] - probed(), {"ftruncate", "fchmod"}, "rare calls that are not tried")
    every = table["every process"] | table["programs that execute others"]
    survives(tap, "audit", "bare", every | table["wire"])
    survives(tap, "sealed", "sealed", every | table["wire"] | table["seal"] |
             table["seal, in programs that pass connections to others"])
    check("kill" in ACTIONS, "kill is one of the actions")
    tap.finish()


main()
