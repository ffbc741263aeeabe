"""Programs whose coroutines have stacks of 8 KiB: every call, the handshake in it, forks, refusals and the log's lines."""

import socket
import threading

from lib.process import PROGRAMS, free_port, run
from lib.seal import Keys, Scenarios, SealWrap, needs_seal
from lib.tap import Tap, check, equal
from lib.wrap import WireWrap

STACKS = PROGRAMS / "seal/sock_stacks"


def plain_server():
    """A listener that answers with plaintext and ends; returns its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer():
        connection, _ = listener.accept()
        with connection, listener:
            connection.sendall(b"220 readable text of a plain server\r\n" * 20)
            connection.recv(100)
    threading.Thread(target=answer, daemon=True).start()
    return listener.getsockname()[1]


def runs_refused(wrap, port):
    result = run(wrap.argv([STACKS, "refused", port, "127.0.0.1"]))
    check(result.status == 0 and result.out.endswith(b"ok\n"), f"{result!r}; log {wrap.tail()}")


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_stacks")
    on.both("calls", "every call works on a stack of 8 KiB, and the handshake in it")
    on.both("processes", "fork, exec, posix_spawn, system and popen work on a stack of 8 KiB", marked=False)
    with tap.case("sealed: a peer that answers with plaintext is refused and logged on a stack of 8 KiB"):
        needs_seal()
        port = plain_server()
        wrap = SealWrap(Keys("peer"), connect=port)
        runs_refused(wrap, port)
        equal(len(wrap.events("refused")), 1, f"refusals; log {wrap.tail()}")
    for plaintext, event in (("log", "plaintext"), ("refuse", "refused")):
        with tap.case(f"wire: every call works on an inspected connection on a stack of 8 KiB, plaintext = {plaintext}"):
            wrap = WireWrap(plaintext=plaintext)
            if plaintext == "log":
                result = run(wrap.argv([STACKS, "calls", free_port(), "127.0.0.1"]))
                check(result.status == 0 and result.out.endswith(b"ok\n"), f"{result!r}; log {wrap.tail()}")
            else:
                runs_refused(wrap, plain_server())
            check(wrap.events(event), f"an event {event}; log {wrap.tail()}")
    for where in ("syslog", "/dev/full", "/nowhere/at/all", "stderr"):
        with tap.case(f"wire: a line for the log goes to {where} on a stack of 8 KiB"):
            wrap = WireWrap(plaintext="refuse")
            wrap.policy.write_text(wrap.policy.read_text().replace(f"log = {wrap.log}", f"log = {where}"))
            runs_refused(wrap, plain_server())
    tap.finish()


main()
