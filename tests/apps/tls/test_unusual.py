"""Programs that use libssl in unusual ways: the policy holds there, too, and nothing hangs, crashes or is not logged."""

import socket
import threading

from lib import certs, hello, peers
from lib.legacy import SUITES
from lib.process import DEADLINE, PROGRAMS, Process, free_port, run
from lib.tap import Tap, check, equal
from lib.wrap import Wrap

UNUSUAL = PROGRAMS / "tls/unusual"
OTHER_PIN = "A" * 43 + "="  # no key has it
VERIFY = {"verify-server": "require", "ca-file": certs.authority().cert}
SSL_ERROR_SSL = 1


def prove_shutdown_after_refusal(tap):
    for mode, said in (("shutdown", f"connect -1 error {SSL_ERROR_SSL}"), ("bio", "connect 0")):
        ended = threading.Event()
        with tap.case(f"a client whose connection was refused shuts down and is not killed by SIGPIPE ({mode})"), \
                peers.Server(lambda *_: ended.wait(DEADLINE)) as server:
            server.context.num_tickets = 0  # its answer to a ticket could be a reset, which raises no signal
            bare = run([UNUSUAL, mode, server.port])
            equal((bare.status, bare.lines[-1]), (0, "alive 1"), f"bare: {bare!r}")
            wrap = Wrap(tls=dict(VERIFY, **{"pin-sha256": OTHER_PIN}))
            result = run(wrap.argv([UNUSUAL, mode, server.port]))
            equal((result.status, result.lines[-1:]), (0, ["alive 1"]), f"end of {result!r}")
            equal(result.lines[0], said, "the handshake")
            ended.set()
            wrap.wait_event("refused", role="client")


def prove_again(tap):
    with tap.case("a connection object that SSL_set_connect_state resets is verified again"), \
            peers.Server(peers.echo) as first, peers.Server(peers.echo, certs.self_signed("rsa")) as second:
        wrap = Wrap(tls=dict(VERIFY, **{"pin-sha256": certs.server().pin()}))
        bare = run([UNUSUAL, "again", first.port, second.port])
        equal(bare.lines, ["first 1 error 0", "second 7 error 0"], f"bare: {bare!r}")
        result = run(wrap.argv([UNUSUAL, "again", first.port, second.port]))
        equal(result.lines, ["first 1 error 0", f"second -1 error {SSL_ERROR_SSL}"], f"{result!r}")
        wrap.wait_event("refused", role="client", peer=f"127.0.0.1:{second.port}")
        again = run(wrap.argv([UNUSUAL, "again", first.port, first.port]))
        equal(again.lines, ["first 1 error 0", "second 7 error 0"], f"{again!r}")
        equal(len(wrap.events("handshake")), 3, "handshakes logged")


def prove_method(tap):
    with tap.case("a program that drives libssl's BIO through its method's functions is upgraded, and its data arrives"), \
            peers.Server(peers.echo) as server:
        equal(run([UNUSUAL, "method", server.port]).lines, ["set 1", "write 1", "read 1", "version TLSv1.2"], "bare")
        result = run(Wrap().argv([UNUSUAL, "method", server.port]))
        equal(result.lines, ["set 1", "write 1", "read 1", "version TLSv1.3"], f"{result!r}")


class Staller:
    """Completes a handshake, reads a line, then sends the beginning of a record and no more."""

    def __init__(self, sent):
        self.done = threading.Event()

        def handle(connection, _peer):
            connection.recv(4096)
            raw = socket.socket(fileno=connection.fileno())
            raw.sendall(sent)
            self.done.wait(DEADLINE)
            raw.detach()
        self.server = peers.Server(handle)
        self.server.context.num_tickets = 0


def prove_stall(tap):
    for sent, words in ((b"\x17", "one byte"), (b"\x17\x03\x03\x40\x00" + bytes(100), "part of a record"),
                        (b"\x17\x03\x03\xff\xff", "a record of no allowed length")):
        with tap.case(f"a peer that sends {words} and then nothing does not delay the SSL_shutdown of an upgraded client"):
            staller = Staller(sent)
            try:
                result = run(Wrap().argv([UNUSUAL, "stall", staller.server.port]), timeout=DEADLINE / 2)
                equal((result.status, result.lines), (0, ["connect 1 error 0", "shutdown 0"]), f"{result!r}")
            finally:
                staller.done.set()
                staller.server.stop()


def prove_early_server(tap):
    certificate = certs.server()
    with tap.case("a handshake that fails in SSL_read_early_data is in the audit log"):
        wrap, port = Wrap(), free_port()
        with Process(wrap.argv([UNUSUAL, "early", port, certificate.cert, certificate.key])).wait_for_port(port):
            check(not hello.offer_tls12(port).accepted, "TLS 1.2 should be refused")
            wrap.wait_event("refused", role="server")


def prove_in_process(tap):
    for tls in ({}, {"session-tickets": "refuse"}):
        with tap.case(f"ends with a preshared key and no certificate connect under {tls or 'the default policy'}"):
            wrap = Wrap(tls=tls)
            equal(run([UNUSUAL, "psk"]).lines, ["passed 1"], "bare")
            result = run(wrap.argv([UNUSUAL, "psk"]))
            equal(result.lines, ["passed 1"], f"{result!r}; log: {wrap.tail()}")
            equal([event["version"] for event in wrap.events("handshake")], ["TLSv1.3"] * 2, "versions")
    with tap.case("a server that never asked for client certificates resumes under client-certificates = require"):
        server, client, ca = certs.server(), certs.client(), certs.authority()
        words = [UNUSUAL, "resume", server.cert, server.key, client.cert, client.key, ca.cert]
        equal(run(words).lines, ["first 1", "second 1", "resumed 1"], "bare")
        wrap = Wrap(tls={"client-certificates": "require"})
        result = run(wrap.argv(words))
        equal(result.lines, ["first 1", "second 1", "resumed 1"], f"{result!r}; log: {wrap.tail()}")
        equal([event["verified"] for event in wrap.events("handshake", role="server")], ["policy"] * 2, "verified")


def prove_ciphers(tap):
    with tap.case("a program that asks what its connection would offer gets the policy's suites, and its cap reads back"):
        bare, result = run([UNUSUAL, "ciphers"]).lines, run(Wrap().argv([UNUSUAL, "ciphers"])).lines
        equal((bare[0], bare[-1], result[0], result[-1]), ("some 1", "max 1") * 2, "list and cap")
        check(not any("TLS_" in line for line in bare), f"bare: {bare}")
        equal(sorted(result[1:-1]), sorted(f"cipher {name}" for name in SUITES), "suites")


def prove_queue(tap):
    with tap.case("after a program makes a connection, its own errors, its mark and errno are unchanged"):
        bare, result = run([UNUSUAL, "queue"]), run(Wrap().argv([UNUSUAL, "queue"]))
        check("left 12" in bare.lines, f"bare: {bare!r}")
        equal(result.lines, bare.lines, f"{result!r}")


def main():
    tap = Tap()
    prove_shutdown_after_refusal(tap)
    prove_again(tap)
    prove_method(tap)
    prove_stall(tap)
    prove_early_server(tap)
    prove_in_process(tap)
    prove_ciphers(tap)
    prove_queue(tap)
    tap.finish()


main()
