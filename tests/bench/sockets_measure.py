"""The measurements of the socket benchmark. Each takes running chains (contenders.py) and gives figures of one turn.

Knows which load programs there are and what they print; who takes part and how often is sockets_bench.py's.
"""

import contextlib

from contenders import CLIENT_CORE, PROGRAMS, Chain, cpu_seconds, memory_bytes, pinned
from lib.process import run

UNLIMITED = 1 << 62
OPEN_THREADS = 8  # connections that are being opened at the same time
PERCENTILES = (50, 90, 99)


@contextlib.contextmanager
def chains(contenders, server, pin=False):
    """{contender's name: its running chain}. Those that wait for their turn take no processor time."""
    with contextlib.ExitStack() as stack:
        running = {}
        for contender in contenders:
            running[contender.name] = stack.enter_context(Chain(contender, server, pin))
        yield running


def rate_of(text):
    """`AMOUNT SECONDS` -> amount, amount per second."""
    amount, seconds = text.split()
    return int(amount), int(amount) / float(seconds)


def bulk(chain, size, milliseconds, connections=None):
    """-> megabytes per second, processor seconds per gigabyte of the client's and of the server's side together."""
    before = {pid: cpu_seconds(pid) for pid in chain.pids()}
    client = (("sockets_bulk", "send", size, milliseconds, UNLIMITED) if connections is None else
              ("sockets_bulk", "send-epoll", size, milliseconds, connections))
    with chain.client_that_stays(*client) as (process, text):
        amount, rate = rate_of(text)
        cpu = cpu_seconds(process.pid) + sum(cpu_seconds(pid) - before.get(pid, 0) for pid in chain.pids())
    return rate / 1e6, cpu / amount * 1e9


def histogram_of(text):
    """Lines `NANOSECONDS COUNT` -> [(nanoseconds, count)], ascending."""
    return [tuple(map(int, line.split())) for line in text.splitlines()]


def histogram_percentile(histogram, percent):
    """The value that `percent` of the round trips did not exceed."""
    wanted = sum(count for _, count in histogram) * percent / 100
    passed = 0
    for value, count in histogram:
        passed += count
        if passed >= wanted:
            return value
    return histogram[-1][0]


def histogram_merge(histograms):
    merged = {}
    for histogram in histograms:
        for value, count in histogram:
            merged[value] = merged.get(value, 0) + count
    return sorted(merged.items())


def round_trips(chain, count):
    """-> the histogram of `count` round trips of 64 bytes."""
    return histogram_of(chain.run_client("sockets_ping", "ping", count))


def opened(chain, milliseconds):
    """-> connections per second: connect, a byte there and back, close."""
    return rate_of(chain.run_client("sockets_open", "open", OPEN_THREADS, milliseconds))[1]


def idle_memory(contender, counts):
    """-> {connections: {"client", "server", "proxies": (resident, proportional) bytes}} while that many are open."""
    found = {}
    for count in sorted({min(count, contender.connections_max) for count in counts}):
        with Chain(contender, ("sockets_ping", "serve")) as chain:
            with chain.client_that_stays("sockets_open", "hold", count, timeout=600) as (process, _):
                proxies = [memory_bytes(pid) for pid in chain.pids() - {chain.server.pid}]
                found[count] = {"client": memory_bytes(process.pid), "server": memory_bytes(chain.server.pid),
                                "proxies": tuple(map(sum, zip(*proxies))) or (0, 0)}
    return found


def foreign_calls(chain, connections, calls):
    """-> {kind of call: nanoseconds} on foreign descriptors, in a process with that many connections."""
    text = chain.run_client("sockets_foreign", "calls", connections, calls)
    return {name: float(value) for name, value in map(str.split, text.splitlines())}


def limits(milliseconds):
    """-> MB/s of libsodium's push and pull alone on a core, X25519 operations per second on one."""
    def ask(*words):
        done = run(pinned([PROGRAMS / "sockets_limits", *words], CLIENT_CORE))
        if done.status != 0:
            raise SystemExit(f"bench: {done}")
        return rate_of(done.out.decode())[1]
    return {"push": ask("push", 16384, milliseconds, UNLIMITED >> 14) / 1e6,
            "pull": ask("pull", 16384, milliseconds, UNLIMITED >> 14) / 1e6,
            "x25519": ask("x25519", milliseconds, UNLIMITED)}
