"""Which clients the inner layer admits: passwords, expired keys, preshared keys, silent clients."""

import ssl
import time

from lib import layer, peers
from lib.legacy import require_programs
from lib.process import run
from lib.tap import Tap, check, contains, equal
from lib.wrap import LAUNCHER

DATA = b"what only members see\n" * 1000


def from_password(ends, password, user="ann"):
    """An identity from a password, as `genkey --password` makes it, beside the others. Returns its public key."""
    secret = run([LAUNCHER, "genkey", "--password", "--user", user, "--server", ends.keys.public("server")],
                 data=password + b"\n")
    equal(secret.status, 0, f"{secret!r}")
    path = ends.keys.path("password")
    path.unlink(missing_ok=True)
    path.touch(0o600)
    path.write_bytes(secret.out)
    return run([LAUNCHER, "pubkey"], data=secret.out).out.decode().strip()


def passwords(tap):
    ends = layer.Ends(clients="ann")
    with ends.keys.peers.open("a") as file:
        file.write(f"ann {from_password(ends, b'correct horse battery staple')}\n")
    server_policy = ends.server
    client = ends.policy("password", "connect", "require", lines=["peer = server"])
    with layer.ROWS["nginx"].start(server_policy, DATA) as server:
        fetch = layer.curl(server.port)
        with tap.case("a user is admitted by a password, from any machine: the key is derived from it again"):
            from_password(ends, b"correct horse battery staple")
            layer.download(client, fetch, DATA)
            equal(server_policy.wait_event("opened")["peer_name"], "ann", "who came in")
        for words, password, user in (("another password", b"correct horse battery stable", "ann"),
                                      ("another user's name", b"correct horse battery staple", "bob")):
            with tap.case(f"{words} is not admitted"):
                seen = len(server_policy.events("refused"))
                from_password(ends, password, user)
                result = run(client.argv(fetch))
                check(result.status != 0 and not result.out, f"{result!r}")
                event = server_policy.wait_event("refused", skip=seen)
                equal(event["reason"], "the client's key is not among the peers", f"{event}")
        with tap.case("another client with its own key is known, and not admitted here"):
            result = run(ends.client.argv(fetch))
            check(result.status != 0, f"{result!r}")
            contains(server_policy.wait_event("refused", reason="the client is known, but not admitted here")["layer"],
                     "tls", "the event")


def expired(tap):
    ends = layer.Ends()
    text = ends.keys.peers.read_text()
    ends.keys.peers.write_text(text.replace(f"client {ends.keys.public('client')}",
                                            f"client {ends.keys.public('client')} not-after=2020-01-01"))
    with layer.ROWS["nginx"].start(ends.server, DATA) as server:
        with tap.case("a client with an expired key is not admitted"):
            result = run(ends.client.argv(layer.curl(server.port)))
            check(result.status != 0 and not result.out, f"{result!r}")
            ends.server.wait_event("refused", reason="the peer's key has expired")


def preshared(tap):
    ends = layer.Ends()
    psk = ends.keys.folder / "site.psk"
    psk.touch(0o600)
    psk.write_bytes(run([LAUNCHER, "genpsk"]).out)
    with_psk = layer.Ends(keys=ends.keys, psk=psk)
    with layer.ROWS["nginx"].start(with_psk.server, DATA) as server:
        with tap.case("with a preshared key on both sides the layer uses IKpsk2"):
            layer.download(with_psk.client, layer.curl(server.port), DATA)
            equal(with_psk.server.wait_event("opened")["pattern"], "IKpsk2", "the pattern")
        with tap.case("a client without it is refused"):
            result = run(ends.client.argv(layer.curl(server.port)))
            check(result.status != 0 and not result.out, f"{result!r}")
            with_psk.server.wait_event("refused", reason="the peer uses no preshared key, and one is required")


def hears_all_and_says_nothing(connection, _):
    while connection.recv(10000):
        pass


def silent(tap):
    """A client that announces the layer, completes TLS, and then sends nothing."""
    ends = layer.Ends(handshake_timeout="1s")
    with layer.ROWS["python"].start(ends.server, DATA) as server:
        with tap.case("a blocking server does not wait for a silent client longer than handshake-timeout"):
            context = peers.client_context(ssl.TLSVersion.TLSv1_3)
            context.set_alpn_protocols([layer.NAME])
            begun = time.monotonic()
            with peers.connected(server.port, context) as connection:
                equal(connection.recv(100), b"", "what the client receives")
            check(0.8 < time.monotonic() - begun < 10, f"it took {time.monotonic() - begun:.1f} s")
            event = ends.server.wait_event("refused", layer="tls")
            contains(event["reason"], "handshake-timeout", f"{event}")
        with tap.case("it serves the next client"):
            layer.download(ends.client, layer.curl(server.port), DATA)
    with tap.case("a blocking client does not wait for a silent server longer than handshake-timeout"):
        begun = time.monotonic()
        with peers.Server(hears_all_and_says_nothing) as quiet:
            argv = ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{quiet.port}"]
            result = run(ends.client.argv(argv), data=b"hello\n")
        check(result.status != 0 and time.monotonic() - begun < 10, f"{result!r}")
        contains(ends.client.wait_event("refused", role="client")["reason"], "handshake-timeout", "the client's reason")


def main():
    tap = Tap()
    require_programs("nginx", "curl", "openssl")
    passwords(tap)
    expired(tap)
    preshared(tap)
    silent(tap)
    tap.finish()


main()
