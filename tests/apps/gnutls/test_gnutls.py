"""GnuTLS's own tools, wget and git over libcurl-gnutls: limited to TLS 1.2, they use TLS 1.3 wrapped."""

import ssl

from lib import certs, other_libssl, peers
from lib.legacy import (LegacyClient, LegacyServer, check_handshake, echo_exchange, launch_by_pfswrap, output_of,
                        prove_client, prove_server)
from lib.openssl_builds import Build
from lib.process import Process, find, free_port, run, temporary_directory
from lib.tap import Skip, Tap, check, contains, equal, lacks
from lib.wrap import Wrap

OLD = "NORMAL:-VERS-TLS1.3:+RSA:+DHE-RSA:+GROUP-FFDHE2048:%COMPAT"
REQUEST = b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"
REFS = b"d670460b4b4aece5915caf5c68d12f560a9fe3e4\trefs/heads/main\n"


def gnutls_serv(*options, priority=OLD):
    def command(_folder, port):
        certificate = certs.server()
        return ["gnutls-serv", "--quiet", "--echo", "--disable-client-cert", "-p", port, "--priority", priority,
                "--x509certfile", certificate.cert, "--x509keyfile", certificate.key, *options]
    return command


def gnutls_cli(port, *options, priority=OLD):
    return ["gnutls-cli", "--logfile=/dev/stderr", "--x509cafile", certs.authority().cert, "--priority", priority,
            "-p", port, *options, "localhost"]


def launch_git(argv, wrap):
    return launch_by_pfswrap(argv, wrap)[0], {"GIT_SSL_CAINFO": str(certs.authority().cert)}


def cli_received(result):
    """What came after the header."""
    return result.out.partition(b"\r\n\r\n")[2] if result.status == 0 else None


def proves_clients(tap):
    clients = [
        (LegacyClient("gnutls-cli", gnutls_cli, cli_received, needs=["gnutls-cli"], psk_ke=True), {"data": REQUEST}),
        (LegacyClient("wget", lambda port: ["wget", "-q", "--tries=1", "-O", "-",
                                            f"--ca-certificate={certs.authority().cert}",
                                            f"--ciphers={OLD}", f"https://localhost:{port}/"], output_of, needs=["wget"],
                      psk_ke=True), {}),
        # It cannot be limited to TLS 1.2; and it moves the bytes itself.
        (LegacyClient("git", lambda port: ["git", "ls-remote", f"https://localhost:{port}/repository"], output_of,
                      needs=["git"], launch=launch_git, bare=None, addresses=False), {"body": REFS}),
    ]
    for client, details in clients:
        if find(*client.needs) is None:
            tap.result(True, f"{client.name} wrapped uses TLS 1.3", skip=f"{client.needs[0]} is not installed")
        else:
            prove_client(tap, client, **details)


