"""verify-server = require, pins and client-certificates = require: what the policy verifies if the program does not."""

import os
import ssl

from lib import certs, peers
from lib.openssl_builds import builds
from lib.process import PROGRAMS, Process, free_port, run
from lib.tap import Skip, Tap, check, equal
from lib.wrap import Wrap

BODY = b"for your eyes only\n"


def careless_curl(server, tls, host="localhost"):
    """curl that verifies nothing itself; returns (its Result, the Wrap)."""
    wrap = Wrap(tls=tls)
    return run(wrap.argv(["curl", "-skS", f"https://{host}:{server.port}/"])), wrap


def accepted(tap, sentence, certificate, tls, host="localhost"):
    with tap.case(sentence), peers.Server(peers.reply_http(BODY), certificate) as server:
        result, wrap = careless_curl(server, tls, host)
        equal((result.status, result.out), (0, BODY), f"{result!r}; log: {wrap.tail()}")
        event = wrap.wait_event("handshake", role="client")
        check(event.get("verified") not in (None, False, "none", "application"), f"verified in {event}")


def refused(tap, sentence, certificate, tls, host="localhost"):
    got = []

    def note(connection, _peer):
        got.append(connection.recv(4096))

    with tap.case(sentence), peers.Server(note, certificate) as server:
        result, wrap = careless_curl(server, tls, host)
        check(result.status != 0 and not result.out, f"expected a failure: {result!r}")
        event = wrap.wait_event("refused")
        check(event.get("reason"), f"expected a reason in {event}")
        equal([data for data in got if data], [], "application data that reached the server")


def prove_servers(tap):
    ca = str(certs.authority().cert)
    good, other_ca = certs.server(), certs.signed("server-other-ca", ca="other-ca")
    other_name = certs.signed("server-other-name", names="DNS:other.test")
    require = {"verify-server": "require", "ca-file": ca}
    with tap.case("curl -k bare accepts any certificate, so that a refusal means something"):
        with peers.Server(peers.reply_http(BODY), other_ca) as server:
            equal(run(["curl", "-skS", f"https://localhost:{server.port}/"]).out, BODY, "body")
    accepted(tap, "curl -k under verify-server = require accepts a server of the CA with its name", good, require)
    refused(tap, "curl -k under verify-server = require refuses a server that it names by address only, without a pin", good,
            require, "127.0.0.1")
    accepted(tap, "curl -k under verify-server = require accepts a server that it names by address only, by its pin", good,
             dict(require, **{"pin-sha256": good.pin()}), "127.0.0.1")
    refused(tap, "curl -k under verify-server = require refuses a certificate of another CA", other_ca, require)
    refused(tap, "curl -k under verify-server = require refuses a certificate for another name", other_name, require)
    refused(tap, "curl -k under verify-server = require refuses a certificate that signs itself",
            certs.self_signed("rsa"), require)
    with tap.case("curl -k under verify-server = require refuses a certificate that is signed over SHA-1"):
        weak, port = certs.signed("server-sha1", digest="sha1"), free_port()
        with Process(["openssl", "s_server", "-accept", port, "-www", "-cipher", "DEFAULT:@SECLEVEL=0", "-cert", weak.cert,
                      "-key", weak.key]).wait_for_port(port):
            words, wrap = ["curl", "-skS", "--ciphers", "DEFAULT:@SECLEVEL=0", f"https://localhost:{port}/"], Wrap(tls=require)
            equal(run(words).status, 0, "curl bare")
            result = run(wrap.argv(words))
            check(result.status != 0 and not result.out, f"expected a failure: {result!r}")
            check("weak" in wrap.wait_event("refused")["reason"], f"a reason; log: {wrap.tail()}")
    accepted(tap, "curl -k with the right pin gets its data", good, dict(require, **{"pin-sha256": good.pin()}))
    accepted(tap, "curl -k with one right pin of two gets its data", good,
             dict(require, **{"pin-sha256": [other_ca.pin(), good.pin()]}))
    refused(tap, "curl -k with another key's pin refuses the server", good,
            dict(require, **{"pin-sha256": other_ca.pin()}))


def prove_client_certificates(tap, build, words, policy):
    """A server that asks for no certificate by itself, but has a CA for clients."""
    certificate, port = certs.server(), free_port()
    wrap = Wrap(tls=dict(policy, **{"client-certificates": "require"}))
    argv, env = build.launch(["openssl", "s_server", "-accept", port, "-cert", certificate.cert, "-key", certificate.key,
                              "-CAfile", certs.authority().cert, "-rev"], wrap)
    name = f"{build.name} s_server under client-certificates = require, with {words},"

    def exchange(own):
        with peers.connected(port, peers.client_context(ssl.TLSVersion.TLSv1_3, certificate=own)) as connection:
            connection.sendall(b"abc\n")
            return connection.recv(100)

    with Process(argv, env=env).wait_for_port(port):
        with tap.case(f"{name} accepts a client with a certificate of the CA"):
            equal(exchange(certs.client()), b"cba\n", f"answer; log: {wrap.tail()}")
        others = {"no certificate": None, "one that signs itself": certs.self_signed("p256"),
                     "one of another CA": certs.signed("client-other-ca", names="DNS:client.test", usage="clientAuth",
                                                       ca="other-ca")}
        for kind, own in others.items():
            with tap.case(f"{name} refuses a client with {kind}"):
                try:
                    answer = exchange(own)
                except OSError:
                    answer = b""
                equal(answer, b"", f"answer; log: {wrap.tail()}")


def prove_after_chroot(tap):
    """The trusted certificates are read when the program makes its context, since it may not be able to later."""
    def echo(connection, _peer):
        connection.sendall(connection.recv(4096))

    with tap.case("the server of a program that changes its root and drops its privileges is still verified"), \
            peers.Server(echo) as server:
        if os.getuid() != 0:
            raise Skip("only root can chroot and drop privileges")
        wrap = Wrap(tls={"verify-server": "require", "ca-file": certs.authority().cert, "pin-sha256": certs.server().pin()})
        folder = wrap.folder / "root"
        folder.mkdir()
        result = run(wrap.argv([PROGRAMS / "tls/detached", "close_range", server.port, folder]))
        equal(result.status, 0, f"{result!r}; log: {wrap.tail()}")
        equal(wrap.wait_event("handshake", role="client")["verified"], "policy", "verified")


tap_ = Tap()
prove_servers(tap_)
prove_after_chroot(tap_)
for each in builds(tap_):
    prove_client_certificates(tap_, each, "the program's own CA", {})
    prove_client_certificates(tap_, each, "the policy's ca-file",
                              {"verify-server": "require", "ca-file": str(certs.authority().cert)})
tap_.finish()
