"""memcached, mosquitto and iperf3 sealed: event loops in threads, a broker, and a bandwidth measurement."""

import json

from lib.legacy import require_programs
from lib.process import wait_until
from lib.sealed import MARKER, begin, ended, prove, word_on_the_wire
from lib.tap import Tap, check, equal

VALUE = b"".join(b"%07d %s;" % (number, MARKER) for number in range(900000 // 37))


def start_memcached(ends):
    server = ends.server(["memcached", "-l", "127.0.0.1", "-p", ends.port, "-U", "0", "-t", "4"], user="nobody")
    yield server
    ended(server)


def values(ends, _server):
    """A pipeline of commands by nc: stores 40 small values and one of 900 kB, and fetches all of them."""
    keys = [b"key%d" % number for number in range(40)]
    sets = b"".join(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(MARKER), MARKER) for key in keys)
    sets += b"set big 0 0 %d\r\n%s\r\n" % (len(VALUE), VALUE)
    done = ends.client(["nc.openbsd", "127.0.0.1", ends.port],
                       data=sets + b"get %s big\r\nquit\r\n" % b" ".join(keys))
    wanted = b"STORED\r\n" * 41 + b"".join(b"VALUE %s 0 %d\r\n%s\r\n" % (key, len(MARKER), MARKER) for key in keys) + \
        b"VALUE big 0 %d\r\n%s\r\nEND\r\n" % (len(VALUE), VALUE)
    check(done.out == wanted, f"expected {len(wanted)} bytes of answers, found {len(done.out)}: {done.out[:200]!r}")


def start_mosquitto(ends):
    (ends.folder / "mosquitto.conf").write_text(f"listener {ends.port} 127.0.0.1\nallow_anonymous true\nlog_type all\n")
    server = ends.server(["mosquitto", "-c", ends.folder / "mosquitto.conf"])
    yield server
    ended(server)


def publish(ends, server):
    """Two subscribers get a message from each of 5 publishers, and one of 900 kB."""
    where = ["-h", "127.0.0.1", "-p", str(ends.port), "-t", "news"]
    subscribers = [ends.background(["mosquitto_sub", *where, "-q", "1", "-C", "6"]) for _ in range(2)]
    wait_until(lambda: server.text().count("Sending SUBACK") == 2, "two subscriptions")
    for number in range(5):
        done = ends.client(["mosquitto_pub", *where, "-q", "1", "-m", f"{number} {MARKER.decode()}"])
        equal(done.status, 0, f"{done!r}")
    done = ends.client(["mosquitto_pub", *where, "-q", "1", "-s"], data=VALUE)
    equal(done.status, 0, f"{done!r}")
    for subscriber in subscribers:
        equal(subscriber.wait(), 0, f"status of a subscriber; it printed {subscriber.text()[-300:]}")
        check(VALUE.decode() in subscriber.text(), "expected the message of 900 kB")
        small = [line for line in subscriber.text().splitlines() if len(line) < 50]
        equal(small, [f"{number} {MARKER.decode()}" for number in range(5)], "small messages")


def start_iperf(ends):
    server = ends.server(["iperf3", "-s", "-p", ends.port, "-B", "127.0.0.1"])
    yield server
    ended(server, (0, 1))


def measure(ends, *arguments):
    done = ends.client(["iperf3", "-c", "127.0.0.1", "-p", ends.port, "-J", *arguments])
    equal(done.status, 0, f"{done!r}")
    return json.loads(done.out)


@word_on_the_wire(b"pacing_timer")
def bulk(ends, _server):
    """20 MB over two streams. iperf3's server counts what it has read when the client reports that it is done."""
    found = measure(ends, "-P", "2", "-n", "20M")["end"]
    check(found["sum_received"]["bytes"] > 10000000, f"expected megabytes, found {found['sum_received']}")


@word_on_the_wire(b"pacing_timer")
def reverse(ends, _server):
    """The server sends until the client stops it and closes with megabytes in flight."""
    found = measure(ends, "-R", "-t", "1")["end"]
    check(found["sum_received"]["bytes"] > 1000000, f"expected megabytes, found {found['sum_received']}")


def main():
    require_programs("memcached", "mosquitto", "mosquitto_pub", "iperf3", "nc.openbsd")
    tap = Tap()
    begin(tap)
    prove(tap, "memcached", start_memcached, [("41 values are stored and fetched in one pipeline", values)])
    prove(tap, "mosquitto", start_mosquitto, [("6 messages, one of 900 kB, reach two subscribers", publish)])
    prove(tap, "iperf3", start_iperf, [("20 MB are sent over two streams", bulk),
                                       ("the server sends for a second", reverse)])
    tap.finish()


main()
