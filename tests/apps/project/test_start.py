"""What the shared object costs at the start of a program: relocations, bytes, system calls and page faults, not times.

docs/BENCHMARKS.md, "Start-up", has the measured figures; the bounds are a little above them.
"""

import os
import platform
import re
import subprocess

from lib.process import BUILD, find, run, temporary_directory
from lib.tap import Skip, Tap, check
from lib.wrap import LIBRARY, Wrap

TRUE = "/bin/true"
LOOKUPS, RELATIVE, DATA_BYTES = 110, 850, 16 << 10
CALLS, CALLS_WITH_LOG, CALLS_EACH, FAULTS = 26, 42, 1, 38
CALLS_OF_RUN, CALLS_OF_CHILD = 71, 53
RUNS = 5
BUILT_IN = {"LD_PRELOAD": str(LIBRARY), "PFSWRAP_POLICY": "builtin"}


def needs_plain_build():
    if platform.machine() != "x86_64" or BUILD.name != "build":
        raise Skip("the bounds are those of a plain build for x86-64")


def readelf(option):
    return run(["readelf", "--wide", option, LIBRARY]).out.decode()


def calls(environment, keep=(), command=(TRUE,)):
    """How many system calls the command and its children make, with the descriptors `keep` beside 0, 1 and 2."""
    out = temporary_directory() / "calls"
    words = [f"-E{name}={value}" for name, value in environment.items()]
    subprocess.run(["strace", "-f", "-c", "-U", "calls,name", "-o", out, *words, *command], check=True, pass_fds=keep)
    return sum(int(number) for number in re.findall(r"^ *(\d+) +(?!total)\w+$", out.read_text(), re.MULTILINE))


def calls_of_child(environment):
    """How many system calls a child of a shell script costs, made and waited for."""
    few, many = (calls(environment, command=["sh", "-c", f"{TRUE};" * number + ":"]) for number in (5, 15))
    return (many - few) / 10


def faults(environment):
    """The least number of page faults in some runs: the first one may find files that are not in memory."""
    def once():
        child = os.posix_spawn(TRUE, [TRUE], environment)
        _, status, usage = os.wait4(child, 0)
        check(status == 0, f"{TRUE} ended with {status}")
        return usage.ru_minflt + usage.ru_majflt
    return min(once() for _ in range(RUNS))


def main():
    tap = Tap()
    with tap.case(f"the object has at most {LOOKUPS} relocations that look a symbol up, and {RELATIVE} others"):
        needs_plain_build()
        kinds = re.findall(r" (R_X86_64_\w+) ", readelf("--relocs"))
        looked_up = sum(kinds.count(f"R_X86_64_{kind}") for kind in ("JUMP_SLOT", "GLOB_DAT", "64"))
        relative = kinds.count("R_X86_64_RELATIVE")
        check(0 < looked_up <= LOOKUPS and 0 < relative <= RELATIVE, f"{looked_up} and {relative}")
    with tap.case(f"the object brings at most {DATA_BYTES >> 10} KiB of variables that are not zero at first"):
        needs_plain_build()
        sizes = [int(size, 16) for size in re.findall(r" \.data +PROGBITS +\w+ +\w+ +(\w+) ", readelf("--sections"))]
        check(sizes and sizes[0] <= DATA_BYTES, f"bytes of .data: {sizes}")
    with tap.case(f"a program with the object makes at most {CALLS} system calls more at its start, {CALLS_WITH_LOG} with "
                  "a policy file and a log"):
        needs_plain_build()
        if not find("strace"):
            raise Skip("no strace")
        added, with_log = calls(BUILT_IN) - calls({}), calls(Wrap().preload()) - calls({})
        check(added <= CALLS and with_log <= CALLS_WITH_LOG, f"{added}, and {with_log} with the log")
    with tap.case("each further descriptor costs one more system call"):
        needs_plain_build()
        if not find("strace"):
            raise Skip("no strace")
        kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(5)]
        each = (calls(BUILT_IN, kept) - calls(BUILT_IN)) / len(kept)
        check(each == CALLS_EACH, f"{each} system calls for a descriptor")
    with tap.case(f"pfswrap run makes at most {CALLS_OF_RUN} system calls more than the program"):
        needs_plain_build()
        if not find("strace"):
            raise Skip("no strace")
        command = [BUILD / "pfswrap-tool", "run", "--policy", "builtin", "--", TRUE]
        added = calls({}, command=command) - calls({})
        check(added <= CALLS_OF_RUN, f"{added} system calls")
    with tap.case(f"each child of a shell script makes at most {CALLS_OF_CHILD} system calls more, fork and exec included"):
        needs_plain_build()
        if not find("strace"):
            raise Skip("no strace")
        added = calls_of_child(BUILT_IN) - calls_of_child({})
        check(added <= CALLS_OF_CHILD, f"{added} system calls")
    with tap.case(f"a program with the object takes at most {FAULTS} page faults more at its start"):
        needs_plain_build()
        added = faults(BUILT_IN) - faults({})
        check(added <= FAULTS, f"{added} page faults")
    tap.finish()


main()
