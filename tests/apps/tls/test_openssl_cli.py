"""openssl s_server, s_client and s_time of every build: weak options on the command line, handshakes in BIOs.

s_server -www and -WWW run the handshake inside libssl's own BIO, which calls no interposed function by name.
"""

from lib import certs, hello, peers
from lib.legacy import (CIPHERS, LegacyClient, LegacyServer, blob, check_handshake, http_exchange, prove_client,
                        prove_server)
from lib.offered import Trap, check_offer_is_pfs
from lib.openssl_builds import builds
from lib.tap import Tap, check, equal, skip_all
from lib.process import find
from lib.wrap import Wrap

DATA, DIGEST = blob(2)
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
# Options that weaken a client, each alone.
WEAK_CLIENTS = [
    ["-tls1_2"],
    ["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"],
    ["-no_tls1_3"],
    ["-cipher", "ALL:eNULL:@SECLEVEL=0"],
    ["-sigalgs", "RSA+SHA256"],
    ["-curves", "P-384"],
    ["-max_protocol", "TLSv1.1"],
    ["-min_protocol", "TLSv1", "-max_protocol", "TLSv1.2"],
    ["-allow_no_dhe_kex"],
    ["-legacy_renegotiation"],
]
FFDHE_CLIENTS = [["-groups", "ffdhe2048"], ["-groups", "ffdhe2048:ffdhe3072"]]  # names of OpenSSL 3


def s_server(*options):
    """The command of a weak s_server for the table; options such as -www set what it serves."""
    def command(folder, port):
        (folder / "blob").write_bytes(DATA)
        certificate = certs.server()
        return ["openssl", "s_server", "-accept", port, "-cert", certificate.cert, "-key", certificate.key, "-dhparam",
                certs.dh_parameters(), "-cipher", CIPHERS, "-no_tls1_3", *options]
    return command


def www_exchange(port, context):
    """-www answers with a page about the connection."""
    with peers.connected(port, context) as connection:
        connection.sendall(REQUEST)
        page = b""
        while b"</pre>" not in page.lower():
            more = connection.recv(4096)
            check(more, f"the page ended early: {page[-200:]!r}")
            page += more
        check(connection.version().encode() in page, f"expected {connection.version()} on the page: {page[:1500]!r}")


def reversed_exchange(port, context):
    """-rev sends back each line reversed."""
    with peers.connected(port, context) as connection:
        for number in range(50):
            line = f"line {number} of text".encode()
            connection.sendall(line + b"\n")
            equal(hello.receive(connection, len(line) + 1), line[::-1] + b"\n", "reversed line")


def body_of(result):
    """What s_client received after the header of the HTTP answer: it prints that among its own output."""
    _, found, rest = result.out.partition(b"Content-Length: ")
    if not found:
        return None
    length, _, rest = rest.partition(b"\r\n\r\n")
    return rest[:int(length)]


def prove_clients(tap, build):
    body = b"all of it arrives\n" * 3000

    def command(port):
        return ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-ign_eof", "-tls1_2",
                "-cipher", "AES128-SHA:AES256-GCM-SHA384:@SECLEVEL=0"]

    prove_client(tap, LegacyClient(f"{build.name} s_client", command, body_of, launch=build.launch), body, data=REQUEST)

    options = WEAK_CLIENTS + ([] if " 1.1" in build.name else FFDHE_CLIENTS)
    with Trap() as trap:
        for words in options:
            with tap.case(f"{build.name} s_client {' '.join(words)} wrapped offers TLS 1.3 with ECDHE and nothing else"):
                trap.offers.clear()
                result = build.run("s_client", "-connect", f"127.0.0.1:{trap.port}", *words, wrap=Wrap())
                check(trap.offers, f"expected a ClientHello: {trap.errors} {result!r}")
                check_offer_is_pfs(trap.offers[0])
    with peers.Server(peers.reply_http(body)) as server:
        for words in options:
            with tap.case(f"{build.name} s_client {' '.join(words)} wrapped gets its data over TLS 1.3"):
                wrap = Wrap()
                result = build.run("s_client", "-connect", f"127.0.0.1:{server.port}", "-ign_eof", *words, wrap=wrap,
                                   data=REQUEST)
                equal(body_of(result), body, f"body; {result!r}; log: {wrap.tail()}")
                check_handshake(wrap.wait_event("handshake", role="client"), "client")
        weak = ["-cipher", "AES128-SHA:@SECLEVEL=0"] if " 1.1" in build.name else ["-tls1_2"]
        with tap.case(f"{build.name} s_time {' '.join(weak)} wrapped makes all its connections with TLS 1.3"):
            server.versions.clear()
            wrap = Wrap()
            result = build.run("s_time", "-connect", f"127.0.0.1:{server.port}", "-www", "/", "-new", "-time", "1",
                               *weak, wrap=wrap)
            check(server.versions, f"expected connections: {result!r}; log: {wrap.tail()}")
            equal({version for version, _ in server.versions}, {"TLSv1.3"}, "versions the server saw")
            check_handshake(wrap.wait_event("handshake", role="client"), "client")


def main():
    if find("openssl") is None:
        skip_all("openssl is not installed (scripts/install-deps check)")
    tap = Tap()
    for build in builds(tap):
        for option, exchange in (("-www", www_exchange), ("-WWW", http_exchange("/blob", DIGEST)), ("-rev", reversed_exchange)):
            prove_server(tap, LegacyServer(f"{build.name} s_server {option}", s_server(option), exchange,
                                           launch=build.launch))
        prove_clients(tap, build)
    tap.finish()


main()
