"""How many system calls a sealed connection makes on each side, so that no call comes back unnoticed.

strace counts fewer and more connections, or round trips; the difference is what the further ones cost. On a busy machine a
thread may wait once more, or the background thread look once more. So the least of some runs counts.
"""

import os
import re
import signal

from lib.process import BUILD, Process, find, free_port, run, temporary_directory
from lib.seal import Keys, SealWrap, needs_seal
from lib.tap import Skip, Tap, check

BENCH = BUILD / "tests" / "bench"
RUNS = 4

# What the case does: the server, the client for a number, the fewer and the more, what each further one may cost.
# docs/BENCHMARKS.md says what the calls are. Without pfswrap: 8 and 10; 2 and 3; 2 and 2.
CASES = (
    ("a connection that is opened, used once and closed", ["sockets_ping", "serve"],
     lambda port, number: ["sockets_open", "times", port, number], (10, 40), 30, {"client": 52, "server": 46.5}),
    ("64 bytes there and back through an event loop", ["sockets_ping", "serve"],
     lambda port, number: ["sockets_ping", "ping", port, number], (50, 150), 110, {"client": 3.1, "server": 4.1}),
    ("64 bytes there and back by blocking calls", ["sockets_ping", "serve-blocking"],
     lambda port, number: ["sockets_ping", "ping", port, number], (50, 150), 110, {"client": 3.1, "server": 3.1}),
)
THREAD_CALLS = {"clone", "clone3"}


def under_strace(out, wrap, argv):
    environment = [f"-E{name}={value}" for name, value in wrap.preload().items()]
    return ["strace", "-f", "-c", "-U", "calls,name", "-o", out, *environment, BENCH / argv[0], *argv[1:]]


def read(out):
    return {name: int(calls) for calls, name in re.findall(r"^ *(\d+) +(\w+)$", out.read_text(), re.MULTILINE)
            if name != "total"}


def counted(keys, server, client, number):
    """{side: {system call: how often}} of one run."""
    port, folder = free_port(), temporary_directory()
    out = {side: folder / side for side in ("client", "server")}
    listening = Process(under_strace(out["server"], SealWrap(keys, "server", listen=port), [*server, port]))
    listening.wait_for_port(port)
    done = run(under_strace(out["client"], SealWrap(keys, "client", connect=port, peer="server"), client(port, number)))
    check(done.status == 0, f"the client: {done!r}")
    with open(f"/proc/{listening.pid}/task/{listening.pid}/children", encoding="ascii") as file:
        os.kill(int(file.read().split()[0]), signal.SIGTERM)  # the program itself: strace then says what it has counted
    listening.wait()
    return {side: read(path) for side, path in out.items()}


def each_further(keys, server, client, numbers, units):
    """{side: {system call: for each further one}}"""
    fewer, more = (counted(keys, server, client, number) for number in numbers)
    return {side: {name: (more[side][name] - fewer[side].get(name, 0)) / units for name in more[side]} for side in more}


def main():
    tap, keys = Tap(), Keys("client", "server")
    for what, server, client, numbers, units, limits in CASES:
        bounds = ", ".join(f"at most {limit} at the {side}" for side, limit in limits.items())
        with tap.case(f"sealed: system calls for {what}: {bounds}, and no thread"):
            needs_seal()
            if not find("strace"):
                raise Skip("no strace")
            found = []
            for _ in range(RUNS):
                found.append(each_further(keys, server, client, numbers, units))
                sums = {side: min(sum(each[side].values()) for each in found) for side in limits}
                threads = min(sum(each[side].get(name, 0) for side in limits for name in THREAD_CALLS) for each in found)
                if all(sums[side] <= limit for side, limit in limits.items()) and threads < 0.2:
                    break
            else:
                check(False, f"{sums}, {threads} threads; the last run: {found[-1]}")
    tap.finish()


main()
