"""A program that weakens its TLS by one call at a time, on the context and on the connection, as client and as server.

The program reads back what it set, as bare, but uses TLS 1.3 with ECDHE. programs/lib/weakenings.h has the calls.
"""

import re

from lib import certs, hello, peers
from lib.legacy import ECDHE_NAMES, REFUSED_OFFERS, SUITES, check_handshake
from lib.offered import Trap, check_offer_is_pfs
from lib.process import PROGRAMS, Process, free_port, run, temporary_directory, wait_until
from lib.tap import Tap, check, equal
from lib.wrap import Wrap

WEAKEN = PROGRAMS / "tls/weaken"
CONFIG = """
openssl_conf = main
[main]
ssl_conf = sections
[sections]
weak = weak
{system}
[weak]
Protocol = -ALL,TLSv1.2
CipherString = ALL:@SECLEVEL=0
Groups = ffdhe2048
Options = UnsafeLegacyRenegotiation
"""
# Calls that need no override: they set nothing that the policy forbids, or the library itself refuses them.
HARMLESS = {"nothing", "min_version", "no_version_limits", "ciphers_unknown", "groups_unknown"}
# Calls that only matter to a server.
SERVER_ONLY = {"dh_parameters", "dh_pkey", "dh_callback", "ecdh_parameters", "num_tickets", "ticket_keys",
               "client_hello_callback", "server_name_callback",
               "cert_callback"}  # no server here asks a client for a certificate
# Calls that weaken only what a stricter policy forbids.
POLICIES = {"num_tickets": {"session-tickets": "refuse"}, "ticket_keys": {"session-tickets": "refuse"}}
OPENSSL_NAMES = {"prime256v1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521", "x25519": "X25519", "x448": "X448"}


def weakenings():
    """[(name, "ctx" or "ssl")] as the program itself lists them."""
    lines = run([WEAKEN, "list"]).out.decode().splitlines()
    return [(line.split()[0], where) for line in lines for where in line.split()[1:]]


def said(text, *kinds):
    """The lines of the program's output that begin with one of these words."""
    return [line for line in text.splitlines() if line.split(" ")[0] in kinds]


def check_negotiated(text):
    """Checks that the program itself reports TLS 1.3, one of its suites, and an ECDHE key of the peer."""
    lines = said(text, "negotiated")
    check(lines, f"the program negotiated nothing: {text[-600:]!r}")
    for line in lines:
        _, version, cipher, group = line.split()
        equal(version, "TLSv1.3", line)
        check(cipher in SUITES, f"expected a suite of the policy: {line}")
        check(OPENSSL_NAMES.get(group.lower(), group) in ECDHE_NAMES, f"expected an ECDHE group: {line}")


def prove_client(tap, name, where, env):
    words = [WEAKEN, name, where, "client"]
    with peers.Server(peers.echo_line, ciphers="ALL:@SECLEVEL=0") as server, Trap() as trap:
        bare = run([*words, trap.port], env=env)
        wrap = Wrap(tls=POLICIES.get(name))
        wrapped = run(wrap.argv([*words, server.port]), env=env)
        with tap.case(f"a client that sets {name} on its {where} reads back what it set"):
            check(said(bare.text, "reads"), f"nothing was read back: {bare!r}")
            equal(said(wrapped.text, "answer", "reads"), said(bare.text, "answer", "reads"), "answers")
        with tap.case(f"a client that sets {name} on its {where} negotiates TLS 1.3 with ECDHE and its data arrives"):
            equal(wrapped.status, 0, f"exit status of {wrapped!r}; log: {wrap.tail()}")
            check_negotiated(wrapped.text)
            check("received echo of a line of the client" in wrapped.text, f"data: {wrapped!r}")
            equal([version for version, _ in server.versions], ["TLSv1.3"], "what the server reports")
            check_handshake(wrap.wait_event("handshake", role="client"), "client")
            if "keylog lines" in wrapped.text:
                check("keylog lines 0" in wrapped.text, f"key log: {wrapped!r}")
        with tap.case(f"a client that sets {name} on its {where} offers TLS 1.3 with ECDHE and nothing else"):
            trap.offers.clear()
            result = run(Wrap().argv([*words, trap.port]), env=env)
            check(trap.offers, f"expected a ClientHello: {trap.errors} {result!r}")
            check_offer_is_pfs(trap.offers[0])
        prove_override(tap, name, where, "client", wrap, SERVER_ONLY)


def prove_server(tap, name, where, env):
    certificate = certs.server()
    outputs = {}
    for state in ("bare", "wrapped"):
        wrap, port = Wrap(tls=POLICIES.get(name)), free_port()
        words = [WEAKEN, name, where, "server", port, certificate.cert, certificate.key]
        with Process(wrap.argv(words) if state == "wrapped" else words, env=env).wait_for_port(port) as process:
            if state == "bare":
                hello.offer_tls12(port)
            else:
                with tap.case(f"a server that sets {name} on its {where} refuses all that is not TLS 1.3 with ECDHE"):
                    for kind, offer in REFUSED_OFFERS.values():
                        answer = offer(port)
                        check(not answer.accepted, f"{kind}: expected a refusal, found {answer}")
                with tap.case(f"a server that sets {name} on its {where} negotiates TLS 1.3 with ECDHE, data intact"):
                    with peers.connected(port) as connection:
                        connection.sendall(b"a line of the tester\n")
                        equal(hello.receive(connection, 21), b"a line of the tester\n", "echo")
                        equal(connection.version(), "TLSv1.3", "version")
                    check_handshake(wrap.wait_event("handshake", role="server"))
                    wait_until(lambda: said(process.text(), "negotiated"), "the program's own report")
                    check_negotiated(process.text())
            wait_until(lambda: said(process.text(), "reads", "failed", "negotiated"), "what the program reads back")
            outputs[state] = process
    prove_override(tap, name, where, "server", wrap, set())
    with tap.case(f"a server that sets {name} on its {where} reads back what it set"):
        first = {state: said_once(process.text()) for state, process in outputs.items()}
        check(first["bare"], "nothing was read back")
        equal(first["wrapped"], first["bare"], "answers")


def said_once(text):
    """What a server read back of its context and of its first connection."""
    lines = []
    for line in text.splitlines():
        if line.split(" ")[0] in ("failed", "negotiated"):
            break
        if line.split(" ")[0] in ("answer", "reads"):
            lines.append(line)
    return lines


def prove_override(tap, name, where, role, wrap, excused):
    if name in HARMLESS or name in excused:
        return
    with tap.case(f"a {role} that sets {name} on its {where} is logged as overridden"):
        events = wrap.events("override")
        check(events, f"expected an override; log: {wrap.tail()}")
        for event in events:
            check(event.get("setting") and "asked" in event, f"expected setting and asked in {event}")
            check(re.match(r"\d{4}-\d\d-\d\dT", event.get("time", "")), f"time in {event}")


def main():
    tap = Tap()
    folder = temporary_directory()
    (folder / "weak.cnf").write_text(CONFIG.format(system=""))
    (folder / "system.cnf").write_text(CONFIG.format(system="system_default = weak"))
    with tap.case("the test program knows the weakening calls"):
        check(len(weakenings()) > 60, f"{WEAKEN} lists {weakenings()}")
    for name, where in weakenings():
        env = {"OPENSSL_CONF": str(folder / "weak.cnf")}
        prove_client(tap, name, where, env)
        prove_server(tap, name, where, env)
    env = {"OPENSSL_CONF": str(folder / "system.cnf")}
    prove_client(tap, "min_version", "ctx", env)
    prove_server(tap, "min_version", "ctx", env)
    tap.finish()


main()
