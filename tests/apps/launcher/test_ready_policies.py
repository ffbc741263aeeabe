#!/usr/bin/env python3
"""The ready-made policies for controls, each against a table of what its source asks; pfswrap check --explain; scans."""

import re

from lib import certs, hello, peers
from lib.process import ROOT, Process, free_port, run, temporary_directory
from lib.tap import Tap, check, contains, equal
from lib.wrap import LAUNCHER, Wrap

AES = {"TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"}
USUAL = AES | {"TLS_CHACHA20_POLY1305_SHA256"}
GROUPS = {"X25519MLKEM768", "X25519", "P-256", "P-384"}
# name: what its source asks, from the documents that the policy names
TABLE = {
    "nist-800-52r2": {"min-version": "1.2", "groups": {"P-256", "P-384"}, "ciphersuites": AES, "verify-server": "require",
                      "plaintext": "refuse"},
    "pci-dss-4": {"min-version": "1.2", "groups": GROUPS, "ciphersuites": USUAL, "verify-server": "require",
                  "plaintext": "refuse"},
    "asvs-l1": {"min-version": "1.2", "groups": GROUPS, "ciphersuites": USUAL, "plaintext": "refuse"},
    "asvs-l2": {"min-version": "1.2", "groups": GROUPS, "ciphersuites": USUAL, "plaintext": "refuse",
                "verify-server": "require", "children": "require"},
    "asvs-l3": {"min-version": "1.3", "groups": GROUPS, "ciphersuites": USUAL, "plaintext": "refuse",
                "verify-server": "require", "children": "require", "log-failure": "refuse"},
    "mozilla-modern": {"min-version": "1.3", "groups": GROUPS, "ciphersuites": USUAL},
    "post-quantum": {"min-version": "1.3", "groups": {"X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024"},
                     "ciphersuites": {"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}, "plaintext": "refuse"},
}
REFERENCES = {"nist-800-52r2": "Special Publication 800-52 Revision 2", "pci-dss-4": "PCI DSS v4.0.1",
              "asvs-l1": "Verification Standard 4.0.3", "asvs-l2": "Verification Standard 4.0.3",
              "asvs-l3": "Verification Standard 4.0.3", "mozilla-modern": "guidelines/5.7.json", "post-quantum": "FIPS 203"}
# the verdict of each policy about the controls that it is for, and about one that it is not for
MET, EXCEPTIONS, NOT_MET = "met", "met, with exceptions", "NOT MET"
VERDICTS = {
    "nist-800-52r2": {"NIST SP 800-52r2": EXCEPTIONS, "Harvest now": NOT_MET},
    "pci-dss-4": {"PCI DSS 4.2.1": MET, "PCI DSS 3.6.4": MET, "NIST SP 800-52r2": NOT_MET},
    "asvs-l1": {"9.1.1": MET, "9.1.2": MET, "9.1.3": MET, "9.2.1": EXCEPTIONS},
    "asvs-l2": {"9.1.1": MET, "9.1.2": MET, "9.1.3": MET, "9.2.1": MET, "9.2.2": MET, "9.2.5": EXCEPTIONS},
    "asvs-l3": {"14.4.5": EXCEPTIONS, "3.4.1": EXCEPTIONS, "9.1.1": MET, "9.1.2": MET, "9.1.3": MET, "9.2.1": MET, "9.2.2": MET, "9.2.5": MET},
    "mozilla-modern": {"Mozilla": MET, "9.1.1": NOT_MET, "NIST SP 800-52r2": NOT_MET},
    "post-quantum": {"Harvest now": MET, "Mozilla": NOT_MET},
    "audit-only": {"9.1.1": NOT_MET, "CWE-326": NOT_MET},
    "strict": {"14.4.5": NOT_MET, "CWE-326": MET, "RFC 9325": MET},
}


def policy_file(text):
    path = temporary_directory() / "policy.conf"
    path.write_text(text)
    path.chmod(0o600)
    return path


def explain(path):
    result = run([LAUNCHER, "check", "--no-keys", "--explain", path])
    equal(result.status, 0, f"status of {result!r}")
    return result.out.decode()


def keys(text):
    """The keys of a policy before its rules."""
    head = re.split(r"^\[(?:listen|connect) ", text, flags=re.MULTILINE)[0]
    return dict(line.split(" = ", 1) for line in head.splitlines() if " = " in line and not line.startswith(";"))


def verdicts(text):
    return [tuple(line[2:].rsplit(": ", 1)) for line in text.splitlines()
            if line.startswith("; ") and line.endswith((": met", ": met, with exceptions", ": NOT MET"))]


def main():
    tap = Tap()
    for name, asked in TABLE.items():
        source = (ROOT / "policy" / f"{name}.conf").read_text()
        text = explain(policy_file(source))
        with tap.case(f"{name} has what its source asks, and names the source"):
            found = keys(text)
            for key, value in asked.items():
                equal(set(found[key].split(", ")) if isinstance(value, set) else found[key], value, key)
            equal((found["mode"], found["tls"]), ("enforce", "pfs"), "mode and [wire] tls")
            contains(" ".join(source.replace("\n;", " ").split()), REFERENCES[name], "the comments")
    for name, expected in VERDICTS.items():
        with tap.case(f"check --explain says which controls {name} meets, and is still a policy"):
            text = explain(policy_file((ROOT / "policy" / f"{name}.conf").read_text()))
            found = verdicts(text)
            for control, verdict in expected.items():
                equal([last for first, last in found if control in first][:1], [verdict], control)
            again = run([LAUNCHER, "check", "--no-keys", policy_file(text)])
            equal((again.status, keys(again.out.decode())), (0, keys(text)), "the output as a policy")
    with tap.case("check --explain names what is missing"):
        text = explain(policy_file("[wire]\ntls = log\nplaintext = refuse\n[listen a]\naddress = 192.0.2.1:80\nplaintext = allow\n"
                                   "[listen b]\naddress = 127.0.0.0/8:*, [::1]:5\nplaintext = allow\n"
                                   "[connect c]\naddress = 126.0.0.0/7:9\nplaintext = log\n"))
        contains(text, ";   - TLS of other libraries is not cut, expected [wire] tls = pfs\n", "the text")
        contains(text, ";   - plaintext passes by [listen a], [connect c]\n", "the text")
        contains(text, ";   - group X25519 is not one that NIST lists, expected P-256 and P-384 (or with ML-KEM)\n", "the text")
    with tap.case("a server under nist-800-52r2 has P-256 and AES, and no X25519, ChaCha20 or static RSA"):
        port, wrap, certificate = free_port(), Wrap(), certs.server()
        wrap.policy.write_text((ROOT / "policy/nist-800-52r2.conf").read_text().replace("log = syslog", f"log = {wrap.log}"))
        with Process(wrap.argv(["openssl", "s_server", "-accept", port, "-cert", certificate.cert, "-key", certificate.key, "-www",
                                "-cipher", "ALL:@SECLEVEL=0"])) as server:
            server.wait_for_port(port)
            check(hello.offer_group(port, "P-256").accepted, f"P-256; log: {wrap.tail()}")
            check(not hello.offer_group(port, "X25519").accepted, "X25519")
            check(not hello.offer(port, [hello.TLS13], [0x1303], hello.ECDHE_GROUPS).accepted, "ChaCha20-Poly1305")
            check(hello.offer_tls12(port, [0xC02F]).accepted, "TLS 1.2 with ECDHE and AES")
            check(not hello.offer_static_rsa(port).accepted, "static RSA")
            check(peers.negotiated(peers.s_client(port).text), "a connection")
    tap.finish()


main()
