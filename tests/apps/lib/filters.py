"""System call filters for the test scripts: numbers of system calls, and programs that start behind a filter."""

import functools
import re
from pathlib import Path

from lib.process import PROGRAMS, run

FILTERED = PROGRAMS / "seal" / "filtered"


@functools.lru_cache(maxsize=1)
def numbers():
    """{name: number} of this machine's system calls, from the compiler's headers."""
    text = run(["cc", "-E", "-dM", "-include", "sys/syscall.h", "-xc", "/dev/null"]).out.decode()
    return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)$", text, re.MULTILINE)}


def filtered(argv, names, action="kill", mode="deny"):
    """The command line that starts `argv` behind a filter. A name that this machine does not have is left out."""
    chosen = ",".join(str(numbers()[name]) for name in sorted(names) if name in numbers())
    return [str(FILTERED), mode, str(action), chosen, *map(str, argv)]
