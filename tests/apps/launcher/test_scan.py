#!/usr/bin/env python3
"""pfswrap scan: what ports accept beside what the policy says: bare, wrapped and sealed servers, hostile ones, sslscan."""

import json
import os
import xml.etree.ElementTree as ElementTree

from lib import certs, other_libssl
from lib.acceptor import Acceptor
from lib.nginx import CONFIG
from lib.process import Process, find, free_port, no_namespaces, run, temporary_directory
from lib.seal import Keys, SealWrap
from lib.tap import Skip, Tap, check, contains, equal, lacks
from lib.wrap import LAUNCHER, WireWrap, Wrap

OUTSIDE = 3


def scan(*arguments, status=0, env=None):
    result = run([LAUNCHER, "scan", *map(str, arguments)], env=env)
    equal(result.status, status, f"status of {result!r}")
    return result


def rows(port, *options, status=0, env=None):
    """The rows of one port, by their id."""
    result = scan("--json", *options, f"127.0.0.1:{port}", status=status, env=env)
    target, = json.loads(result.out)["targets"]
    equal(target["address"], f"127.0.0.1:{port}", "the address")
    return {row["id"]: row for row in target["rows"]}, target


def answers(found, *ids):
    return {name: found[name]["answer"] for name in ids}


def start_nginx(wrap=None):
    """nginx with TLS 1.0 to 1.3, early data, tickets, static RSA and finite-field DH."""
    folder, port = temporary_directory(), free_port()
    text = CONFIG.format(port=port, certificate=certs.server(), folder=folder, dh=certs.dh_parameters(), marker="x",
                         ciphers="ALL:!aNULL:@SECLEVEL=0", curve="X25519:P-256:P-521")
    text = text.replace("TLSv1.2;", "TLSv1.2 TLSv1.3; ssl_early_data on;").replace("worker_processes 2", "worker_processes 1")
    (folder / "nginx.conf").write_text(text)
    argv = ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-g", "daemon off;"]
    process = Process(wrap.argv(argv) if wrap else argv, cwd=folder)
    process.wait_for_port(port)
    process.port = port
    return process


ACCEPTED_BARE = ["version.TLSv1", "version.TLSv1.1", "tls12.any", "tls12.ecdhe-aead", "tls12.ecdhe-cbc", "tls12.static-rsa",
                 "tls12.ffdhe", "version.TLSv1.3", "tls13.group.X25519", "tls13.group.P-256", "tls13.group.P-521",
                 "tls13.suite.TLS_AES_256_GCM_SHA384", "tls13.resumption", "tls13.early-data", "tls12.resumption", "plaintext"]
REFUSED_BARE = ["version.SSLv3", "tls12.anonymous", "tls12.compression", "tls13.group.P-384", "tls13.group.ffdhe2048",
                "tls13.suite.TLS_AES_128_CCM_SHA256", "seal"]
ACCEPTED_WRAPPED = ["version.TLSv1.3", "tls13.group.X25519", "tls13.group.P-256", "tls13.suite.TLS_AES_256_GCM_SHA384",
                    "tls13.resumption"]
REFUSED_WRAPPED = ["version.SSLv3", "version.TLSv1", "version.TLSv1.1", "tls12.any", "tls12.static-rsa", "tls12.ffdhe",
                   "tls12.legacy-groups", "tls13.group.P-521", "tls13.group.ffdhe2048", "tls13.early-data", "plaintext"]


