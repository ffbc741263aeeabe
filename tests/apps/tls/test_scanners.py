# run: first
"""What an auditor's scanners find on nginx with an old configuration: sslscan and testssl.sh.

Bare they find TLS 1.2 with static RSA and finite-field DH; wrapped, TLS 1.3 with ECDHE groups and nothing else.
"""

import json
import xml.etree.ElementTree as ElementTree

from lib.legacy import SUITES, require_programs
from lib.nginx import legacy_nginx
from lib.process import run, temporary_directory
from lib.tap import Tap, check, equal
from lib.wrap import Wrap

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


def testssl(port):
    """The findings of testssl.sh about protocols, ciphers and groups, by their id."""
    file = temporary_directory() / "testssl.json"
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
            findings = testssl(nginx.port)
            equal(offered(findings), {"TLS1_3"}, "protocols")
            ciphers = ciphers_of(findings)
            check(ciphers, f"testssl should find a cipher: {findings}")
            for cipher, exchange in ciphers:
                check(cipher in SUITES and exchange.startswith(("ECDH", "X25519", "P-")), f"cipher {cipher} by {exchange}")
            curves = findings.get("PFS_ECDHE_curves", findings.get("FS_ECDHE_curves", "")).split()
            check({"prime256v1", "X25519"} <= set(curves), f"curves: {curves}")
            finite = findings.get("DH_groups", "")
            check("ffdhe" not in finite, f"finite-field groups: {finite}")

        with tap.case("the audit log of the scanned nginx holds TLS 1.3 handshakes alone"):
            shaken = wrap.events("handshake")
            check(shaken, f"expected handshakes; log: {wrap.tail()}")
            equal({event["version"] for event in shaken}, {"TLSv1.3"}, "versions")
    tap.finish()


main()
