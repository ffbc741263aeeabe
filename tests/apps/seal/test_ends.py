"""How the end of a connection is logged, and what a program sees of a client that closes before it has sent anything.

`truncated` is the stream that a peer has not ended with FINAL, and nothing else. What comes behind FINAL, and a wrong byte
behind the confirm, are errors also if the program has closed without reading them.
"""

import socket

from lib.ending import Ending, Server, echo
from lib.process import DEADLINE, PYTHON, run, wait_until
from lib.seal import MODES, Keys, SealWrap, needs_seal
from lib.tap import Tap, check, contains, equal

MANNERS = ("select", "poll", "epoll", "edge", "one_shot", "blocking")
NO_FINAL = "the connection ended without FINAL"
# What the peer sends, and how the connection ends for a program that reads, and for one that closes without reading.
ENDS = (
    ("data and FINAL", ["data hello", "final", "send 0"], ("clean", None), ("clean", None)),
    ("FINAL as its first frame", ["final", "send 0"], ("clean", None), ("clean", None)),
    ("data, FINAL and FIN", ["data hello", "final", "send 0", "fin"], ("clean", None), ("clean", None)),
    ("data and FIN", ["data hello", "send 0", "fin"], ("truncated", NO_FINAL), ("truncated", NO_FINAL)),
    ("only the confirm and FIN", ["confirm", "send 0", "fin"], ("truncated", NO_FINAL), ("truncated", NO_FINAL)),
    ("data and a reset", ["data hello", "send 0", "reset"], ("truncated", None), ("truncated", None)),
    ("a part of FINAL and FIN", ["data hello", "final", "send 9", "fin"], ("truncated", NO_FINAL), ("truncated", NO_FINAL)),
    ("FINAL without its last byte and FIN", ["data hello", "final", "send 1", "fin"], ("clean", None), ("clean", None)),
    ("data behind FINAL", ["data hello", "final", "junk 30", "send 0"], ("error", "bytes after the end of the stream"),
     ("error", "bytes after the end of the stream")),
    ("a wrong byte behind FINAL", ["data hello", "final", "spoil", "send 0"], ("error", "a trailing byte that is not zero"),
     ("error", "a trailing byte that is not zero")),
    ("a wrong byte behind the confirm", ["confirm", "spoil", "send 0"], None, ("error", "a trailing byte that is not zero")),
    ("a forged frame", ["confirm", "data hello", "data hello", "send 1", "spoil", "send 0", "junk 90", "send 0"], None,
     ("error", None)),
    ("nothing", ["confirm", "send 0"], None, ("clean", None)),
    ("data", ["data hello", "send 0"], None, ("clean", None)),
)


def logged(server, expected, sentence):
    event = server.wrap.wait_event("closed")
    end, reason = expected
    equal(event["end"], end, f"the end after {sentence} in {event}")
    if reason or end == "clean":
        equal(event.get("reason"), reason, f"the reason after {sentence}")
    equal(len(server.wrap.events("closed")), 1, "lines about the end")


def ends(tap, keys):
    for sentence, commands, reads, _ in ENDS:
        if not reads:
            continue
        with tap.case(f"sealed: a program reads, and its peer sends {sentence}: the log says {reads[0]}"):
            needs_seal()
            with Server(MODES[1], keys, echo("blocking", "hold")) as server, \
                    Ending("client", server.port, keys, "client", "server") as peer:
                peer.say("handshake", *commands)
                wait_until(lambda: server.process.text(), "the end that the program reads")
                server.go_on()
                lines = server.end()
                check(any("error:" in line for line in lines) or reads[0] != "truncated", f"the program: {lines}")
                logged(server, reads, sentence)
    for sentence, commands, _, ignores in ENDS:
        with tap.case(f"sealed: a program closes without reading, and its peer had sent {sentence}: the log says {ignores[0]}"):
            needs_seal()
            with Server(MODES[1], keys, echo("ignore")) as server, \
                    Ending("client", server.port, keys, "client", "server") as peer:
                peer.say("handshake", *commands)
                if commands[-1] != "reset":
                    server.wrap.wait_event("opened")
                server.go_on()
                server.end()
                if commands[-1] != "reset" or server.wrap.events("opened"):
                    logged(server, ignores, sentence)
    with tap.case("sealed: a peer that ends without FINAL after the program has closed truncates nothing"):
        needs_seal()
        with Server(MODES[1], keys, echo("ignore")) as server, \
                Ending("client", server.port, keys, "client", "server") as peer:
            peer.say("handshake", "confirm", "send 0")
            server.wrap.wait_event("opened")
            server.go_on()
            contains(peer.say("read"), "final", "what the peer received")
            peer.say("fin")
            server.end()
            logged(server, ("clean", None), "a FIN that came too late")


