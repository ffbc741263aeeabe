"""Mixed load for a long time: nothing is lost, and what servers use has a bound. Some seconds by default.

Redis and an echo server are sealed, nginx inside its TLS. Beside each other there are benchmarks, large values, downloads,
streams in random sizes, servers with threads that fork, strangers, and a client that stays connected. `make endurance HOURS=24`
runs a day (PFSWRAP_ENDURANCE_HOURS). Every round of every load must succeed; memory, descriptors and threads of what stays are
bounded (lib/usage.py) and printed in the end, with the number of rounds.
"""
# timeout: 180000

import collections
import os
import socket
import threading
import time

from lib import layer
from lib.process import DEADLINE, PROGRAMS, PYTHON, Process, find, free_port, run, wait_until
from lib.progress import Progress
from lib.seal import Keys, SealWrap, needs_seal
from lib.tap import Skip, Tap, check, equal
from lib.usage import Usage, children

SECONDS = float(os.environ.get("PFSWRAP_ENDURANCE_HOURS", "0")) * 3600 or 3
WARM = min(SECONDS / 10, 600)  # seconds
BOUNDED = SECONDS >= 300  # in a short run, everything is used for the first time
STRANGERS = 20
BLOB = os.urandom(1 << 20)
ROTATE = 30  # seconds between two looks at the logs, which are emptied then

# Stays connected, and asks ten times a second. Prints how often it was answered.
STEADY = """
import socket, sys, time, select
connection, count = socket.create_connection(("127.0.0.1", int(sys.argv[1]))), 0
while not select.select([sys.stdin], [], [], 0.1)[0]:
    connection.sendall(b"PING\\r\\n")
    answer = b""
    while not answer.endswith(b"\\r\\n"):
        piece = connection.recv(100)
        if not piece:
            sys.exit("the server has closed")
        answer += piece
    if answer != b"+PONG\\r\\n":
        sys.exit(f"a wrong answer: {answer!r}")
    count += 1
print(count)
"""


class Logs:
    """The audit logs of all policies: counts what they say, and empties them, since a day's lines are gigabytes."""

    def __init__(self, wraps):
        self.wraps, self.found, self.looked = wraps, collections.Counter(), time.monotonic()

    def look(self, at_last=False):
        now = time.monotonic()
        if now - self.looked < ROTATE and not at_last:
            return
        self.looked = now
        for name, wrap in self.wraps.items():
            for event in wrap.events():
                self.found[name, event["event"], event.get("end"), event.get("reason")] += 1
            if wrap.log.exists() and not at_last:
                os.truncate(wrap.log, 0)

    def check(self):
        """Only strangers are refused, and only they see another end than an orderly one."""
        wrong = {key: count for key, count in self.found.items()
                 if key[1] == "refused" and key[0] not in ("echo", "redis") or key[2] in ("error", "truncated", "unsent")}
        equal(wrong, {}, "events that nothing in the load explains")


