"""What sealing costs, counted and not timed: instructions (valgrind's callgrind) and system calls (strace).

A program is counted with fewer and with more of something (chunks, round trips, connections); the difference is what the
further ones cost, without the start of the program. Counts hardly depend on what else the machine does.
"""

import functools
import os
import re
import signal

from contenders import FOLDER, PROGRAMS, Chain, family
from lib.process import run

SIZE = 16384
FOREVER = 3600000  # milliseconds


class Load:
    """Something to count. `client` gives the argv for a number of units, of which it does `each` for each that is asked for.

    `sodium`: what of libsodium each side needs for it: {side: [arguments of sockets_limits before the number]}.
    """

    def __init__(self, name, server, client, numbers, sodium, each=1.0):
        self.name, self.server, self.client, self.numbers, self.sodium = name, server, client, numbers, sodium
        self.units = (numbers[1] - numbers[0]) * each


def sealed(size):
    return ("push", size, FOREVER)


def opened(size):
    return ("pull", size, FOREVER)  # which seals what it opens


X25519 = ("x25519", FOREVER)
BOTH_WAYS = {"client": [opened(64)], "server": [opened(64)]}
LOADS = (
    Load("16 KiB chunk", ("sockets_bulk", "serve"), lambda count: ("sockets_bulk", "send", SIZE, FOREVER, SIZE * count),
         (64, 320), sodium={"client": [sealed(SIZE)], "server": [opened(SIZE), ("less", *sealed(SIZE))]}),
    # A tenth more is for warming up.
    Load("64 B there and back, epoll", ("sockets_ping", "serve"), lambda count: ("sockets_ping", "ping", count),
         (100, 600), each=1.1, sodium=BOTH_WAYS),
    Load("64 B there and back, blocking", ("sockets_ping", "serve-blocking"),
         lambda count: ("sockets_ping", "ping", count), (100, 600), each=1.1, sodium=BOTH_WAYS),
    # Of IK, a side makes an ephemeral key and computes es, ss, ee and se.
    Load("new connection", ("sockets_ping", "serve"), lambda count: ("sockets_open", "times", count), (10, 40),
         sodium={side: [X25519] * 5 for side in ("client", "server")}),
)
CONTENDERS = ("raw", "pfswrap")


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


def counted_once(load, contender, tool, number, hooks=None):
    """{side: {name: count}} of a run with that many units, both sides under the tool (`hooks`: of one that TOOLS has not)."""
    under, read = hooks or TOOLS[tool]
    out = {side: FOLDER / f"{tool}-{contender.name}-{side}" for side in ("client", "server")}
    with Chain(contender, load.server, watch=under(out["server"])) as chain:
        chain.run_client(*load.client(number), timeout=120, watch=under(out["client"]))
        os.kill(family(chain.server.pid)[-1], signal.SIGTERM)  # the program itself: its tool then says what it counted
        chain.server.wait()
    return {side: read(path) for side, path in out.items()}


def per_unit(fewer, more, units):
    """{name: how many for each further unit}, those that matter."""
    each = {name: (more[name] - fewer.get(name, 0)) / units for name in more}
    return {name: value for name, value in sorted(each.items()) if abs(value) >= 0.02}


@functools.cache
def sodium_alone(*words):
    """Instructions of libsodium and the loop around it for one of what sockets_limits does."""
    out, results, numbers = FOLDER / "callgrind-libsodium", [], (64, 192)
    for number in numbers:
        done = run(under_callgrind(out)([PROGRAMS / "sockets_limits", *words, number], {}), timeout=120)
        if done.status != 0:
            raise SystemExit(f"bench: {done}")
        results.append(read_callgrind(out))
    return per_unit(*results, numbers[1] - numbers[0])["instructions"]


def sodium(needs):
    return sum(-sodium_alone(*words[1:]) if words[0] == "less" else sodium_alone(*words) for words in needs)


def counted(load, contenders):
    """{"raw" | "pfswrap": {tool: {side: {name: for each unit}}}, "libsodium": {side: instructions}}"""
    found = {}
    for name in CONTENDERS:
        found[name] = {}
        for tool in TOOLS:
            fewer, more = (counted_once(load, contenders[name], tool, number) for number in load.numbers)
            found[name][tool] = {side: per_unit(fewer[side], more[side], load.units) for side in fewer}
    found["libsodium"] = {side: sodium(needs) for side, needs in load.sodium.items()}
    return found