def prove_nginx(tap):
    with start_nginx() as bare:
        with tap.case("a bare nginx accepts what its configuration says, and that is outside the built-in policy"):
            found, target = rows(bare.port, "--policy", "builtin", status=OUTSIDE)
            equal(answers(found, *ACCEPTED_BARE), dict.fromkeys(ACCEPTED_BARE, "accepted"), "accepted")
            equal(answers(found, *REFUSED_BARE), dict.fromkeys(REFUSED_BARE, "refused"), "refused")
            equal((target["policy"], target["program"]), ("builtin", None), "the policy")
            inside = {name for name, row in found.items() if row["answer"] == "accepted" and not row["outside"]}
            check({"version.TLSv1.3", "tls13.group.X25519", "tls13.resumption"} <= inside, f"within the policy: {inside}")
            lacks(inside, "tls13.group.P-521", "within the policy")
            contains(found["plaintext"]["detail"], "HTTP/1.1 400", "the answer to plaintext")
        with tap.case("what is accepted within another policy is not outside it"):
            relaxed = Wrap(tls={"min-version": "1.2", "groups": "X25519, P-256, P-521"}, extra="[wire]\nplaintext = allow")
            found, _ = rows(bare.port, "--policy", relaxed.policy, status=OUTSIDE)
            outside = {name for name, row in found.items() if row["outside"]}
            equal({"tls12.ecdhe-aead", "tls13.group.P-521", "plaintext"} & outside, set(), "outside")
            check({"tls12.static-rsa", "tls12.ffdhe", "tls12.resumption", "tls13.early-data", "version.TLSv1.1"} <= outside,
                  f"outside: {outside}")
        with tap.case("what sslscan finds is beside the policy, row by row as its XML has it"):
            if not find("sslscan"):
                raise Skip("sslscan is not installed")
            folder = temporary_directory()  # sslscan takes long: the scan reads what this run has printed
            (folder / "xml").write_bytes(run(["sslscan", "--xml=-", "--no-colour", f"127.0.0.1:{bare.port}"]).out)
            (folder / "sslscan").write_text(f'#!/bin/sh\n[ "$1" = --xml=- ] && cat {folder}/xml\n')
            (folder / "sslscan").chmod(0o755)
            xml = ElementTree.fromstring((folder / "xml").read_bytes())
            expected = {f"sslscan.cipher.{each.get('cipher')}" for each in xml.iter("cipher")}
            expected |= {f"sslscan.group.{each.get('name').split()[0]}" for each in xml.iter("group")}
            expected |= {f"sslscan.protocol.{each.get('type').upper()}v{each.get('version')}" for each in xml.iter("protocol")}
            found, _ = rows(bare.port, "--policy", "builtin", "--sslscan", status=OUTSIDE,
                            env={"PATH": f"{folder}:{os.environ['PATH']}"})
            names = {name for name in found if name.startswith(("sslscan.cipher", "sslscan.group", "sslscan.protocol"))}
            equal(names, expected, "rows")
            enabled = {f"sslscan.protocol.{each.get('type').upper()}v{each.get('version')}" for each in xml.iter("protocol")
                       if each.get("enabled") == "1"}
            equal({name for name in names if ".protocol." in name and found[name]["answer"] == "accepted"}, enabled, "protocols")
            equal(found["sslscan.protocol.TLSv1.2"]["outside"], True, "TLS 1.2")
            equal(found["sslscan.cipher.TLS_AES_256_GCM_SHA384"]["outside"], False, "a suite of TLS 1.3")
            equal({name: found[f"sslscan.group.{name}"]["outside"] for name in ("secp256r1", "secp521r1")},
                  {"secp256r1": False, "secp521r1": True}, "groups")
            equal(found["sslscan.cipher.AES128-SHA"]["outside"], True, "static RSA")
    wrap = WireWrap(plaintext="refuse")
    with start_nginx(wrap) as wrapped:
        with tap.case("the same nginx under pfswrap accepts nothing outside the policy that it has read"):
            found, target = rows(wrapped.port)
            equal(answers(found, *ACCEPTED_WRAPPED), dict.fromkeys(ACCEPTED_WRAPPED, "accepted"), "accepted")
            equal(answers(found, *REFUSED_WRAPPED), dict.fromkeys(REFUSED_WRAPPED, "refused"), "refused")
            equal((target["policy"], target["program"], target["mode"]), (str(wrap.policy), "nginx", "enforce"), "the target")
        with tap.case("a policy that was changed since the program read it is not used in its place"):
            wrap.policy.write_text(wrap.policy.read_text() + "\n; changed\n")
            contains(scan(f"127.0.0.1:{wrapped.port}", status=1).text, "expected --policy FILE", "the message")
            text = scan("--policy", wrap.policy, f"127.0.0.1:{wrapped.port}").text
            contains(text, "0 accepted outside the policy", "the text")
        with tap.case("without openssl(1), resumption and early data are not probed, and that is said"):
            folder = temporary_directory()
            found, _ = rows(wrapped.port, "--policy", wrap.policy, env={"PATH": f"{folder}:/nonexistent"})
            equal(answers(found, "tls13.resumption", "tls13.early-data"),
                  {"tls13.resumption": "not-probed", "tls13.early-data": "not-probed"}, "answers")


