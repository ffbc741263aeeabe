"""Certificates: those that TLS 1.3 allows work; others are refused with a line that says why."""

from lib import certs, hello, peers
from lib.legacy import check_handshake
from lib.openssl_builds import builds
from lib.process import Process, free_port
from lib.tap import Tap, check
from lib.wrap import Wrap

ALLOWED = ["rsa", "p256", "p384", "ed25519"]
NOT_ALLOWED = ["dsa", "p224", "secp256k1", "rsa512"]


def start(build, certificate, wrap):
    port = free_port()
    argv, env = build.launch(["openssl", "s_server", "-accept", port, "-cert", certificate.cert, "-key", certificate.key,
                              "-cipher", "ALL:@SECLEVEL=0", "-www"], wrap)
    process = Process(argv, env=env)
    process.port = port
    return process


def prove(tap, build):
    for kind in ALLOWED:
        with tap.case(f"{build.name} s_server wrapped serves TLS 1.3 with a certificate of kind {kind}"):
            wrap = Wrap()
            with start(build, certs.self_signed(kind), wrap) as server:
                server.wait_for_port(server.port)
                result = peers.s_client(server.port, "-tls1_3")
                check(peers.negotiated(result.text), f"{result!r}")
                check_handshake(wrap.wait_event("handshake", role="server"))
    for kind in NOT_ALLOWED:
        certificate = certs.self_signed(kind)
        with tap.case(f"{build.name} s_server bare serves TLS 1.2 with {kind}, so that a refusal means something"):
            with start(build, certificate, None) as server:
                server.wait_for_port(server.port)
                suites = None if kind != "dsa" else [0x00A3, 0x00A2, 0x0038, 0x0032]
                suites = suites or hello.ECDHE_SUITES + hello.STATIC_RSA
                answer = hello.offer(server.port, [hello.TLS12], suites, [0x0015, 0x0016, *hello.ECDHE_GROUPS])
                check(answer.accepted, f"found {answer}; it printed {server.text()[-600:]}")
        with tap.case(f"{build.name} s_server wrapped with a certificate of kind {kind} is refused, and the log says why"):
            wrap = Wrap()
            with start(build, certificate, wrap) as server:
                try:
                    server.wait_for_port(server.port)
                except AssertionError:
                    pass  # refused when the certificate was loaded
                else:
                    result = peers.s_client(server.port, "-cipher", "ALL:@SECLEVEL=0", "-sigalgs",
                                            "ECDSA+SHA256:RSA+SHA256:DSA+SHA256:RSA-PSS+SHA256")
                    check(not peers.negotiated(result.text), f"expected no connection: {result!r}")
                reason = wrap.wait_event("refused").get("reason", "")
                check("certificate" in reason, f"expected a reason that names the certificate, found {reason!r}")

    for kind in ("p224", "secp256k1"):
        with tap.case(f"{build.name} s_server under mode = audit serves TLS 1.2 with {kind}, and the log says what enforce would"):
            wrap = Wrap(mode="audit")
            with start(build, certs.self_signed(kind), wrap) as server:
                server.wait_for_port(server.port)
                result = peers.s_client(server.port, "-cipher", "ALL:@SECLEVEL=0", "-sigalgs", "ECDSA+SHA256", "-curves",
                                        "P-224:secp256k1:P-256")
                check(peers.negotiated(result.text), f"{result!r}")
                event = wrap.wait_event("would-refuse", rule="tls")
                check("curve cannot be used in TLS 1.3" in event["reason"] and "older" in event["detail"], f"found {event}")


tap_ = Tap()
for each in builds(tap_):
    prove(tap_, each)
tap_.finish()
