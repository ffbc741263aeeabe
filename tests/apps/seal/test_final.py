"""The end of a stream is FINAL: programs see it as they see a bare FIN, whatever the peer sends behind FINAL, or nothing.

The peer is a program of the test, which speaks the protocol itself. Bare, a plain peer sends the same words and FIN.
"""

import socket
import subprocess

from lib.ending import Ending, Server, echo
from lib.process import BUILD, DEADLINE, ROOT, Process, find, free_port, run, wait_until
from lib.seal import MODES, Keys, SealWrap, needs_seal
from lib.tap import Skip, Tap, check, contains, equal

MANNERS = ("select", "poll", "epoll", "edge", "one_shot", "blocking", "forked", "duplicate")
WORDS = "hello"
# What the peer sends: the sentence, the words before the end, and the commands.
STORIES = (
    ("FINAL in a packet of its own", [WORDS], ["data hello", "send 0", "receive 5", "final", "send 0"]),
    ("FINAL as the first frame", [], ["final", "send 0"]),
    ("FINAL right behind the confirm", [], ["confirm", "final", "send 0"]),
    ("confirm, data and FINAL at once", [WORDS], ["confirm", "data hello", "final", "send 0"]),
    ("data and FINAL at once", [WORDS], ["confirm", "send 0", "data hello", "final", "send 0"]),
    ("data without a confirm, and FINAL", [WORDS], ["data hello", "send 0", "final", "send 0"]),
    ("data without a confirm, and FINAL at once", [WORDS], ["data hello", "final", "send 0"]),
    ("FINAL in two packets", [WORDS], ["data hello", "send 0", "receive 5", "final", "send 9", "send 0"]),
    ("FINAL and its last byte in two packets", [WORDS], ["data hello", "send 0", "receive 5", "final", "send 1", "send 0"]),
)


def bare(manner, words):
    """What the bare server prints for a plain peer that sends these words and FIN."""
    with Server(MODES[0], Keys("server"), echo(manner)) as server, \
            socket.create_connection(("127.0.0.1", server.port)) as peer:
        peer.settimeout(DEADLINE)
        if words:
            peer.sendall(WORDS.encode())
            equal(peer.recv(100), WORDS.encode(), "the echo")
        peer.shutdown(socket.SHUT_WR)
        equal(peer.recv(100), b"bye", "the server's last words")
        return server.end()


def same_events(manner, found, expected):
    """Edge-triggered, the end may be reported with the read that found it, and once after that."""
    if manner == "edge":
        found, expected = [[line for line in lines if not line.startswith("again") or line == "again: in rdhup"]
                           for lines in (found, expected)]
        check(sum("rdhup" in line for line in found) == 1, f"one event at the end expected: {found}")
        found, expected = [[line for line in lines if "rdhup" not in line and line != "end: in"]
                           for lines in (found, expected)]
    equal([line for line in found], [line for line in expected], "what the server printed")


def manners(tap, keys):
    for manner in MANNERS:
        reference = {}
        with tap.case(f"bare: {manner}: a FIN is an event that leads to the end of the stream"):
            for words in ([], [WORDS]):
                reference[len(words)] = bare(manner, words)
                contains(reference[len(words)], "read: b''", "what the server printed")
        for sentence, words, commands in STORIES:
            with tap.case(f"sealed: {manner}: {sentence}, and no FIN, is the same"):
                needs_seal()
                with Server(MODES[1], keys, echo(manner)) as server, \
                        Ending("client", server.port, keys, "client", "server") as peer:
                    peer.say("handshake", *commands)
                    contains(peer.say("read"), "bye final", "what the peer received")
                    same_events(manner, server.end(), reference[len(words)])
                    peer.finish()
                    equal(server.wrap.wait_event("closed")["end"], "clean", "the end in the log")


