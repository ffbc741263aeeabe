#!/usr/bin/env python3
"""[findings] certificates = log: a server's own certificate and the peer's chain, once each, and what is wrong with them."""

import json
import textwrap

from lib import certs, peers
from lib.process import PYTHON, Process, free_port, run
from lib.tap import Tap, check, contains, equal
from lib.wrap import LAUNCHER, Wrap

SERVER = textwrap.dedent("""
    import socket, ssl, sys
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    if len(sys.argv) > 4:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(sys.argv[4])
    while True:
        with context.wrap_socket(listener.accept()[0], server_side=True) as tls:
            tls.sendall(b"data")
    """)
WEAK = ["signed with SHA-1", "a key of less than 2048 bits", "expires in less than 30 days", "no subjectAltName"]


def findings_wrap(log="log"):
    return Wrap(extra=f"[findings]\ncertificates = {log}")


def weak_certificate(folder):
    """A certificate of version 1, which has no extensions, for nine days."""
    issuer, paths = certs.authority(), (folder / "weak.crt", folder / "weak.key")
    paths[1].write_bytes(certs.openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"))
    request = certs.openssl("req", "-new", "-key", paths[1], "-subj", "/O=pfswrap/CN=weak.test")
    paths[0].write_bytes(certs.openssl("x509", "-req", "-CA", issuer.cert, "-CAkey", issuer.key, "-sha1", "-days", "9",
                                       "-set_serial", "77", data=request))
    return paths


def serve(wrap, cert, key, *trust, times=3, **client):
    port = free_port()
    with Process(wrap.argv([*PYTHON, "-c", SERVER, port, cert, key, *trust])).wait_for_port(port):
        for _ in range(times):
            with peers.connected(port, peers.client_context(**client), name="server.test") as connection:
                equal(connection.recv(10), b"data", "data")
    return wrap.events("finding")


def fingerprint(path):
    text = certs.openssl("x509", "-in", path, "-noout", "-fingerprint", "-sha256").decode()
    return text.split("=")[1].strip().replace(":", "").lower()


def check_own():
    certificate, wrap = certs.server(), findings_wrap()
    found = serve(wrap, certificate.cert, certificate.key)
    equal(len(found), 1, f"findings of three connections; log: {wrap.tail()}")
    equal({name: found[0].get(name) for name in ("role", "kind", "whose", "subject", "key", "signature", "fingerprint", "reason",
                                                 "server_name", "rule")},
          {"role": "server", "kind": "certificate", "whose": "own", "subject": "/CN=server-rsa", "key": "RSA 2048",
           "signature": "ecdsa-with-SHA256", "fingerprint": fingerprint(certificate.cert), "reason": None,
           "server_name": "server.test", "rule": "certificate"}, "the finding")
    check(59 <= found[0]["days"] <= 90, f"days: {found[0]['days']}")
    equal(wrap.events("policy")[-1]["findings"], "certificates", "event policy")
    document = json.loads(run([LAUNCHER, "report", "--json", wrap.log]).out)
    equal(document["incident_totals"]["certificate"], 0, "a good certificate is no incident")


def check_weak():
    wrap = findings_wrap()
    found = serve(wrap, *weak_certificate(wrap.folder))
    equal([(event["subject"], event["key"], event["reason"].split(", ")) for event in found],
          [("/O=pfswrap/CN=weak.test", "RSA 1024", WEAK)], f"findings; log: {wrap.tail()}")
    check(found[0]["days"] in (8, 9), f"whole days, 9 only within the second of its signature: {found[0]['days']}")
    document = json.loads(run([LAUNCHER, "report", "--json", wrap.log]).out)
    for control in document["controls"]:
        if control["id"] in ("cwe-326", "nist-800-52r2", "pci-4.2.1"):
            equal((control["verdict"], control["exceptions"]["certificate"]), ("met-with-exceptions", 1), control["id"])
    contains(run([LAUNCHER, "report", wrap.log]).out.decode(), "no subjectAltName: /O=pfswrap/CN=weak.test", "the text")


def check_client_chain():
    """curl meets a server that sends its certificate and that of its CA, which signs itself."""
    certificate, wrap = certs.server("p256"), findings_wrap()
    chain = wrap.folder / "chain.pem"
    chain.write_bytes(certificate.cert.read_bytes() + certs.authority().cert.read_bytes())
    port = free_port()
    server = f"from http.server import *; import ssl; s = HTTPServer(('127.0.0.1', {port}), SimpleHTTPRequestHandler); " \
             f"c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain({str(chain)!r}, {str(certificate.key)!r}); " \
             "s.socket = c.wrap_socket(s.socket, server_side=True); s.serve_forever()"
    with Process([*PYTHON, "-c", server], cwd=wrap.folder).wait_for_port(port):
        url = f"https://localhost:{port}/chain.pem"
        result = run(wrap.argv(["curl", "-sS", "--cacert", certs.authority().cert, url, url]))
    equal((result.status, result.out), (0, 2 * chain.read_bytes()), f"{result!r}")
    equal([(event["role"], event["whose"], event["key"], event.get("reason"), event["fingerprint"])
           for event in wrap.events("finding")],
          [("client", "peer", "EC 256", None, fingerprint(certificate.cert)),
           ("client", "peer", "EC 256", None, fingerprint(certs.authority().cert))], f"findings; log: {wrap.tail()}")


def main():
    tap = Tap()
    with tap.case("a server's own certificate is logged once, and a good one has no reason"):
        check_own()
    with tap.case("what is wrong with a certificate is its reason, and an exception in the report"):
        check_weak()
    with tap.case("a client logs the chain of its server"):
        check_client_chain()
    with tap.case("a server logs the certificate of its client, which needs no name"):
        certificate, wrap = certs.server(), findings_wrap()
        found = serve(wrap, certificate.cert, certificate.key, certs.authority().cert, certificate=certs.client())
        equal([(event["whose"], event["subject"]) for event in found if event["whose"] == "peer"][:1],
              [("peer", "/CN=client")], f"findings; log: {wrap.tail()}")
        equal([event["subject"] for event in found if "reason" in event], [], "certificates with a reason")
    with tap.case("with certificates = off, nothing is logged"):
        certificate, wrap = certs.server(), findings_wrap("off")
        equal(serve(wrap, certificate.cert, certificate.key), [], "findings")
        equal(len(wrap.events("handshake")), 3, "handshakes")
    tap.finish()


main()