class Mix:
    """The servers, and one method for each load, which is one round of it."""

    def __init__(self):
        self.keys, self.ends = Keys("peer"), layer.Ends(clients="any")
        self.redis_port, self.echo_port = free_port(), free_port()
        self.redis_wrap = SealWrap(self.keys, listen=self.redis_port)
        self.echo_wrap = SealWrap(self.keys, listen=self.echo_port, handshake_timeout="20s")
        self.client = SealWrap(self.keys, connect=["127.0.0.1:*"])
        self.stream_wrap, self.forks_wrap = (SealWrap(self.keys, listen=["127.0.0.1:*"], connect=["127.0.0.1:*"]) for _ in "12")
        self.redis = Process(self.redis_wrap.argv([find("redis-server"), "--port", self.redis_port, "--save", "", "--loglevel",
                                                   "warning", "--bind", "127.0.0.1"])).wait_for_port(self.redis_port)
        self.echo = Process(self.echo_wrap.argv([PROGRAMS / "seal/sock_journal", "epoll", self.echo_port, 1]))
        self.echo.wait_for_port(self.echo_port)
        self.nginx = layer.ROWS["nginx"].start(self.ends.server, BLOB)
        self.steady = Process(self.client.argv([*PYTHON, "-c", STEADY, self.redis_port]), stdin=-1)
        self.logs = Logs({"redis": self.redis_wrap, "echo": self.echo_wrap, "clients": self.client,
                          "nginx": self.ends.server, "curl": self.ends.client})
        self.loads = (self.benchmark, self.large, self.round_trip, self.download, self.stream, self.forks, self.strangers)

    def pids(self):
        return {"redis": self.redis.pid, "echo": self.echo.pid, "steady": self.steady.pid,
                **{f"nginx {number}": pid for number, pid in enumerate(sorted(children(self.nginx.process.pid)))}}

    def succeed(self, wrap, argv, env=None, data=b""):
        result = run(wrap.argv(argv) if wrap else argv, env=env, data=data, timeout=5 * DEADLINE)
        equal(result.status, 0, f"status of {result!r}; log: {wrap.tail() if wrap else ''}")
        return result.out

    def benchmark(self, _number):
        out = self.succeed(self.client, [find("redis-benchmark"), "-p", self.redis_port, "-q", "-n", 500, "-c", 8, "-d", 300, "-t",
                                         "set,get,lpush,ltrim"])
        check(b"rror" not in out, f"{out[-500:]!r}")

    def large(self, number):
        cli = [find("redis-cli"), "-p", self.redis_port]
        self.succeed(self.client, [*cli, "-x", "set", "large"], data=BLOB[number % 1000:])
        equal(self.succeed(self.client, [*cli, "get", "large"])[:-1] == BLOB[number % 1000:], True, "the value that comes back")

    def round_trip(self, _number):
        self.succeed(self.client, [PROGRAMS / "seal/sock_exec", "echo", self.echo_port, "127.0.0.1", "client"],
                     env={"SOCK_SEALED": "1"})

    def download(self, _number):
        layer.download(self.ends.client, layer.curl(self.nginx.port, "--http1.1"), BLOB)

    def stream(self, number):
        self.succeed(self.stream_wrap, [PROGRAMS / "seal/sock_soak", "soak", free_port(), "127.0.0.1", "both", 4, number],
                     env={"SOCK_SEALED": "1"})
        self.check_ends(self.stream_wrap, 12)

    def forks(self, number):
        self.succeed(self.forks_wrap, [PROGRAMS / "seal/sock_fork_storm", ("servers", "clients", "both_ends")[number % 3],
                                       free_port()],
                     env={"SOCK_SEALED": "1", "SOCK_CONNECTIONS": "100", "SOCK_SEED": str(number)})
        self.check_ends(self.forks_wrap, 200)

    @staticmethod
    def check_ends(wrap, count):
        """The log of one round: so many orderly ends and nothing else. A relay may write its line after the program's end."""
        wait_until(lambda: len(wrap.events("closed")) >= count, lambda: f"{count} ends in the log: {wrap.tail()}")
        others = [event for event in wrap.events() if event["event"] not in ("policy", "opened") and event.get("end") != "clean"]
        equal((len(wrap.events("closed", end="clean")), others), (count, []), "how the connections ended")
        os.truncate(wrap.log, 0)

    def strangers(self, number):
        """Some say nothing, and some say something else, and wait until the server has closed: it keeps up with them."""
        ports = (self.redis_port, self.echo_port)
        held = [socket.create_connection(("127.0.0.1", ports[i % 2]), 2 * DEADLINE) for i in range(STRANGERS)]
        for connection in held[::3]:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n" if number % 2 else os.urandom(100))
        for connection in held[::3]:
            try:
                equal(connection.recv(100), b"", "what a stranger is told")
            except ConnectionResetError:
                pass
        for connection in held:
            connection.close()


def repeat(load, rounds, failed, end):
    """One load until the end, or until one of them has failed."""
    while time.monotonic() < end and not failed:
        try:
            load(rounds[load.__name__])
            rounds[load.__name__] += 1
        except (AssertionError, OSError) as failure:
            failed.append(f"{load.__name__}, round {rounds[load.__name__]}: {failure}")


def endure(mix):
    rounds, failed, begun = collections.Counter(), [], time.monotonic()
    threads = [threading.Thread(target=repeat, args=(load, rounds, failed, begun + SECONDS)) for load in mix.loads]
    usage, progress = Usage(mix.pids), Progress(SECONDS)
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        passed = time.monotonic() - begun
        usage.warm = BOUNDED and passed > WARM
        try:
            usage.sample()
            mix.logs.look()
        except AssertionError as failure:
            failed.append(str(failure))
        progress.show(passed, f"{sum(rounds.values())} rounds; {usage.text()}")
        time.sleep(0.05)
    progress.end()
    check(not failed, "; ".join(failed))
    equal(sorted(rounds), sorted(load.__name__ for load in mix.loads), "loads that ran")
    mix.steady.popen.stdin.close()
    mix.steady.popen.stdin = None
    equal(mix.steady.wait(), 0, f"status of the client that stays, which printed {mix.steady.text()}")
    print(f"# {(time.monotonic() - begun) / 3600:.2f} h; {dict(rounds)}, {mix.steady.text().strip()} answers to one client",
          f"# {usage.text()}", sep="\n", flush=True)


def main():
    tap = Tap()
    with tap.case("mixed load: every round succeeds, and what the servers use has a bound"):
        needs_seal()
        for program in ("redis-server", "redis-benchmark", "nginx", "curl"):
            if not find(program):
                raise Skip(f"no {program}")
        mix = Mix()
        endure(mix)
        equal([process.stop(DEADLINE) for process in (mix.redis, mix.echo, mix.nginx.process)], [0, 0, 0], "status of the servers")
        mix.logs.look(at_last=True)
        mix.logs.check()
        print(f"# {dict(mix.logs.found)}", flush=True)
    tap.finish()


main()