def afterwards(tap, keys):
    """The peer sends FINAL, and the rest only when the program has seen the end."""
    for manner in MANNERS:
        for sentence, commands, end in (("FIN", ["fin"], "clean"), ("a reset", ["reset"], None),
                                        ("bytes", ["junk 30", "send 0"], "error")):
            with tap.case(f"sealed: {manner}: {sentence} that comes after the end changes nothing for the program"):
                needs_seal()
                with Server(MODES[1], keys, echo(manner, "hold")) as server, \
                        Ending("client", server.port, keys, "client", "server") as peer:
                    peer.say("handshake", "data hello", "final", "send 0")
                    wait_until(lambda: "end:" in server.process.text(), "the end of the stream")
                    peer.say(*commands)
                    server.go_on()
                    if sentence != "a reset":
                        contains(peer.say("read"), "bye final", "what the peer received")
                    lines = server.end()
                    contains(lines, "read: b''", "what the server read")
                    if manner not in ("edge", "blocking"):
                        check(all("in" in line.split() for line in lines if line.startswith("again")), f"readable: {lines}")
                    event = server.wrap.wait_event("closed")
                    check(end in (None, event["end"]), f"the end in the log: {event}")


def programs(tap, keys):
    """socat servers, which wait with select() or poll() for one end and for the other."""
    for target in ("PIPE", "EXEC:cat", "EXEC:cat,nofork"):
        for sentence, words, commands in STORIES:
            with tap.case(f"sealed: socat {target}: {sentence}, and no FIN, ends it"):
                needs_seal()
                if not find("socat"):
                    raise Skip("there is no socat here")
                with Server(MODES[1], keys, ["socat", "-t", "30", "TCP-LISTEN:PORT,bind=127.0.0.1,reuseaddr", target]) as server, \
                        Ending("client", server.port, keys, "client", "server") as peer:
                    peer.say("handshake", *commands)
                    contains(peer.say("read").split(), "final", "what the peer received")
                    server.end()


def example(tap, keys):
    """The library's example, built as anybody would build it, against each kind of server."""
    program = keys.folder / "seal_client"
    with tap.case("the client of the examples compiles without a warning"):
        done = run(["cc", "-Wall", "-Wextra", "-Werror", "-I", ROOT / "include", ROOT / "examples/seal_client.c",
                    BUILD / "libpfswrap-seal.a", "-lsodium", "-o", program,
                    *(["--coverage"] if BUILD.name == "build-coverage" else [])])
        equal(done.status, 0, f"{done!r}")
    for manner in MANNERS:
        with tap.case(f"sealed: {manner}: the client of the examples gets its answer and the end"):
            needs_seal()
            with Server(MODES[1], keys, echo(manner)) as server:
                done = run([program, server.port, keys.path("client"), keys.peers, "server", "a line"])
                equal((done.status, done.out), (0, b"a linebye"), f"{done!r}")
                server.end()


RESPONSE = "data HTTP/1.0 200 OK\\r\\n\\r\\nthe whole page\\n"


def clients(tap, keys):
    """Wrapped clients that read to the end of the stream, of a server that sends FINAL and no FIN."""
    for name, argv in (("wget", ["wget", "-q", "-O-", "http://127.0.0.1:PORT/"]),
                       ("curl", ["curl", "-sS", "http://127.0.0.1:PORT/"]),
                       ("socat", ["socat", "-t", "30", "-", "TCP:127.0.0.1:PORT"]),
                       ("nc", ["nc.openbsd", "-N", "127.0.0.1", "PORT"]),
                       ("bash", ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/PORT; echo GET >&3; exec cat <&3"])):
        for sentence, commands in (("at once", [RESPONSE, "final", "send 0"]),
                                   ("in two packets", [RESPONSE, "send 0", "final", "send 0"]),
                                   ("and then FIN", [RESPONSE, "final", "send 0", "fin"])):
            with tap.case(f"sealed: {name} ends after data and FINAL {sentence}"):
                needs_seal()
                if not find(argv[0]):
                    raise Skip(f"there is no {argv[0]} here")
                port = free_port()
                wrap = SealWrap(keys, identity="client", connect=port, peer="server")
                with Ending("server", port, keys, "server", "client") as peer:
                    words = [word.replace("PORT", str(port)) for word in argv]
                    with Process(wrap.argv(words), stdin=subprocess.PIPE) as client:
                        client.popen.stdin.write(b"GET / HTTP/1.0\r\n\r\n")
                        client.popen.stdin.close()
                        client.popen.stdin = None
                        peer.say("handshake", "receive 4", *commands)
                        equal(client.wait(), 0, f"status of {name}: {client.text()!r}; log: {wrap.tail()}")
                        contains(client.text(), "the whole page", f"what {name} printed")


def main():
    tap = Tap()
    keys = Keys("server", "client")
    for group in (manners, afterwards, programs, example, clients):
        group(tap, keys)
    tap.finish()


main()
