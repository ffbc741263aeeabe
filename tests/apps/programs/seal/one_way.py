"""One end of a TCP or TLS connection that carries data in one direction:
one_way.py send|receive listen|connect PORT [CERT [KEY]].

`send` sends each line of its standard input and never receives before the end. `receive` prints each line that comes and
never sends. At the end of its input, the sender closes its direction, waits until the other has closed, and ends. With
CERT the connection is TLS: a server's certificate and KEY, or the certificates that a client trusts.
"""

import socket
import ssl
import sys


def connection(side, port, files):
    if side == "connect":
        stream = socket.create_connection(("127.0.0.1", port))
    else:
        with socket.create_server(("127.0.0.1", port)) as listener:
            stream = listener.accept()[0]
    if not files:
        return stream
    if side == "connect":
        return ssl.create_default_context(cafile=files[0]).wrap_socket(stream, server_hostname="localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context.wrap_socket(stream, server_side=True)


def main(task, side, port, *files):
    with connection(side, int(port), files) as stream:
        if task == "send":
            for line in sys.stdin.buffer:
                stream.sendall(line)
            if not files:
                stream.shutdown(socket.SHUT_WR)
                stream.recv(1)
        else:
            for line in stream.makefile("rb"):
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()
        if files:
            stream.unwrap()


main(*sys.argv[1:])
