"""Uses a Redis until its standard input ends: redis_load.py PORT CONNECTIONS.

Each round increments a counter on each of the CONNECTIONS, which stay open, and on a new connection, which is closed again,
and compares every answer. Prints `rounds N` after each one, and `ok rounds N` at the end. Anything else is a failure.
"""

import select
import socket
import sys


def dial(port):
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def command(connection, *words):
    """The answer of Redis to a command, without its end of line."""
    connection.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
    got = b""
    while not got.endswith(b"\r\n"):
        more = connection.recv(100)
        if not more:
            raise ConnectionError("Redis has closed the connection")
        got += more
    return got[:-2]


def increment(connection, name, expected):
    got = command(connection, b"INCR", name)
    if got != b":%d" % expected:
        raise ValueError(f"INCR {name} answered {got}, expected {expected}")


def main():
    port, rounds = int(sys.argv[1]), 0
    connections = [dial(port) for _ in range(int(sys.argv[2]))]
    while not select.select([sys.stdin], [], [], 0)[0]:
        rounds += 1
        for number, connection in enumerate(connections):
            increment(connection, b"held:%d" % number, rounds)
        with dial(port) as connection:
            increment(connection, b"new", rounds)
        print(f"rounds {rounds}", flush=True)
    for connection in connections:
        connection.close()
    print(f"ok rounds {rounds}", flush=True)


main()