def keeps_what_is_narrower(tap):
    with tap.case("a program's groups and ciphers are kept if the policy has them"):
        for group, cipher, suite in (("SECP384R1", "AES-128-GCM", "TLS_AES_128_GCM_SHA256"),
                                     ("X25519", "CHACHA20-POLY1305", "TLS_CHACHA20_POLY1305_SHA256")):
            wrap = Wrap()
            priority = f"NORMAL:-CIPHER-ALL:+{cipher}:+AES-128-CBC:-GROUP-ALL:+GROUP-{group}:+GROUP-FFDHE2048"
            with peers.Server(peers.reply_http(b"x")) as server:
                result = run(wrap.argv(gnutls_cli(server.port, priority=priority)), data=REQUEST)
            equal(cli_received(result), b"x", f"{result!r}")
            event = wrap.wait_event("handshake")
            name = {"SECP384R1": "P-384"}.get(group, group)
            check_handshake(event, "client", group=name)
            equal(event["cipher"], suite, f"cipher in {event}")

    with tap.case("a program that sets no priorities, or ones with nothing allowed in them, gets the policy's"):
        for priority in ("NORMAL:-GROUP-ALL:+GROUP-FFDHE2048:-CIPHER-ALL:+AES-128-CBC:-VERS-ALL:+VERS-TLS1.0",
                         "NONE:+VERS-TLS1.2:+RSA:+AES-128-CBC:+SHA1:+SIGN-RSA-SHA256:+COMP-NULL:+CTYPE-X509",
                         "NORMAL", ""):
            wrap = Wrap()
            options = ["--priority", priority] if priority else []
            with peers.Server(peers.reply_http(b"x")) as server:
                argv = ["gnutls-cli", "--logfile=/dev/stderr", "--x509cafile", certs.authority().cert, *options, "-p",
                        server.port, "localhost"]
                result = run(wrap.argv(argv), data=REQUEST)
                equal(cli_received(result), b"x", f"{priority!r}: {result!r}; log: {wrap.tail()}")
            check_handshake(wrap.wait_event("handshake"), "client")

    with tap.case("an override is logged with what the program asked for"):
        wrap = Wrap()
        with peers.Server(peers.reply_http(b"x")) as server:
            run(wrap.argv(gnutls_cli(server.port)), data=REQUEST)
        equal(wrap.wait_event("override")["asked"], OLD, "asked")

    with tap.case("the library refuses an invalid priority string as bare"):
        with peers.Server(peers.reply_http(b"x")) as server:
            argv = gnutls_cli(server.port, priority="NORMAL:+NO-SUCH-CIPHER")
            bare, wrapped = run(argv), run(Wrap().argv(argv))
        contains(bare.text, "NO-SUCH-CIPHER", "bare")
        equal((wrapped.status, wrapped.text), (bare.status, bare.text), "wrapped")


def follows_the_policy(tap):
    with tap.case("min-version = 1.2 lets GnuTLS use TLS 1.2 with ECDHE and AEAD, without resumption"):
        wrap = Wrap(tls={"min-version": "1.2"})
        with peers.Server(peers.reply_http(b"x"), version=ssl.TLSVersion.TLSv1_2) as server:
            result = run(wrap.argv(gnutls_cli(server.port, priority="NORMAL:%COMPAT")), data=REQUEST)
            equal(cli_received(result), b"x", f"{result!r}; log: {wrap.tail()}")
            run(wrap.argv(gnutls_cli(server.port, "--resume", "--waitresumption")), data=REQUEST)
        events = wrap.events("handshake")
        equal([(event["version"], event["resumed"]) for event in events], 3 * [("TLSv1.2", False)], "handshakes")
        check(all(event.get("group") for event in events), f"a group in {events}")
        with peers.Server(peers.reply_http(b"x"), version=ssl.TLSVersion.TLSv1_2,
                          ciphers="AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0") as server:
            result = run(wrap.argv(gnutls_cli(server.port, priority=OLD)), data=REQUEST)
            check(cli_received(result) != b"x" and not server.versions, f"expected a refusal: {result!r}")

    with tap.case("mode = audit changes nothing and logs what enforce would refuse"):
        wrap = Wrap(mode="audit")
        with peers.Server(peers.reply_http(b"x"), ciphers="ALL:@SECLEVEL=0") as server:
            result = run(wrap.argv(gnutls_cli(server.port)), data=REQUEST)
            equal((cli_received(result), server.versions[-1][0]), (b"x", "TLSv1.2"), f"{result!r}")
        check("older" in wrap.wait_event("would-refuse", rule="tls")["reason"], wrap.tail())
        equal(wrap.wait_event("would-override")["asked"], OLD, "asked")
        equal(wrap.wait_event("handshake")["version"], "TLSv1.2", "version")

    with tap.case("TLS 1.3 tickets resume with a new key exchange, unless the policy refuses them"):
        for tickets, resumed in (("allow", True), ("refuse", False)):
            wrap = Wrap(tls={"session-tickets": tickets})
            with LegacyServer("gnutls-serv", gnutls_serv(priority="NORMAL"), None).start() as server:
                run(wrap.argv(gnutls_cli(server.port, "--resume", "--waitresumption", priority="NORMAL")),
                    data=b"hello\n")
            wrap.wait_event("handshake", skip=1)
            events = wrap.events("handshake")
            equal([event["resumed"] for event in events[:2]], [False, resumed], f"resumed with {tickets}: {events}")
            check_handshake(events[1], "client")

    with tap.case("a server that resumes without a new key exchange is refused, with GnuTLS's offer for tickets"):
        certificate, port, wrap = certs.server(), free_port(), Wrap()
        openssl = Build("openssl of Debian trixie", other_libssl.get("trixie"))
        argv, env = openssl.launch(["openssl", "s_server", "-accept", port, "-cert", certificate.cert, "-key",
                                    certificate.key,
                                    "-allow_no_dhe_kex", "-prefer_no_dhe_kex", "-rev", "-naccept", "4"])
        cli = gnutls_cli(port, "--resume", "--waitresumption", priority="NORMAL")
        with Process(argv, env=env).wait_for_port(port):
            bare, wrapped = run(cli, data=b"hello\n"), run(wrap.argv(cli), data=b"hello\n")
        check("(TLS1.3-X.509)--(" in bare.text and "olleh" in bare.text,
              f"expected a resumption without an exchange bare: {bare!r}")
        lacks(wrapped.text, "olleh", f"expected nothing to pass: {wrapped!r}")
        contains(wrap.wait_event("refused")["reason"], "no ephemeral key exchange", "reason")


