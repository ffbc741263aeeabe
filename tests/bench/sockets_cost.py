"""What a sealed chunk costs, counted and not timed: instructions (valgrind's callgrind) and system calls (strace).

A program is counted with a smaller and with a larger number of chunks; the difference is what the further chunks cost,
without the start of the program and the handshake. What is counted does not depend on what else the machine does.
"""

import re

from contenders import FOLDER, PROGRAMS, Chain
from lib.process import run

SIZE = 16384
FEWER, MORE = 64, 320  # chunks
FOREVER = 3600000  # milliseconds


def under_callgrind(out):
    def watch(argv, environment):
        words = [f"{name}={value}" for name, value in environment.items()]
        return ["env", *words, "valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}", *argv]
    return watch


def under_strace(out):
    def watch(argv, environment):
        words = [f"-E{name}={value}" for name, value in environment.items()]
        return ["strace", "-f", "-c", "-U", "calls,name", "-o", out, *words, *argv]
    return watch


def read_callgrind(out):
    """All instructions of the process."""
    return {"instructions": int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)[1])}


def read_strace(out):
    """{system call: how often}"""
    return {name: int(calls) for calls, name in re.findall(r"^ *(\d+) +(\w+)$", out.read_text(), re.MULTILINE)
            if name != "total"}


TOOLS = {"callgrind": (under_callgrind, read_callgrind), "strace": (under_strace, read_strace)}


def counted_side(contender, tool, side, chunks):
    """What the sender ("client") or the receiver ("server") of that many chunks comes to."""
    under, read = TOOLS[tool]
    out = FOLDER / f"{tool}-{contender.name}-{side}-{chunks}"
    watch = under(out)
    with Chain(contender, ("sockets_bulk", "serve-once"), watch=watch if side == "server" else None) as chain:
        chain.run_client("sockets_bulk", "send", SIZE, FOREVER, SIZE * chunks, timeout=120,
                         watch=watch if side == "client" else None)
        if chain.server.wait() != 0:
            chain.fail("the server failed")
    return read(out)


def per_chunk(fewer, more):
    """{name: how many for each further chunk}, those that matter."""
    each = {name: (more[name] - fewer.get(name, 0)) / (MORE - FEWER) for name in more}
    return {name: value for name, value in sorted(each.items()) if abs(value) >= 0.01}


def counted(contender, tool):
    """{"client": {name: per chunk}, "server": ...}"""
    return {side: per_chunk(*(counted_side(contender, tool, side, chunks) for chunks in (FEWER, MORE)))
            for side in ("client", "server")}


def counted_libsodium():
    """Instructions of libsodium's own push and pull for a chunk, and the loop around them."""
    found = {}
    for side, what in (("client", "push"), ("server", "pull")):
        results = []
        for chunks in (FEWER, MORE):
            out = FOLDER / f"callgrind-libsodium-{what}-{chunks}"
            watch = under_callgrind(out)
            done = run(watch([PROGRAMS / "sockets_limits", what, SIZE, FOREVER, chunks], {}), timeout=120)
            if done.status != 0:
                raise SystemExit(f"bench: {done}")
            results.append(read_callgrind(out))
        found[side] = per_chunk(*results)["instructions"]
    found["server"] -= found["client"]  # what is opened there was sealed there
    return found
