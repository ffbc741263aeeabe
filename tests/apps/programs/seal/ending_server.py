"""Echoes one connection, and prints how it learns of the end of the stream: ending_server.py MANNER PORT [hold].

The manners are the ways to wait: select, poll, epoll, edge, one_shot, and blocking, which only reads. After the end it
asks again without waiting, sends `bye` and closes. With `hold` it first waits for a line on its standard input. The manner
`ignore` reads nothing: it polls until there is that line, and closes. With `forked` a child does all that by poll, and then
the parent asks and reads, too. With `duplicate` the reads go through a duplicate.
"""

import os
import select
import socket
import sys

NAMES = {"in": select.EPOLLIN, "out": select.EPOLLOUT, "err": select.EPOLLERR, "hup": select.EPOLLHUP,
         "rdhup": select.EPOLLRDHUP}
FLAGS = {"epoll": 0, "edge": select.EPOLLET, "one_shot": select.EPOLLONESHOT}


def words(mask):
    return " ".join(name for name, bit in NAMES.items() if mask & bit)


class Waiter:
    """Waits for the connection in one manner. wait() returns the events, as a mask of epoll."""

    def __init__(self, manner, connection):
        self.manner, self.connection = manner, connection
        if manner == "poll":
            self.poll = select.poll()
            self.poll.register(connection, select.POLLIN | select.POLLRDHUP)
        elif manner in FLAGS:
            self.epoll = select.epoll()
            self.epoll.register(connection, select.EPOLLIN | select.EPOLLRDHUP | FLAGS[manner])

    def wait(self, timeout=None):
        if self.manner == "blocking":
            return 0
        if self.manner == "select":
            return select.EPOLLIN if select.select([self.connection], [], [], timeout)[0] else 0
        if self.manner == "poll":
            found = self.poll.poll(None if timeout is None else timeout * 1000)
        else:
            found = self.epoll.poll(timeout)
        return found[0][1] if found else 0

    def arm(self):
        if self.manner == "one_shot":
            self.epoll.modify(self.connection, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT)


def serve(manner, connection):
    connection.setblocking(manner in ("select", "blocking"))
    waiter, data, mask = Waiter(manner, connection), b"start", 0
    while data:
        mask = waiter.wait()
        data = connection.recv(65536)
        while data:
            connection.sendall(data)
            if manner != "edge":
                break
            try:
                data = connection.recv(65536)
            except BlockingIOError:
                break
        waiter.arm()
    print("end:", words(mask), flush=True)
    if sys.argv[3:] == ["hold"]:
        sys.stdin.readline()
    for _ in range(3):
        print("again:", words(waiter.wait(0)), flush=True)
        waiter.arm()
    print("read:", connection.recv(10), flush=True)
    connection.sendall(b"bye")
    connection.close()


def serve_forked(connection):
    child = os.fork()
    if child == 0:
        serve("poll", connection)
        os._exit(0)
    os.waitpid(child, 0)
    print("parent:", words(Waiter("poll", connection).wait(0)), connection.recv(10), flush=True)


class Duplicate:
    """A connection whose descriptor is one number, and whose bytes are moved through another."""

    def __init__(self, connection):
        self.connection, self.other = connection, connection.dup()
        self.fileno, self.setblocking = connection.fileno, connection.setblocking
        self.recv, self.sendall = self.other.recv, self.other.sendall

    def close(self):
        self.connection.close()
        self.other.close()


def ignore(connection):
    """Polls, so that a handshake goes on, and never reads."""
    poll = select.poll()
    poll.register(connection, 0)
    poll.register(sys.stdin, select.POLLIN)
    while sys.stdin.fileno() not in dict(poll.poll()):
        poll.unregister(connection)  # it has an error
    connection.close()


def main():
    with socket.create_server(("127.0.0.1", int(sys.argv[2]))) as listener:
        try:
            manner, connection = sys.argv[1], listener.accept()[0]
            if manner == "ignore":
                ignore(connection)
            elif manner == "forked":
                serve_forked(connection)
            elif manner == "duplicate":
                serve("epoll", Duplicate(connection))
            else:
                serve(manner, connection)
        except OSError as error:
            print("error:", error, flush=True)


main()
