#!/usr/bin/env python3
"""pfswrap learn: programs run under mode = audit, and then under the policy that it proposes; questions; hostile logs."""

import gzip
import json
import socket

from lib import certs, hello, peers
from lib.process import DEADLINE, Process, free_port, run, temporary_directory
from lib.tap import Tap, check, contains, equal, lacks
from lib.wrap import LAUNCHER, WireWrap, Wrap

TIME = "2026-11-20T01:00:00.000000Z"


def learn(*arguments, data=b"", status=0):
    result = run([LAUNCHER, "learn", *map(str, arguments)], data=data)
    equal(result.status, status, f"status of {result!r}")
    return result


def proposed(*arguments, data=b"", status=0):
    """The proposal, which `pfswrap check` must accept, and every line of a log must be in a comment."""
    policy = temporary_directory() / "learned.conf"
    result = learn("--output", policy, *arguments, data=data, status=status)
    checked = run([LAUNCHER, "check", "--no-keys", policy])
    equal(checked.status, 0, f"pfswrap check of the proposal: {checked!r}")
    text = policy.read_text()
    equal(settings(text), settings(checked.text), "the proposal and what check prints of it")
    return policy, text, result.text


def settings(text):
    return [line for line in text.splitlines() if line and not line.startswith((";", "pfswrap:"))]


def comments(text):
    """The text of all comments, without the breaks of lines."""
    return " ".join(line[1:].strip() for line in text.splitlines() if line.startswith(";"))


def event(kind="plaintext", **fields):
    return json.dumps({"time": TIME, "event": kind, "pid": 7, "program": "p", **fields}).encode() + b"\n"


def plaintext(local, role="server", **fields):
    return event(role=role, local=local, peer="192.0.2.9:5000", rule="wire", **fields)


def written(text):
    """A policy file with this text."""
    path = temporary_directory() / "base.conf"
    path.write_text(text)
    path.chmod(0o600)
    return path


# --- programs ---

def s_server(wrap, certificate):
    port = free_port()
    process = Process(wrap.argv(["openssl", "s_server", "-accept", port, "-cert", certificate.cert, "-key", certificate.key,
                                 "-cipher", "ALL:@SECLEVEL=0", "-www"]))
    process.port = port
    process.wait_for_port(port)
    return process