def careless(server, host="localhost"):
    """A client that verifies nothing itself."""
    return ["wget", "-q", "--tries=1", "-O", "-", "--no-check-certificate", f"https://{host}:{server.port}/"]


def verifies_servers(tap):
    ca, good = str(certs.authority().cert), certs.server()
    require = {"verify-server": "require", "ca-file": ca}
    other_ca = certs.signed("server-other-ca", ca="other-ca")
    other_name = certs.signed("server-other-name", names="DNS:other.test")
    good_pin = dict(require, **{"pin-sha256": good.pin()})
    other_pin = dict(require, **{"pin-sha256": other_ca.pin()})
    with tap.case("wget bare accepts any certificate with its option, so that a refusal means something"):
        with peers.Server(peers.reply_http(b"x"), other_ca) as server:
            equal(run(careless(server)).out, b"x", "body")
    for words, certificate, tls, host in (
            ("a server of the CA with its name", good, require, "localhost"),
            ("one that is named by address, by its pin", good, good_pin, "127.0.0.1")):
        with tap.case(f"wget under verify-server = require accepts {words}"):
            wrap = Wrap(tls=tls)
            with peers.Server(peers.reply_http(b"x"), certificate) as server:
                result = run(wrap.argv(careless(server, host)))
                equal(result.out, b"x", f"{result!r}; log: {wrap.tail()}")
            equal(wrap.wait_event("handshake")["verified"], "policy", "verified")
    for words, certificate, tls, host, reason in (
            ("a certificate of another CA", other_ca, require, "localhost", "issuer is not trusted"),
            ("a certificate for another name", other_name, require, "localhost", "another name"),
            ("a certificate of its own", certs.self_signed("rsa"), require, "localhost", "issuer is not trusted"),
            ("a server named by address, without a pin", good, require, "127.0.0.1", "named no server"),
            ("a key that matches no pin", good, other_pin, "localhost", "matches no pin")):
        with tap.case(f"wget under verify-server = require refuses {words}, and sends it nothing"):
            wrap, got = Wrap(tls=tls), []
            with peers.Server(lambda connection, _: got.append(connection.recv(4096)), certificate) as server:
                result = run(wrap.argv(careless(server, host)))
                check(result.status != 0 and not result.out, f"{result!r}")
            contains(wrap.wait_event("refused")["reason"], reason, "reason")
            equal([data for data in got if data], [], "what reached the server")


