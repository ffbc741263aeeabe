"""DTLS with the openssl command of each build: DTLS 1.2 with ECDHE and AEAD, or no DTLS (dtls = refuse)."""

from lib import certs
from lib.openssl_builds import builds
from lib.process import Process, free_port, wait_until
from lib.tap import Tap, check
from lib.wrap import Wrap

WEAK = {
    "DTLS 1.0": ["-dtls1"],
    "static RSA": ["-dtls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"],
    "finite-field DH": ["-dtls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"],
    "ECDHE without AEAD": ["-dtls1_2", "-cipher", "ECDHE-RSA-AES128-SHA:@SECLEVEL=0"],
}


def s_server(build, port, wrap, *options):
    argv, environment = build.launch(
        ["openssl", "s_server", "-accept", str(port), "-cert", str(certs.server().cert), "-key",
         str(certs.server().key), "-cipher", "ALL:@SECLEVEL=0", "-quiet", *options], wrap)
    return Process(argv, env=environment)


def talks(build, port, *options, wrap=None):
    """Whether a client with these options finishes a handshake."""
    result = build.run("s_client", "-connect", f"127.0.0.1:{port}", *options, data=b"Q\n", wrap=wrap, timeout=3)
    return any("Cipher is " in line and "(NONE)" not in line for line in result.text.splitlines())


def prove(tap, build):
    with tap.case(f"{build.name} s_server wrapped accepts DTLS 1.2 with ECDHE and AEAD, and nothing weaker"):
        wrap, port = Wrap(), free_port()
        with s_server(build, port, wrap, "-dtls") as server:
            server.wait_for_port(port, udp=True)
            for name, options in WEAK.items():
                check(not talks(build, port, *options), f"expected a refusal of {name}; log: {wrap.tail()}")
            check(talks(build, port, "-dtls1_2"), f"expected a handshake; log: {wrap.tail()}")
            event = wrap.wait_event("handshake", role="server", version="DTLSv1.2")
            check(event["cipher"].startswith("ECDHE-"), f"cipher of {event}")
    with tap.case(f"{build.name} s_client wrapped offers no more than that"):
        wrap, port = Wrap(), free_port()
        with s_server(build, port, None, "-dtls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0") as server:
            server.wait_for_port(port, udp=True)
            check(talks(build, port, "-dtls1_2", "-cipher", "ALL:@SECLEVEL=0"), "the bare client should connect")
            check(not talks(build, port, "-dtls1_2", "-cipher", "ALL:@SECLEVEL=0", wrap=wrap),
                  f"expected no connection; log: {wrap.tail()}")
            wrap.wait_event("refused", role="client")
    for method in ("-dtls", "-dtls1_2"):
        with tap.case(f"{build.name} s_server {method} gets no context under dtls = refuse, and the log says so once"):
            wrap = Wrap(tls={"dtls": "refuse"})
            with s_server(build, free_port(), wrap, method) as server:
                check(server.wait() != 0, "expected a nonzero exit status")
                check("DTLS is refused by the policy" in server.text(), f"printed {server.text()[-500:]}")
            wait_until(lambda: wrap.events("refused"), "the refusal in the log")
            reasons = [event["reason"] for event in wrap.events("refused")]
            check(set(reasons) == {"DTLS is refused by the policy"} and len(reasons) <= 2, f"refusals: {reasons}")


tap_ = Tap()
for each in builds(tap_):
    prove(tap_, each)
tap_.finish()
