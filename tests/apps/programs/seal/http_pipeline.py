"""Sends COUNT requests for PATH to a web server on PORT at once, then reads the answers, which must all be the same."""

import http.client
import socket
import sys

port, path, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
connection = socket.create_connection(("127.0.0.1", port), 20)
connection.sendall(b"".join(b"GET %s HTTP/1.1\r\nHost: localhost\r\nX-Number: %d\r\n\r\n" % (path.encode(), number)
                            for number in range(count)))


class Stream:
    """Lets every http.client.HTTPResponse read from one buffered file."""

    def __init__(self, file):
        self.file = file

    def makefile(self, *_):
        return self

    def __getattr__(self, name):
        return getattr(self.file, name)

    def close(self):
        pass


stream, bodies = Stream(connection.makefile("rb")), []
for _ in range(count):
    response = http.client.HTTPResponse(stream)
    response.begin()
    bodies.append((response.status, response.read()))
print(f"{len(bodies)} answers, {sum(body != bodies[0] or body[0] != 200 for body in bodies)} wrong")
