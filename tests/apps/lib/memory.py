"""Searches every readable byte of another process's memory."""

import re
from pathlib import Path


def mappings(pid):
    """The mappings of a process: begin, end, permissions and the flags of smaps (proc(5))."""
    found, current = [], None
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) ", line)
        if head:
            current = (int(head[1], 16), int(head[2], 16), head[3])
        elif line.startswith("VmFlags:"):
            found.append((*current, set(line.split()[1:])))
    return found


def places(pid, needle):
    """The flags of each mapping that holds these bytes, with its permissions, one entry a place."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for begin, end, permissions, flags in mappings(pid):
            if permissions[0] != "r" or "pf" in flags or "io" in flags:
                continue
            try:
                memory.seek(begin)
                content = memory.read(end - begin)
            except (OSError, OverflowError, ValueError):  # [vvar], [vsyscall]
                continue
            found += [(permissions, flags)] * content.count(needle)
    return found
