"""One end of a TCP connection that carries data in one direction: one_way.py send|receive listen|connect PORT.

`send` sends each line of its standard input and never receives before the end. `receive` prints each line that comes and
never sends. At the end of its input, the sender closes its direction, waits until the other has closed, and ends.
"""

import socket
import sys


def connection(side, port):
    if side == "connect":
        return socket.create_connection(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", port)) as listener:
        return listener.accept()[0]


def main(task, side, port):
    with connection(side, int(port)) as stream:
        if task == "send":
            for line in sys.stdin.buffer:
                stream.sendall(line)
            stream.shutdown(socket.SHUT_WR)
            stream.recv(1)
        else:
            for line in stream.makefile("rb"):
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()


main(*sys.argv[1:])