def verifies_clients(tap):
    ca, client = certs.authority().cert, certs.client()
    other = certs.signed("client-other-ca", usage="clientAuth", ca="other-ca")
    with tap.case("gnutls-serv under client-certificates = require accepts clients of the CA alone"):
        wrap = Wrap(tls={"client-certificates": "require", "ca-file": str(ca)})
        with LegacyServer("gnutls-serv", gnutls_serv(priority="NORMAL"), None).start(wrap) as server:
            for certificate, passes in ((client, True), (other, False), (None, False)):
                try:
                    echo_exchange(server.port, peers.client_context(certificate=certificate), lines=3)
                    passed = True
                except (OSError, AssertionError):
                    passed = False
                equal(passed, passes, f"{certificate and certificate.cert}: {server.text()[-300:]}; log: {wrap.tail()}")
        equal(wrap.wait_event("handshake", role="server")["verified"], "policy", "verified")
        reasons = [event["reason"] for event in wrap.events("refused")]
        contains(reasons, "the certificate's issuer is not trusted", "reasons")


def datagrams(tap):
    def talk(tls):
        client, server, certificate, port = Wrap(tls=tls), Wrap(tls=tls), certs.server(), free_port()
        argv = ["gnutls-serv", "--udp", "--quiet", "--echo", "--disable-client-cert", "-p", port, "--x509certfile",
                certificate.cert, "--x509keyfile", certificate.key]
        with Process(server.argv(argv)).wait_for_port(port, udp=True):
            argv = ["gnutls-cli", "--udp", "--logfile=/dev/stderr", "--insecure", "-p", port, "127.0.0.1"]
            result = run(client.argv(argv), data=b"hello\n")
        return result, client, server

    with tap.case("DTLS is DTLS 1.2 with ECDHE and AEAD on both sides, or is refused if the policy refuses it"):
        result, client, server = talk({})
        contains(result.out, b"hello", f"{result!r}; log: {client.tail()}")
        for wrap in (client, server):
            event = wrap.wait_event("handshake")
            equal((event["version"], event["cipher"][-3:], bool(event["group"])), ("DTLSv1.2", "GCM", True), f"{event}")
        result, client, _ = talk({"dtls": "refuse"})
        lacks(result.out, b"hello", f"{result!r}")
        contains(client.wait_event("refused")["reason"], "DTLS is refused", "reason")


def preshared_keys(tap):
    with tap.case("a preshared key is accepted with ECDHE, and not without"):
        folder, port, wrap = temporary_directory(), free_port(), Wrap()
        (folder / "keys").write_text("user:9e32cf7786321a828ef7668f09fb35db\n")
        server = ["gnutls-serv", "--quiet", "--echo", "-p", port, "--pskpasswd", folder / "keys", "--priority"]
        client = ["gnutls-cli", "--logfile=/dev/stderr", "-p", port, "--pskusername", "user", "--pskkey",
                  "9e32cf7786321a828ef7668f09fb35db", "127.0.0.1", "--priority"]
        old, new = "NORMAL:-KX-ALL:+PSK", "NORMAL:-KX-ALL:+ECDHE-PSK:+PSK"
        with Process([*map(str, server), old]).wait_for_port(port):
            contains(run([*client, old], data=b"hello\n").out, b"hello", "bare")
            lacks(run(wrap.argv([*client, old]), data=b"hello\n").out, b"hello", "wrapped")
        with Process([*map(str, server), new]).wait_for_port(port):
            contains(run(wrap.argv([*client, old]), data=b"hello\n").out, b"hello", f"with ECDHE; log: {wrap.tail()}")
        check_handshake(wrap.wait_event("handshake"), "client")


def main():
    tap = Tap()
    if find("gnutls-serv") is None:
        tap.result(True, "gnutls-serv wrapped uses TLS 1.3", skip="gnutls-serv is not installed")
    else:
        prove_server(tap, LegacyServer("gnutls-serv", gnutls_serv(), echo_exchange, needs=["gnutls-serv"]))
    proves_clients(tap)
    if find("gnutls-cli") is None:
        raise Skip("gnutls-cli is not installed")
    keeps_what_is_narrower(tap)
    follows_the_policy(tap)
    verifies_servers(tap)
    verifies_clients(tap)
    datagrams(tap)
    preshared_keys(tap)
    tap.finish()


main()
