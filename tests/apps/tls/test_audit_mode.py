"""mode = audit changes nothing, and logs what enforce would change or refuse."""

import ssl

from lib import hello, peers
from lib.legacy import WEAK_OFFERS, http_exchange
from lib.nginx import DIGEST, legacy_nginx
from lib.process import PROGRAMS, run
from lib.tap import Tap, check, equal
from lib.wrap import Wrap


def main():
    tap = Tap()
    wrap = Wrap(mode="audit")
    with legacy_nginx().start(wrap) as nginx:
        for words, offer in WEAK_OFFERS.values():
            with tap.case(f"nginx under mode = audit still accepts {words}"):
                answer = offer(nginx.port)
                check(answer.accepted, f"expected a ServerHello, found {answer}")
        with tap.case("nginx under mode = audit chooses the same as bare"):
            with legacy_nginx().start() as bare:
                for _, offer in WEAK_OFFERS.values():
                    first, second = offer(bare.port), offer(nginx.port)
                    equal((second.version, second.cipher), (first.version, first.cipher), "version and cipher")
        with tap.case("nginx under mode = audit carries data over TLS 1.2, and logs the weak handshake"):
            context = peers.client_context(ssl.TLSVersion.TLSv1_2, ciphers="AES128-SHA:@SECLEVEL=0")
            http_exchange("/blob", DIGEST)(nginx.port, context)
            event = wrap.wait_event("handshake", role="server", version="TLSv1.2")
            check("AES_128_CBC_SHA" in event["cipher"] or event["cipher"] == "AES128-SHA", f"cipher in {event}")
            check(not event.get("group"), f"no group in a static RSA handshake: {event}")
        with tap.case("nginx under mode = audit logs that enforce would refuse that connection, and why"):
            check(wrap.wait_event("would-refuse").get("reason"), "a reason")
        with tap.case("nginx under mode = audit logs what enforce would override"):
            event = wrap.wait_event("would-override")
            check(event.get("setting") and "asked" in event, f"setting and asked in {event}")
        with tap.case("nginx under mode = audit logs nothing as overridden or refused"):
            equal(wrap.events("override") + wrap.events("refused"), [], "events")
        with tap.case("nginx under mode = audit accepts no TLS 1.3, as its configuration says"):
            answer = hello.offer_group(nginx.port, "X25519")
            check(not answer.accepted, f"found {answer}")

    names = run([PROGRAMS / "tls/weaken", "list"]).out.decode().split("\n")
    echo = lambda connection, _peer: connection.sendall(connection.recv(4096))  # noqa: E731
    with peers.Server(echo, ciphers="ALL:@SECLEVEL=0") as server:
        for line in [name for name in names if name]:
            name, where = line.split()[:2]
            with tap.case(f"a client that sets {name} negotiates the same under mode = audit as bare"):
                words = [PROGRAMS / "tls/weaken", name, where, "client", server.port]
                bare, audited = run(words), run(Wrap(mode="audit").argv(words))
                lines = lambda result: [line for line in result.text.splitlines()  # noqa: E731
                                        if line.startswith(("answer", "reads", "negotiated", "received", "failed"))]
                equal((audited.status, lines(audited)), (bare.status, lines(bare)), "status and output")
        for name, setting in (("groups_ffdhe", "groups"), ("dh_parameters", "dh-parameters"),
                              ("ciphers_all", "cipher-list"), ("security_level", "security-level")):
            for where in ("ctx", "ssl"):
                with tap.case(f"mode = audit logs that enforce would override {name} on the {where}"):
                    audit = Wrap(mode="audit")
                    run(audit.argv([PROGRAMS / "tls/weaken", name, where, "client", server.port]))
                    check(audit.events("would-override", setting=setting), f"a {setting}; log: {audit.tail()}")
    tap.finish()


main()
