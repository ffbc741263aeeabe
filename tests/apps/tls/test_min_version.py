"""min-version = 1.2, for peers that cannot do TLS 1.3: ECDHE with AEAD, and nothing else of TLS 1.2."""

from lib import hello, peers
from lib.legacy import SUITES
from lib.nginx import legacy_nginx
from lib.offered import Trap
from lib.process import run
from lib.tap import Tap, check, equal, lacks
from lib.wrap import Wrap

import ssl

POLICY = {"min-version": "1.2"}
ECDHE_AEAD = [0xC02F, 0xC030, 0xCCA8]
ECDHE_CBC = [0xC013, 0xC014, 0xC027, 0xC028]
REFUSED = {
    "TLS 1.2 with static RSA": hello.offer_static_rsa,
    "TLS 1.2 with finite-field DH": hello.offer_ffdhe_suites,
    "TLS 1.2 with ECDHE and CBC": lambda port: hello.offer_tls12(port, ECDHE_CBC),
    "TLS 1.2 with static RSA and AEAD": lambda port: hello.offer_tls12(port, [0x009C, 0x009D]),
    "TLS 1.3 with finite-field groups": hello.offer_ffdhe_groups,
    "TLS 1.1": lambda port: hello.offer_old(port, 0x0302),
    "TLS 1.0": lambda port: hello.offer_old(port, 0x0301),
}


def main():
    tap = Tap()
    wrap = Wrap(tls=POLICY)
    with legacy_nginx().start(wrap) as nginx:
        for words, offer in REFUSED.items():
            with tap.case(f"nginx with min-version = 1.2 refuses {words}"):
                answer = offer(nginx.port)
                check(not answer.accepted, f"expected a refusal, found {answer}")
        with tap.case("nginx with min-version = 1.2 accepts TLS 1.2 with ECDHE and AEAD, and logs its group"):
            context = peers.client_context(ssl.TLSVersion.TLSv1_2)
            with peers.connected(nginx.port, context) as connection:
                name, version, _ = connection.cipher()
                check(version == "TLSv1.2" and name.startswith("ECDHE-"), f"cipher {name} of {version}")
            event = wrap.wait_event("handshake", version="TLSv1.2")
            check(event["cipher"].startswith(("ECDHE-", "TLS_ECDHE_")), f"cipher in {event}")
            check(event.get("group") in ("X25519", "P-256", "P-384"), f"group in {event}")
        with tap.case("nginx with min-version = 1.2 uses TLS 1.3 with clients that support it"):
            with peers.connected(nginx.port) as connection:
                equal(connection.version(), "TLSv1.3", "version")
            check(wrap.wait_event("handshake", version="TLSv1.3")["cipher"] in SUITES, "suite")

    with Trap() as trap:
        with tap.case("curl with min-version = 1.2 offers TLS 1.3 and 1.2, ECDHE with AEAD alone"):
            result = run(Wrap(tls=POLICY).argv(["curl", "-sk", "--tls-max", "1.2", "--ciphers", "ALL:@SECLEVEL=0",
                                                f"https://localhost:{trap.port}/"]))
            check(trap.offers, f"expected a ClientHello: {result!r}")
            offer = trap.offers[0]
            check(set(offer.versions) <= {0x0304, 0x0303} and 0x0303 in offer.versions, f"versions of {offer}")
            for weak in (*hello.STATIC_RSA, *hello.FFDHE_SUITES, *ECDHE_CBC, *hello.ANONYMOUS, *hello.NO_ENCRYPTION):
                lacks(offer.suites, weak, "suites")
            check(set(offer.suites) & set(ECDHE_AEAD), f"ECDHE with AEAD in {offer}")
            check(not [group for group in offer.groups if 0x0100 <= group <= 0x01FF], f"groups of {offer}")
    tap.finish()


main()