def at_once(port):
    """A health check: connects and closes. With a half-close, so that the server's answer can be seen."""
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.settimeout(DEADLINE)
        peer.shutdown(socket.SHUT_WR)
        return peer.recv(100)


CHECKER = """import errno, socket, sys
for _ in range(int(sys.argv[2])):
    one = socket.socket()
    one.setblocking(False)
    assert one.connect_ex(("127.0.0.1", int(sys.argv[1]))) in (0, errno.EINPROGRESS)
    one.close()
"""


def unused(tap, keys):
    for manner in MANNERS:
        printed = {}
        for mode in MODES:
            with tap.case(f"{mode.name}: {manner}: a client that connects and closes at once is an end of file"):
                if mode.sealed:
                    needs_seal()
                with Server(mode, keys, echo(manner)) as server:
                    equal(at_once(server.port), b"" if mode.sealed else b"bye", "what the client received")
                    printed[mode.sealed] = server.end()
                    equal(printed[mode.sealed], printed[False], "what the server printed")
                    if mode.sealed:
                        event = server.wrap.wait_event("refused")
                        equal(event["reason"], "the peer closed the connection before it sent anything", "the reason")
                        equal(server.wrap.events("closed"), [], "ends of a connection that was never open")
    for mode in MODES:
        with tap.case(f"{mode.name}: a client that connects and resets at once is a reset"):
            if mode.sealed:
                needs_seal()
            with Server(mode, keys, echo("poll")) as server:
                with socket.create_connection(("127.0.0.1", server.port)) as peer:
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                contains(server.end()[-1], "error: [Errno 104]", "what the server printed")
                if mode.sealed:
                    equal(server.wrap.wait_event("refused")["reason"],
                          "the peer reset the connection before it sent anything", "reason")
    with tap.case("sealed: a client that sends a part of the handshake and closes is an error, with a reason of its own"):
        needs_seal()
        with Server(MODES[1], keys, echo("poll")) as server:
            with socket.create_connection(("127.0.0.1", server.port)) as peer:
                peer.sendall(bytes.fromhex("f5706673770d0a01"))
            contains(server.end()[-1], "error: [Errno 104]", "what the server printed")
            equal(server.wrap.wait_event("refused")["reason"], "the peer closed the connection during the handshake", "reason")
    with tap.case("sealed: a wrapped client that closes before its handshake completes it, and is an end of file"):
        needs_seal()
        with Server(MODES[1], keys, echo("poll")) as server:
            wrap = SealWrap(keys, identity="client", connect=server.port, peer="server")
            equal(run(wrap.argv([*PYTHON, "-c", CHECKER, server.port, 1])).status, 0, "status of the client")
            contains(server.end(), "read: b''", "what the server printed")
            event = server.wrap.wait_event("closed")  # the client is gone, and may reset what the server still sends
            check(event["end"] != "truncated", f"the end in the server's log: {event}")
            equal(wrap.wait_event("closed")["end"], "clean", "the end in the client's log")
            equal(server.wrap.events("refused"), [], "refusals")


def main():
    tap = Tap()
    keys = Keys("server", "client")
    ends(tap, keys)
    unused(tap, keys)
    tap.finish()


main()