def echo_server(wrap, port):
    process = Process(wrap.argv(["socat", f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork", "PIPE"]))
    process.wait_for_port(port)
    return process


def echoes(port):
    """Whether plaintext passes."""
    try:
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as connection:
            connection.sendall(b"plain")
            return connection.recv(5) == b"plain"
    except ConnectionError:
        return False


OLD_CLIENT = ("-tls1_2",)
CURVE_CLIENT = ("-cipher", "ALL:@SECLEVEL=0", "-sigalgs", "ECDSA+SHA256:RSA+SHA256", "-curves", "P-224:P-256")


def audited():
    """The log of three servers under mode = audit: what their clients did is what must go on."""
    wrap = WireWrap(plaintext="refuse", mode="audit")
    ports = {}
    with s_server(wrap, certs.server()) as server:
        ports["tls"] = server.port
        check(peers.negotiated(peers.s_client(server.port, *OLD_CLIENT).text), "a client of TLS 1.2 under audit")
        wrap.wait_event("handshake", role="server")
    with s_server(wrap, certs.self_signed("p224")) as server:
        ports["curve"] = server.port
        check(peers.negotiated(peers.s_client(server.port, *CURVE_CLIENT).text), "a certificate with P-224 under audit")
        wrap.wait_event("handshake", 1, role="server")
    port = free_port()
    with echo_server(wrap, port):
        check(echoes(port), "plaintext under audit")
        wrap.wait_event("would-refuse", reason="plaintext is refused by the policy")
    ports["plain"] = port
    return wrap, ports


def enforced(policy, wrap):
    """A Wrap with this policy, and the log of the audited one."""
    again = Wrap()
    again.policy, again.log = policy, wrap.log
    return again


def prove_programs(tap):
    wrap, ports = audited()
    policy, text, repairs = proposed("--yes", "--policy", wrap.policy, wrap.log)
    strict = WireWrap(plaintext="refuse")
    with tap.case("the proposal has min-version = 1.2 for the old client, a rule for the port, and says who needs them"):
        contains(settings(text), "min-version = 1.2", "the proposal")
        contains(settings(text), "mode = enforce", "the proposal")
        contains(comments(text), "(TLS 1.2, 0xc030; TLS 1.3 was not offered)", "the outcome")
        contains(text, f"[listen learned-listen-{ports['plain']}]\naddress = 127.0.0.1/32:{ports['plain']}\n", "the proposal")
        contains(comments(text), f"openssl at [::ffff:127.0.0.1]:{ports['tls']} from [::ffff:127.0.0.1]: 1 time", "the proposal")
        contains(comments(text), f"socat at 127.0.0.1:{ports['plain']} from 127.0.0.1: ", "the proposal")
    with tap.case("the certificate that TLS 1.3 cannot use is to be repaired, and changes nothing in the policy"):
        for place in (comments(text), " ".join(repairs.split())):
            contains(place, "Replace the certificate", "the repairs")
            contains(place, f"openssl at [::ffff:127.0.0.1]:{ports['curve']} from", "the repairs")
            contains(place, "the certificate's curve cannot be used in TLS 1.3", "the repairs")
        needs = comments(text).split("Repair instead")[0]
        lacks(needs, f":{ports['curve']}", "the proposal before its repairs")
    with tap.case("an old client is refused without the proposal, and served with it"):
        with s_server(strict, certs.server()) as server:
            check(not peers.negotiated(peers.s_client(server.port, *OLD_CLIENT).text), "refused by the strict policy")
        with s_server(enforced(policy, wrap), certs.server()) as server:
            check(peers.negotiated(peers.s_client(server.port, *OLD_CLIENT).text), f"served; log: {wrap.tail()}")
            for words, offer in (("static RSA", hello.offer_static_rsa), ("finite-field DH", hello.offer_ffdhe_suites),
                                 ("TLS 1.1", lambda port: hello.offer_old(port, 0x0302))):
                check(not offer(server.port).accepted, f"{words} is accepted under the proposal")
    with tap.case("plaintext passes at the port of the log only"):
        for wrapped, port, passes in ((strict, ports["plain"], False), (enforced(policy, wrap), ports["plain"], True),
                                      (enforced(policy, wrap), free_port(), False)):
            with echo_server(wrapped, port):
                equal(echoes(port), passes, f"plaintext at port {port}, where the log had {ports['plain']}")
    with tap.case("the server with the wrong certificate is refused until that is repaired"):
        with s_server(enforced(policy, wrap), certs.self_signed("p224")) as server:
            check(not peers.negotiated(peers.s_client(server.port, *CURVE_CLIENT).text), "refused")
        with s_server(enforced(policy, wrap), certs.self_signed("p256")) as server:
            check(peers.negotiated(peers.s_client(server.port).text), "served with P-256")
    with tap.case("declined changes are in no rule, and the list says that they were refused"):
        _, text, repairs = proposed("--policy", wrap.policy, wrap.log, data=b"n\nl\nn\n")
        contains(settings(text), "min-version = 1.3", "the proposal")
        equal([line for line in settings(text) if line.startswith("[listen")], [], "rules")
        equal(repairs.count("Refused, as you decided"), 2, f"refusals in {repairs}")
    with tap.case("without an answer nothing is written"):
        target = temporary_directory() / "none.conf"
        for answers in (b"y\n", b"q\n"):
            learn("--output", target, wrap.log, data=answers, status=1)
            check(not target.exists(), f"{target} exists")
    with tap.case("rotated, compressed and divided logs give the same proposal"):
        folder, lines = temporary_directory(), wrap.log.read_bytes().splitlines(keepends=True)
        lines = [line for line in lines if b'"mode":"enforce"' not in line and b'"refused"' not in line]
        (folder / "audit.jsonl").write_bytes(b"".join(lines[4:]))
        (folder / "audit.jsonl.1.gz").write_bytes(gzip.compress(b"".join(lines[:4])))
        whole = folder / "whole"
        whole.write_bytes(b"".join(lines))
        equal(learn("--yes", *sorted(folder.glob("audit*"))).text, learn("--yes", whole).text, "proposals")
        equal(learn("--yes", "-", data=b"".join(lines)).text, learn("--yes", whole).text, "proposals")


def prove_clients(tap):
    url = ["--cacert", certs.authority().cert]
    with peers.Server(peers.reply_http(b"body"), version=peers.ssl.TLSVersion.TLSv1_2) as old, \
            peers.Server(peers.reply_http(b"body")) as new:
        curl = lambda wrap, server, *more: run(wrap.argv(  # noqa: E731
            ["curl", "-sS", *more, *url, f"https://localhost:{server.port}/"])).status
        wrap = Wrap(mode="audit")
        equal((curl(wrap, old), curl(wrap, new, "--tls-max", "1.2")), (0, 0), "curl under mode = audit")
        policy, text, _ = proposed("--yes", "--policy", wrap.policy, wrap.log)
        with tap.case("a client that offers TLS 1.3 to an old server needs min-version = 1.2; without the offer it is assumed"):
            contains(settings(text), "min-version = 1.2", "the proposal")
            users = [part for part in comments(text).split("- ") if part.startswith("curl to ")]
            first = [user for user in users if f":{old.port}:" in user][0]
            second = [user for user in users if f":{new.port}:" in user][0]
            contains(first, "TLS 1.3 was offered", "the old server")
            lacks(first, "ASSUMED", "the old server")
            contains(second, "ASSUMED: that the server has no TLS 1.3", "the new server")
        with tap.case("curl works with the old server under the proposal, and not under the strict policy"):
            equal(curl(enforced(policy, wrap), old), 0, f"curl; log: {wrap.tail()}")
            check(curl(Wrap(), old) != 0, "curl under the strict policy")


# --- logs made here ---

def prove_outcomes(tap):
    wire = {"role": "server", "local": "192.0.2.1:443", "peer": "192.0.2.9:5000", "rule": "wire"}
    weak = lambda **fields: event("would-refuse", **wire, **fields)  # noqa: E731
    covered = event("handshake", role="server", local="192.0.2.1:443", peer="192.0.2.8:1", version="TLSv1.3", group="X25519",
                    cipher="TLS_AES_256_GCM_SHA384", resumed=False, rule="tls")
    rows = [
        ("a client that offers TLS 1.3 needs nothing: pfswrap lifts the program's limit",
         covered + event("would-override", setting="max-version", asked="TLSv1.2", forced="any", rule="tls") +
         weak(version="TLSv1.2", cipher="0x002f", offered_versions="TLSv1.3,TLSv1.2"), "min-version = 1.3",
         "Changes by itself"),
        ("a client without ECDHE is to be repaired",
         covered + weak(version="TLSv1.2", cipher="0x002f", offered_versions="TLSv1.2", offered_ciphers="0x002f,0x0035"),
         "min-version = 1.3", "no ECDHE or no AEAD"),
        ("a client that offers ECDHE beside static RSA is assumed to take it",
         covered + weak(version="TLSv1.2", cipher="0x002f", offered_versions="TLSv1.2", offered_ciphers="0x002f,0xc02f"),
         "min-version = 1.2", "ASSUMED: that the peer also takes"),
        ("TLS 1.0 is allowed by no policy", weak(version="TLSv1", cipher="0xc013", offered_versions="TLSv1"),
         "min-version = 1.3", "a version that no policy allows"),
        ("a group that the policy lacks is added",
         weak(version="TLSv1.3", group="P-521", cipher="TLS_AES_256_GCM_SHA384", offered_versions="TLSv1.3"),
         "groups = X25519MLKEM768, X25519, P-256, P-384, P-521", "P-521 in groups, needed by"),
        ("a finite-field group is not",
         weak(version="TLSv1.3", group="ffdhe2048", cipher="TLS_AES_256_GCM_SHA384", offered_versions="TLSv1.3"),
         "groups = X25519MLKEM768, X25519, P-256, P-384", "the key exchange is one that no policy allows"),
        ("a suite of TLS 1.3 that the policy lacks is added",
         weak(version="TLSv1.3", group="X25519", cipher="TLS_AES_128_CCM_SHA256", offered_versions="TLSv1.3"),
         "ciphersuites = TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256, TLS_AES_128_GCM_SHA256, TLS_AES_128_CCM_SHA256",
         "TLS_AES_128_CCM_SHA256 in ciphersuites, needed by"),
        ("a server's certificate that is not trusted is no reason to weaken the policy",
         event("would-refuse", role="client", peer="192.0.2.1:443", local="192.0.2.9:1", rule="tls",
               reason="the certificate's issuer is not trusted") , "verify-server = application", "See the reason"),
        ("plaintext that changes to TLS needs starttls",
         plaintext("192.0.2.1:25") + event("handshake", role="server", local="192.0.2.1:25", peer="192.0.2.9:5000",
                                           version="TLSv1.3", group="X25519", cipher="TLS_AES_256_GCM_SHA384", rule="tls"),
         "plaintext = starttls", "1 of them changed to TLS"),
        ("IPv6 and mapped addresses become exact addresses of a rule",
         plaintext("[2001:db8::1]:80") + plaintext("[::ffff:192.0.2.1]:80"),
         "address = [2001:db8::1]/128:80, 192.0.2.1/32:80", "plaintext = allow for [listen] port 80"),
    ]
    for sentence, log, line, comment in rows:
        with tap.case(sentence):
            _, text, _ = proposed("--yes", "-", data=log)
            contains(settings(text), line, "the proposal")
            contains(comments(text), comment, "the comments")
    with tap.case("what the audited policy allows needs no rule, and its other lines stay"):
        path = written("[wire]\nplaintext = starttls\n[listen dns]\naddress = 0.0.0.0:53\nplaintext = allow\n"
                       "[tls]\nmin-version = 1.2\nverify-server = require\n")
        _, text, _ = proposed("--yes", "--policy", path, "-", data=plaintext("192.0.2.1:53") + plaintext("192.0.2.1:80"))
        equal([line for line in settings(text) if line.startswith("[listen")],
              ["[listen learned-listen-80]", "[listen dns]"], "rules")
        contains(settings(text), "verify-server = require", "the proposal")
        contains(settings(text), "min-version = 1.2", "the proposal")
    with tap.case("only the events of the program that --program names count"):
        other = plaintext("192.0.2.1:81", program="q").replace(b'"program": "p", ', b"")
        _, text, _ = proposed("--yes", "--program", "q", "-", data=plaintext("192.0.2.1:80") + other)
        equal([line for line in settings(text) if line.startswith("[listen")], ["[listen learned-listen-81]"], "rules")


def prove_hostile(tap):
    with tap.case("no text of a log leaves its comment, and no address of it becomes a wide rule"):
        evil = "x\n[connect all]\naddress = 0.0.0.0:*\nplaintext = allow\n\x1b[2J\u202e"
        log = b""
        for address in ("0.0.0.0:1", "[::]:2", "[::ffff:0.0.0.0]:3", "0.0.0.0/0:*", "192.0.2.0/24:80", "192.0.2.1:1-65535", "unix",
                        "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:*", "192.0.2.1", "example.org:80", evil, "1.2.3.4:5\n[tls]",
                        "[fe80::1]:5", "[192.0.2.1]:5", "192.0.2.1:+5", "192.0.2.1:05", "a" * 100000 + ":5"):
            log += plaintext(address) + event(role="client", local="192.0.2.9:1", peer=address, rule="wire")
        for field in ("program", "role", "peer", "reason", "version", "group", "cipher", "offered_versions", "rule", "detail"):
            fields = {"role": "server", "local": "192.0.2.1:443", "peer": "192.0.2.9:5", "rule": "wire", "version": "TLSv1",
                      "cipher": "0x002f", "offered_versions": "TLSv1", "program": "p", field: evil}
            log += event("would-refuse", **{**fields})
        log += b'{"time":"' + TIME.encode() + b'","event":"plaintext","pid":1,"program":"\xff"}\n' + b"[" * 5000 + b"\n{\n"
        log += event("would-refuse", reason="A" * 1_000_000) + event("policy", policy=evil, mode=evil)
        _, text, repairs = proposed("--yes", "-", data=log)
        lacks(text, "\x1b", "the proposal")
        lacks(text + repairs, "\u202e", "the proposal")
        equal([line for line in settings(text) if line.startswith(("[listen", "[connect", "address", "plaintext"))],
              ["plaintext = refuse"], "rules")
        contains(comments(text), "Write a rule by hand", "the repairs")
        check(max(map(len, text.splitlines())) < 400, "lines are short")
    with tap.case("a log cannot open a place that a rule seals"):
        path = written("[seal]\nidentity = /k\npeers = /p\n[listen redis]\naddress = [::]:6379\nseal = require\n")
        _, text, _ = proposed("--yes", "--policy", path, "-", data=plaintext("192.0.2.1:6379"))
        equal([line for line in settings(text) if line.startswith(("[listen", "plaintext"))],
              ["plaintext = refuse", "[listen redis]"], "rules")
        contains(comments(text), "plaintext where a rule of the policy seals", "the repairs")
    with tap.case("a log with 5,000 places gives a policy within its limits, and says what has no room"):
        log = b"".join(plaintext(f"192.0.{i // 250 % 250}.{i % 250 + 1}:{i % 60000 + 1}") for i in range(5000))
        _, text, _ = proposed("--yes", "-", data=log)
        equal(len([line for line in settings(text) if line.startswith("[listen")]), 64, "rules")
        contains(comments(text), "has no room for more", "the repairs")
    with tap.case("an empty log, a wrong option and a missing log are errors"):
        learn("--yes", "-", status=1)
        contains(learn("-", status=2).err.decode(), "--yes", "the message")
        learn("--yes", status=2)
        learn("--colour", "x", "-", status=2)
        learn("--yes", "/nonexistent/log", status=1)


def main():
    tap = Tap()
    prove_programs(tap)
    prove_clients(tap)
    prove_outcomes(tap)
    prove_hostile(tap)
    tap.finish()


main()
