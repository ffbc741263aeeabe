"""nginx with an old configuration: TLS 1.2 only, static RSA and finite-field DH ciphers."""

import hashlib
import signal

from lib import hello, peers
from lib.legacy import check_handshake, http_get, prove_server
from lib.nginx import DIGEST, legacy_nginx, write_config
from lib.process import wait_until
from lib.tap import Tap, check, equal
from lib.wrap import Wrap


def fetch(port, path):
    with peers.connected(port) as connection:
        return http_get(connection, path)


def main():
    tap = Tap()
    server = legacy_nginx()
    prove_server(tap, server)

    wrap = Wrap()
    with server.start(wrap) as nginx:
        with tap.case("nginx wrapped keeps a connection alive over many requests, in one handshake"):
            with peers.connected(nginx.port) as connection:
                for number in range(20):
                    status, body = http_get(connection, "/blob", close=False)
                    equal((status, hashlib.sha256(body).hexdigest()), (200, DIGEST), f"request {number}")
            wrap.wait_event("handshake", role="server")
            equal(len(wrap.events("handshake", role="server")), 1, "handshake events")

        with tap.case("nginx wrapped logs from workers that have dropped their privileges"):
            event = wrap.wait_event("handshake", role="server")
            check(event["pid"] != nginx.pid, f"expected a worker's pid, not the master's, in {event}")
            check_handshake(event)

        with tap.case("nginx wrapped refuses TLS 1.2 from its new workers after a reload, and serves TLS 1.3"):
            write_config(nginx.folder, nginx.port, "second")
            nginx.signal(signal.SIGHUP)
            wait_until(lambda: fetch(nginx.port, "/config")[1] == b"second", "the new configuration to be served")
            for number in range(8):
                answer = hello.offer_tls12(nginx.port)
                check(not answer.accepted, f"attempt {number}: expected a refusal, found {answer}")

        with tap.case("nginx wrapped uses the curve of its configuration if the policy allows it"):
            write_config(nginx.folder, nginx.port, "third", "secp384r1")
            nginx.signal(signal.SIGHUP)
            wait_until(lambda: fetch(nginx.port, "/config")[1] == b"third", "the new configuration to be served")
            wait_until(lambda: not hello.offer_group(nginx.port, "X25519").accepted, "the old workers to end")
            check(hello.offer_group(nginx.port, "P-384").accepted, "P-384 should be accepted")

        with tap.case("nginx wrapped ends its workers and itself on SIGQUIT"):
            nginx.signal(signal.SIGQUIT)
            equal(nginx.wait(), 0, "exit status")

    with tap.case("nginx wrapped logs what it overrode, each setting once in a process and not once in a connection"):
        settings = [event.get("setting") for event in wrap.events("override")]
        check(any("protocol" in str(setting).lower() or "version" in str(setting).lower() or
                  "option" in str(setting).lower() for setting in settings),
              f"expected an override of the protocol version among {settings}")
    tap.finish()


main()
