# run: first
"""What an auditor's scanners find on nginx with an old configuration: sslscan and testssl.sh.

Bare they find TLS 1.2 with static RSA and finite-field DH; wrapped, TLS 1.3 with ECDHE groups and nothing else.
"""

import json
import os
import xml.etree.ElementTree as ElementTree

from lib.legacy import SUITES, require_programs
from lib.nginx import legacy_nginx
from lib.process import run, temporary_directory
from lib.tap import Tap, check, equal
from lib.wrap import LAUNCHER, Wrap

PROTOCOLS = {"SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3"}  # as testssl.sh calls them


def sslscan(port):
    """(protocols that are enabled, [(version, cipher)], [(version, group)])"""
    result = run(["sslscan", "--xml=-", "--no-colour", f"127.0.0.1:{port}"], timeout=120)
    equal(result.status, 0, f"exit status of {result!r}")
    scan = ElementTree.fromstring(result.out).find("ssltest")
    check(scan is not None, f"no result of a scan in {result!r}")
    protocols = {f"{each.get('type')} {each.get('version')}" for each in scan.findall("protocol")
                 if each.get("enabled") == "1"}
    check(scan.findall("protocol"), f"no protocol was tried in {result!r}")
    ciphers = [(each.get("sslversion"), each.get("cipher")) for each in scan.findall("cipher")]
    groups = [(each.get("sslversion"), each.get("name")) for each in scan.findall("group")]
    return protocols, ciphers, groups


def testssl(port, file):
    """The findings of testssl.sh about protocols, ciphers and groups, by their id; its JSON goes to the file."""
    result = run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "-n", "none", "-p", "-f", "-e", "--jsonfile",
                  file, f"127.0.0.1:{port}"], timeout=200)
    check(file.exists(), f"testssl wrote nothing: {result!r}")
    findings = {each["id"]: each["finding"] for each in json.loads(file.read_text())}
    check(PROTOCOLS <= set(findings), f"expected a finding for each of {sorted(PROTOCOLS)}: {sorted(findings)}")
    check("scanTime" in findings, f"testssl did not end its scan: {sorted(findings)}")
    return findings


def offered(findings):
    return {name for name in PROTOCOLS if not findings[name].startswith("not offered")}


def ciphers_of(findings):
    """[(name, key exchange)] of each cipher testssl.sh found."""
    return [(finding.split()[1], finding.split()[2]) for name, finding in findings.items() if name.startswith("cipher_x")]


def scan_rows(port, file, *options, status=0):
    """The rows of `pfswrap scan --testssl`, where testssl gives the result that it gave before: it takes a minute each time."""
    folder = temporary_directory()
    (folder / "testssl").write_text('#!/bin/sh\nwhile [ "$1" != --jsonfile ]; do shift; done\ncp ' + f'{file} "$2"\n')
    (folder / "testssl").chmod(0o755)
    result = run([LAUNCHER, "scan", "--json", "--testssl", *options, f"127.0.0.1:{port}"],
                 env={"PATH": f"{folder}:{os.environ['PATH']}"})
    equal(result.status, status, f"status of {result!r}")
    return {row["id"]: row for row in json.loads(result.out)["targets"][0]["rows"]}


def main():
    require_programs("nginx", "sslscan", "testssl")
    tap = Tap()
    server = legacy_nginx()
    with server.start() as nginx:
        with tap.case("sslscan finds the bare nginx weak: TLS 1.2, static RSA and finite-field DH"):
            protocols, ciphers, _ = sslscan(nginx.port)
            check("tls 1.2" in protocols and "tls 1.3" not in protocols, f"protocols: {protocols}")
            names = [cipher for _, cipher in ciphers]
            check("AES128-SHA" in names and any(name.startswith("DHE-RSA") for name in names), f"ciphers: {names}")

    wrap = Wrap()
    with server.start(wrap) as nginx:
        with tap.case("sslscan finds TLS 1.3 with ECDHE groups on the wrapped nginx, and nothing else"):
            protocols, ciphers, groups = sslscan(nginx.port)
            equal(protocols, {"tls 1.3"}, "protocols")
            check(ciphers, "sslscan should find a cipher")
            for version, cipher in ciphers:
                check(version == "TLSv1.3" and cipher in SUITES, f"cipher {cipher} of {version}")
            check({"x25519", "secp256r1 (NIST P-256)"} <= {name for _, name in groups}, f"groups: {groups}")
            for version, group in groups:
                check(version == "TLSv1.3" and not group.startswith("ffdhe"), f"group {group} of {version}")

        with tap.case("testssl.sh finds TLS 1.3 with ECDHE groups on the wrapped nginx, and nothing else"):
            file = temporary_directory() / "testssl.json"
            findings = testssl(nginx.port, file)
            equal(offered(findings), {"TLS1_3"}, "protocols")
            ciphers = ciphers_of(findings)
            check(ciphers, f"testssl should find a cipher: {findings}")
            for cipher, exchange in ciphers:
                check(cipher in SUITES and exchange.startswith(("ECDH", "X25519", "P-")), f"cipher {cipher} by {exchange}")
            curves = findings.get("PFS_ECDHE_curves", findings.get("FS_ECDHE_curves", "")).split()
            check({"prime256v1", "X25519"} <= set(curves), f"curves: {curves}")
            finite = findings.get("DH_groups", "")
            check("ffdhe" not in finite, f"finite-field groups: {finite}")

        with tap.case("pfswrap scan reads the same JSON of testssl.sh, and finds it within the policy"):
            rows = scan_rows(nginx.port, file)
            names = {name for name in PROTOCOLS if rows[f"testssl.protocol.{name}"]["answer"] == "accepted"}
            equal(names, {"TLS1_3"}, "protocols")
            equal({name for name in rows if name.startswith("testssl.cipher.")},
                  {f"testssl.cipher.{cipher}" for cipher, _ in ciphers}, "ciphers")
            check({"testssl.group.prime256v1", "testssl.group.X25519"} <= set(rows), f"groups: {sorted(rows)}")
            equal([name for name, row in rows.items() if row["outside"]], [], "outside the policy")

        with tap.case("and outside one with other groups and suites"):
            strict = Wrap(tls={"groups": "P-384", "ciphersuites": "TLS_AES_256_GCM_SHA384"})
            rows = scan_rows(nginx.port, file, "--policy", strict.policy, status=3)
            equal({name: rows[name]["outside"] for name in ("testssl.group.X25519", "testssl.cipher.TLS_AES_128_GCM_SHA256",
                                                            "testssl.cipher.TLS_AES_256_GCM_SHA384")},
                  {"testssl.group.X25519": True, "testssl.cipher.TLS_AES_128_GCM_SHA256": True,
                   "testssl.cipher.TLS_AES_256_GCM_SHA384": False}, "outside")

        with tap.case("the audit log of the scanned nginx holds TLS 1.3 handshakes alone"):
            shaken = wrap.events("handshake")
            check(shaken, f"expected handshakes; log: {wrap.tail()}")
            equal({event["version"] for event in shaken}, {"TLSv1.3"}, "versions")
    tap.finish()


main()
