"""curl limited to TLS 1.2, with a static RSA cipher."""

from lib import certs, peers
from lib.legacy import LegacyClient, blob, check_handshake, output_of, prove_client
from lib.process import run
from lib.tap import Tap, equal
from lib.wrap import Wrap

WEAK = ["curl", "-sS", "--tls-max", "1.2", "--ciphers", "AES128-SHA:DHE-RSA-AES128-SHA:@SECLEVEL=0"]


def main():
    tap = Tap()
    trusting = [*WEAK, "--cacert", certs.authority().cert]
    prove_client(tap, LegacyClient("curl", lambda port: [*trusting, f"https://localhost:{port}/"], output_of,
                                   needs=["curl"], addresses=False))  # it has BIOs of its own

    body, _ = blob(4)
    with peers.Server(peers.reply_http(body)) as server:
        with tap.case("curl wrapped still verifies the server itself: an unknown CA is refused"):
            result = run(Wrap().argv([*WEAK, f"https://localhost:{server.port}/"]))
            equal(result.status, 60, f"exit status of {result!r}")
        with tap.case("curl wrapped logs the server name that it asked for"):
            wrap = Wrap()
            result = run(wrap.argv([*trusting, f"https://localhost:{server.port}/"]))
            equal(output_of(result), body, "body of 4 MiB")
            event = wrap.wait_event("handshake", role="client")
            check_handshake(event, "client", addresses=False)
            equal(event.get("server_name"), "localhost", f"server_name in {event}")
        with tap.case("curl wrapped by LD_PRELOAD alone is upgraded, too"):
            wrap = Wrap()
            result = run([*trusting, f"https://localhost:{server.port}/"], env=wrap.preload())
            equal(output_of(result), body, f"body; {result.err!r}")
            check_handshake(wrap.wait_event("handshake", role="client"), "client", addresses=False)
    tap.finish()


main()