def prove_plain_and_sealed(tap):
    socat = lambda wrap, port: Process(wrap.argv(  # noqa: E731
        ["socat", f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork", "PIPE"])).wait_for_port(port)
    for plaintext, answer, status in (("allow", "accepted", 0), ("refuse", "refused", 0)):
        with tap.case(f"an echo server under plaintext = {plaintext} has plaintext {answer}"):
            port = free_port()
            with socat(WireWrap(plaintext=plaintext), port):
                found, _ = rows(port, status=status)
                equal(found["plaintext"]["answer"], answer, "plaintext")
                if answer == "accepted":
                    contains(found["plaintext"]["detail"], "GET / HTTP/1.0", "the echo")
                text = scan(f"127.0.0.1:{port}", status=status).text
                refused = sum(row["answer"] == "refused" and row["id"] not in ("plaintext", "seal") for row in found.values())
                contains(text, f"SSL 3.0 and {refused - 1} more (--json has each)", "the text, where each offer has the same answer")
    with tap.case("a sealed port accepts the seal, and neither plaintext nor TLS"):
        port = free_port()
        wrap = SealWrap(Keys("peer"), listen=port)
        with socat(wrap, port):
            found, target = rows(port)
            equal(answers(found, "seal", "plaintext", "version.TLSv1.3", "tls12.any"),
                  {"seal": "accepted", "plaintext": "refused", "version.TLSv1.3": "refused", "tls12.any": "refused"}, "answers")
            equal((target["rule"], found["version.TLSv1.3"]["policy"]), ("test", "forbids"), "the rule")


def prove_protected(tap):
    with tap.case("without an address, the ports of protected processes are scanned"):
        if os.geteuid() != 0:
            raise Skip("needs root, to see only the processes of the test")
        if no_namespaces():
            raise Skip(no_namespaces())
        wrap, folder = WireWrap(plaintext="refuse"), temporary_directory()
        port, other = free_port(), free_port()
        script = (f'{LAUNCHER} run --policy {wrap.policy} -- socat TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork PIPE & one=$!\n'
                  f'socat TCP-LISTEN:{other},bind=127.0.0.1,reuseaddr,fork PIPE & two=$!\n'
                  f'until ss -ltn | grep -q :{port} && ss -ltn | grep -q :{other}; do :; done\n'
                  f'{LAUNCHER} scan --json > {folder}/out; echo $? > {folder}/status\nkill $one $two; wait\n'
                  f'{LAUNCHER} scan 2> {folder}/none; echo $? >> {folder}/status\n')
        result = run(["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script])
        equal((folder / "status").read_text().split(), ["0", "1"], f"statuses; {result!r}; {(folder / 'out').read_text()[:500]}")
        targets = json.loads((folder / "out").read_text())["targets"]
        equal([(target["address"], target["program"]) for target in targets], [(f"127.0.0.1:{port}", "socat")], "targets")
        contains((folder / "none").read_text(), "no protected process listens", "the message")


def prove_post_quantum(tap):
    with tap.case("OpenSSL 3.5 accepts X25519MLKEM768, which the policy allows, and ML-KEM alone, which it never allows"):
        other = other_libssl.get("trixie")
        port, certificate = free_port(), certs.server()
        argv, environment = other.command("s_server", "-accept", port, "-cert", certificate.cert, "-key", certificate.key, "-www",
                                          "-groups", "X25519MLKEM768:MLKEM768:X25519")
        with Process(argv, env=environment) as server:
            server.wait_for_port(port)
            found, _ = rows(port, "--policy", "builtin", status=OUTSIDE)
            equal({name: (found[f"tls13.group.{name}"]["answer"], found[f"tls13.group.{name}"]["outside"])
                   for name in ("X25519MLKEM768", "MLKEM768", "SecP256r1MLKEM768", "X25519")},
                  {"X25519MLKEM768": ("accepted", False), "MLKEM768": ("accepted", True),
                   "SecP256r1MLKEM768": ("refused", False), "X25519": ("accepted", False)}, "groups")


class Hostile(Acceptor):
    """Sends the same bytes to each client that has sent something, and then waits or closes."""

    def __init__(self, data, closes=True):
        self.data, self.closes, self.kept = data, closes, []
        super().__init__()

    def accepted(self, connection, peer):
        try:
            connection.recv(2048)
            connection.sendall(self.data)
        except OSError:
            return
        if self.closes:
            connection.close()
        else:
            self.kept.append(connection)


def record(kind, body):
    return bytes([kind, 3, 3]) + len(body).to_bytes(2, "big") + body


def prove_hostile(tap):
    fixed = b"\x03\x03" + bytes(32) + b"\x00"
    hello = lambda body: record(22, b"\x02" + len(body).to_bytes(3, "big") + body)  # noqa: E731
    replies = {
        "an unoffered suite": hello(fixed + b"\x00\x00\x00"),
        "a session identifier that is too long": hello(b"\x03\x03" + bytes(32) + b"\xff\x13\x01\x00"),
        "extensions that are cut": hello(fixed + b"\x13\x01\x00\x00\x10\x00\x2b\x00\x0c\x03\x04"),
        "a record without a message": record(22, b""),
        "a message of 16 MB": record(22, b"\x02\xff\xff\xff" + bytes(100)),
        "an empty alert": record(21, b""),
    }
    for words, data in replies.items():
        with tap.case(f"a server that answers with {words} has nothing accepted"):
            with Hostile(data) as server:
                found, _ = rows(server.port, "--policy", "builtin", "--timeout", 500, status=0 if data[0] == 21 else 1)
                equal([name for name, row in found.items() if row["answer"] == "accepted"], [], "accepted")
    with tap.case("control characters of a banner are in no output"):
        with Hostile(b"\x1b[2J\xff\xe2\x80\xae <b>" + b"A" * 100_000) as server:
            result = scan("--policy", "builtin", "--timeout", 500, f"127.0.0.1:{server.port}")
            lacks(result.out, b"\x1b", "the text")
            lacks(result.text, "\u202e", "the text")
            found, _ = rows(server.port, "--policy", "builtin", "--timeout", 500)
            equal(found["plaintext"]["answer"], "accepted", "plaintext")
    with tap.case("a server that never answers is unclear, and soon given up"):
        with Hostile(b"", closes=False) as server:
            found, _ = rows(server.port, "--policy", "builtin", "--timeout", 100, status=1)
            equal(answers(found, "version.SSLv3", "version.TLSv1.3"),
                  {"version.SSLv3": "unclear", "version.TLSv1.3": "not-probed"}, "answers")
    with tap.case("a port that nobody listens on is an error, and so are wrong arguments"):
        contains(scan("--policy", "builtin", f"127.0.0.1:{free_port()}", status=1).text, "cannot be reached", "the message")
        for wrong in ("localhost", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "example_(org:443", "[::1:443", "--timeout",
                      "--colour"):
            scan(wrong, status=2)
        scan("--timeout", "5x", "127.0.0.1:1", status=2)
        scan("--policy", "/nonexistent", "127.0.0.1:1", status=1)


def main():
    tap = Tap()
    prove_nginx(tap)
    prove_plain_and_sealed(tap)
    prove_protected(tap)
    prove_post_quantum(tap)
    prove_hostile(tap)
    tap.finish()


main()
