"""redis-server, redis-cli and redis-benchmark, sealed: pipelines, big values, pub/sub, a replica, BGSAVE, shutdown."""

import re

from lib.legacy import require_programs
from lib.process import wait_until
from lib.sealed import MARKER, begin, ended, prove, word_on_the_wire
from lib.tap import Tap, check, contains, equal

BIG = b"".join(b"%07d-%s," % (number, MARKER) for number in range(4 * 1024 * 1024 // 37))


def server_argv(ends, port, *more):
    folder = ends.folder / str(port)
    folder.mkdir(exist_ok=True)
    return ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--daemonize", "no",
            "--repl-diskless-sync-delay", "0", *more]


def start(ends):
    server = ends.server(server_argv(ends, ends.port))
    yield server
    ended(server)


def cli(ends, *words, data=b"", port=None):
    done = ends.client(["redis-cli", "-p", port or ends.port, *words], data=data)
    equal(done.status, 0, f"status of {done!r}")
    return done.out


def set_and_get(ends, _server):
    equal(cli(ends, "SET", "key", MARKER.decode()), b"OK\n", "answer to SET")
    equal(cli(ends, "GET", "key"), MARKER + b"\n", "answer to GET")


def big_value(ends, _server):
    equal(cli(ends, "-x", "SET", "big", data=BIG), b"OK\n", "answer to SET")
    check(cli(ends, "--raw", "GET", "big") == BIG + b"\n", f"expected {len(BIG)} bytes back unchanged")


def pipe_mode(ends, _server):
    """redis-cli --pipe: 20,000 commands without waiting, the socket is read and written at once."""
    commands = b"".join(b"SET pipe:%d %s\r\n" % (number, MARKER) for number in range(20000))
    contains(cli(ends, "--pipe", data=commands), b"errors: 0, replies: 20000", "what redis-cli said")
    equal(cli(ends, "GET", "pipe:19999"), MARKER + b"\n", "the last value")


def publish(ends, server):
    """A subscriber that waits in select(), and gets 200 messages."""
    subscriber = ends.background(["redis-cli", "-p", ends.port, "SUBSCRIBE", "news"])
    wait_until(lambda: "subscribe" in subscriber.text(), "the subscription")
    for number in range(20):
        equal(cli(ends, "PUBLISH", "news", f"{number} {MARKER.decode()}"), b"1\n", "subscribers that got the message")
    wait_until(lambda: subscriber.text().count(MARKER.decode()) == 20, lambda: f"20 messages in {subscriber.text()[-300:]}")
    subscriber.stop()
    wait_until(lambda: b"0\n" in cli(ends, "PUBLISH", "news", "nobody"), "the server to notice that it has closed")
    check(server.running(), "expected the server to continue")


@word_on_the_wire(b"LRANGE")
def benchmark(ends, _server):
    done = ends.client(["redis-benchmark", "-p", ends.port, "-n", "5000", "-c", "20", "-q", "-t",
                        "ping,set,get,lpush,lrange_100,mset"])
    equal(done.status, 0, f"status of {done!r}")
    rates = re.findall(rb"([A-Z_]+)[^:\r\n]*: ([0-9.]+) requests per second", done.out)
    check({b"PING_INLINE", b"SET", b"GET", b"LPUSH", b"MSET"} <= {name for name, _ in rates}, f"expected rates in {done!r}")


@word_on_the_wire(b"__rand_int__")
def pipelined_benchmark(ends, _server):
    """16 commands at a time with values of 5,000 bytes, by two threads."""
    done = ends.client(["redis-benchmark", "-p", ends.port, "-n", "20000", "-c", "20", "-P", "16", "-d", "5000", "-q",
                        "--threads", "2", "-t", "set,get"])
    check(done.status == 0 and done.out.count(b"requests per second") == 2, f"expected two rates, found {done!r}")


def background_save(ends, _server):
    """BGSAVE forks; the child writes the file while the parent serves."""
    before = cli(ends, "LASTSAVE")
    wait_until(lambda: cli(ends, "LASTSAVE") == before and cli(ends, "TIME").split()[0] != before.strip(), "the next second")
    contains(cli(ends, "BGSAVE"), b"Background saving started", "answer to BGSAVE")
    equal(cli(ends, "SET", "while-saving", MARKER.decode()), b"OK\n", "answer to SET")
    wait_until(lambda: cli(ends, "LASTSAVE") != before, "the end of BGSAVE")
    contains(cli(ends, "INFO", "persistence"), b"rdb_last_bgsave_status:ok", "INFO persistence")
    saved = (ends.folder / str(ends.port) / "dump.rdb").stat().st_size
    check(saved > len(BIG) // 20, f"expected the values in dump.rdb, found {saved} bytes")


def replica(ends, _server):
    """A second server copies the first one's data (a fork and a stream), then follows it."""
    port = ends.ports[1]
    with ends.server(server_argv(ends, port, "--replicaof", "127.0.0.1", ends.port), port=port) as second:
        wait_until(lambda: b"master_link_status:up" in cli(ends, "INFO", "replication", port=port),
                   lambda: f"the replica to be in step; it printed {second.text()[-600:]}")
        check(cli(ends, "--raw", "GET", "big", port=port) == BIG + b"\n", "expected the big value in the replica")
        cli(ends, "SET", "later", MARKER.decode())
        wait_until(lambda: cli(ends, "GET", "later", port=port) == MARKER + b"\n", "a later value in the replica")
        wait_until(lambda: cli(ends, "WAIT", "1", "5000") == b"1\n", "the replica to acknowledge")
        ended(second)


def shutdown(ends, _server):
    """SHUTDOWN closes the connection it came on, and the server exits with 0."""
    with ends.server(server_argv(ends, ends.ports[1]), port=ends.ports[1]) as second:
        # It answers LOADING until it has read what the replica saved in this folder.
        wait_until(lambda: cli(ends, "SET", "key", MARKER.decode(), port=ends.ports[1]) == b"OK\n", "the server to be ready")
        cli(ends, "SHUTDOWN", "NOSAVE", port=ends.ports[1])
        equal(second.wait(), 0, "exit status")


def main():
    require_programs("redis-server", "redis-cli", "redis-benchmark")
    tap = Tap()
    begin(tap)
    prove(tap, "redis", start, [
        ("redis-cli sets and gets a value", set_and_get),
        ("a value of 4 MB comes back unchanged", big_value),
        ("20,000 commands are executed from one stream", pipe_mode),
        ("a subscriber gets 20 messages", publish),
        ("redis-benchmark's commands all succeed", benchmark),
        ("redis-benchmark succeeds with pipelines of 16 and two threads", pipelined_benchmark),
        ("BGSAVE forks and the server continues", background_save),
        ("a replica copies 4 MB and follows", replica),
        ("SHUTDOWN ends the server", shutdown),
    ], ports=2)
    tap.finish()


main()
