"""Connections that a wrapped program gets from a program without pfswrap: inherited as 0 and 1, as 3, in a message."""

import os
import socket
import subprocess

from lib.process import DEADLINE, free_port, merged
from lib.seal import MAGIC, Keys, SealWrap, needs_seal
from lib.tap import Tap, check, equal

SERVE = ("import os\n"
         "while data := os.read(3, 1000):\n"
         "    os.write(3, b'got ' + data)\n")
RECEIVE = ("import socket\n"
           "transport = socket.socket(fileno=0)\n"
           "_, fds, _, _ = socket.recv_fds(transport, 1, 1)\n"
           "peer = socket.socket(fileno=fds[0])\n"
           "while data := peer.recv(1000):\n"
           "    peer.sendall(b'got ' + data)\n")
CLIENT = ("import socket, sys\n"
          "peer = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
          "file = peer.makefile('rb')\n"
          "for line in (b'one\\n', b'two\\n'):\n"
          "    peer.sendall(line)\n"
          "    assert file.readline() == b'got ' + line\n"
          "peer.shutdown(socket.SHUT_WR)\n"
          "assert file.read() == b''\n"
          "print('all received')\n")


def by_number(argv, peer, number, **more):
    """Starts a program with the connection as descriptor `number`, or as 0 and 1."""
    if number == 0:
        return subprocess.Popen(argv, stdin=peer, stdout=peer, env=merged({}))
    return subprocess.Popen(argv, env=merged({}), pass_fds=[number], **more,
                            preexec_fn=lambda: os.dup2(peer.fileno(), number, inheritable=True))


def by_message(argv, peer, _number):
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(argv, stdin=theirs, env=merged({}))
    theirs.close()
    socket.send_fds(ours, [b"x"], [peer.fileno()])
    ours.close()
    return process


def served(keys, start, argv, number=0, used=False):
    """An unwrapped listener accepts from a wrapped client, and passes the connection to a wrapped program."""
    needs_seal()
    port = free_port()
    client_wrap, server_wrap = SealWrap(keys, connect=port), SealWrap(keys, listen=port)
    with socket.create_server(("127.0.0.1", port)) as listener:
        client = subprocess.Popen(client_wrap.argv(["python3", "-c", CLIENT, port]), env=merged({}),
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        listener.settimeout(DEADLINE)
        peer, _ = listener.accept()
        if used:
            equal(peer.recv(8), MAGIC, "the first bytes of a sealed client")
        process = start(server_wrap.argv(argv), peer, number)
        peer.close()
        out, err = client.communicate(timeout=DEADLINE)
        status = process.wait(DEADLINE)
    return client.returncode, out, err, status, server_wrap


def adopted(keys, start, argv, number=0):
    code, out, err, status, wrap = served(keys, start, argv, number)
    equal((code, out), (0, b"all received\n"), f"the client: {err.decode()}; the server's log: {wrap.tail()}")
    equal(status, 0, "the server's status")
    wrap.wait_event("opened", role="server")
    wrap.wait_event("closed", end="clean")


def main():
    tap = Tap()
    keys = Keys("peer")
    serve = ["python3", "-c", SERVE]
    with tap.case("a program started by an inetd without pfswrap serves a sealed client on 0 and 1"):
        adopted(keys, by_number, ["sed", "-u", "s/^/got /"])
    with tap.case("a program that inherits the connection as descriptor 3 serves a sealed client"):
        adopted(keys, by_number, serve, 3)
    with tap.case("a connection received in a message from a program without pfswrap is sealed"):
        adopted(keys, by_message, ["python3", "-c", RECEIVE])
    with tap.case("a connection that was used before is refused, with an event"):
        def quietly(argv, peer, number):
            return by_number(argv, peer, number, stderr=subprocess.DEVNULL)
        code, _out, _err, _status, wrap = served(keys, quietly, serve, 3, used=True)
        check(code != 0, "the client was served")
        wrap.wait_event("refused", role="server")
    tap.finish()


main()
