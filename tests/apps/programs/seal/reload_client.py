"""Keeps connections to PORT of 127.0.0.1: reload_client.py PORT. Obeys lines on its standard input, and answers each one.

open N: N more connections, each of which has echoed a line: `open COUNT`, or `failed: WHY`. echo: a line on each of them:
`echo COUNT`, how many came back. close: all of them: `close COUNT`. try: a new connection, which is closed again: `ok`, or
`failed: WHY`.
"""

import resource
import socket
import sys

LINE = b"a line of the client\n"


def dial(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    if not say(connection):
        connection.close()
        raise ConnectionError("no answer")
    return connection


def say(connection):
    try:
        connection.sendall(LINE)
        got = b""
        while len(got) < len(LINE):
            more = connection.recv(len(LINE) - len(got))
            if not more:
                return False
            got += more
        return got == LINE
    except OSError:
        return False


def obey(words, port, connections):
    if words[0] == "open":
        for _ in range(int(words[1])):
            connections.append(dial(port))
        return f"open {len(connections)}"
    if words[0] == "echo":
        return f"echo {sum(map(say, connections))}"
    if words[0] == "close":
        for connection in connections:
            connection.close()
        count = len(connections)
        connections.clear()
        return f"close {count}"
    dial(port).close()
    return "ok"


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    connections, port = [], int(sys.argv[1])
    for line in sys.stdin:
        try:
            print(obey(line.split(), port, connections), flush=True)
        except OSError as error:
            print(f"failed: {error}", flush=True)


main()
