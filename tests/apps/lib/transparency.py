"""A Certificate Transparency log of the tests' own: SCTs (RFC 6962, section 3.2) for the tests' certificates.

A server shows an SCT in its certificate, in a TLS extension or in its OCSP response. The certificate with an SCT is built
by hand from one without: openssl(1) cannot give two certificates the same times.
"""

import base64
import hashlib
import time

from lib import certs
from lib.process import temporary_directory

SCT_EXTENSION = 18  # signed_certificate_timestamp (RFC 6962, section 3.3.1)
IN_CERTIFICATE, IN_OCSP = "1.3.6.1.4.1.11129.2.4.2", "1.3.6.1.4.1.11129.2.4.5"
SEQUENCE, OCTETS, BITS, ENUMERATED, TIME = 0x30, 0x04, 0x03, 0x0a, 0x18


def der(tag, *parts):
    """An element of DER."""
    content = b"".join(parts)
    size = len(content)
    length = bytes([size]) if size < 0x80 else bytes([0x80 | (size.bit_length() + 7) // 8]) + size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + length + content


def elements(content):
    """The elements of DER that stand one after another, each as (tag, content)."""
    while content:
        tag, length, start = content[0], content[1], 2
        if length & 0x80:
            start += length & 0x7f
            length = int.from_bytes(content[2:start], "big")
        yield tag, content[start:start + length]
        content = content[start + length:]


def oid(text):
    numbers = [int(number) for number in text.split(".")]
    encoded = bytes([40 * numbers[0] + numbers[1]])
    for number in numbers[2:]:
        groups = [number & 0x7f]
        while number := number >> 7:
            groups.insert(0, number & 0x7f | 0x80)
        encoded += bytes(groups)
    return der(0x06, encoded)


def vector(size, content):
    """A vector of TLS: its length in `size` bytes, and its bytes."""
    return len(content).to_bytes(size, "big") + content


def to_der(certificate):
    return certs.openssl("x509", "-in", certificate.cert, "-outform", "DER")


def sign(key, data):
    return certs.openssl("dgst", "-sha256", "-sign", key, data=data)


class Log:
    """A log with a key of its own."""

    def __init__(self, name):
        self.name, self.key = name, temporary_directory() / f"{name}.key"
        self.key.write_bytes(certs.openssl(*certs.KEYS["p256"]))
        self.public = certs.openssl("pkey", "-in", self.key, "-pubout", "-outform", "DER")

    def sct(self, entry, later_s=0, is_spoiled=False):
        """An SCT of an entry, as TLS writes it (RFC 6962, section 3.2)."""
        timestamp = int((time.time() + later_s) * 1000).to_bytes(8, "big")
        signature = sign(self.key, b"\0\0" + timestamp + entry + vector(2, b""))
        if is_spoiled:
            signature = sign(self.key, b"something else")
        return b"\0" + hashlib.sha256(self.public).digest() + timestamp + vector(2, b"") + b"\4\3" + vector(2, signature)


def log_list(*logs):
    """The file of SSL_CTX_set_ctlog_list_file(3)."""
    path = temporary_directory() / "logs.cnf"
    sections = "".join(f"[{log.name}]\ndescription = {log.name}\nkey = {base64.b64encode(log.public).decode()}\n" for log in logs)
    path.write_text(f"enabled_logs = {','.join(log.name for log in logs)}\n{sections}")
    return path


def certificate_entry(certificate):
    """What a log signs for a certificate that is complete: for the extension and the OCSP response."""
    return b"\0\0" + vector(3, to_der(certificate))


def sct_list(*scts):
    return vector(2, b"".join(vector(2, sct) for sct in scts))


def embedded(name, *logs, **how):
    """A certificate that has an SCT of each log inside."""
    issuer, plain = certs.authority(), certs.signed(f"ct-{name}", "p256")
    tbs = next(elements(to_der(plain)))[1]
    tbs, algorithm = [der(tag, content) for tag, content in elements(tbs)][:2]
    public = certs.openssl("pkey", "-in", issuer.key, "-pubout", "-outform", "DER")
    entry = b"\0\1" + hashlib.sha256(public).digest() + vector(3, tbs)
    scts = sct_list(*[log.sct(entry, **how) for log in logs])
    fields = list(elements(next(elements(tbs))[1]))
    extensions = next(elements(fields[-1][1]))[1]
    extension = der(SEQUENCE, oid(IN_CERTIFICATE), der(OCTETS, der(OCTETS, scts)))
    fields[-1] = (fields[-1][0], der(SEQUENCE, extensions, extension))
    tbs = der(SEQUENCE, *[der(tag, content) for tag, content in fields])
    whole = der(SEQUENCE, tbs, algorithm, der(BITS, b"\0", sign(issuer.key, tbs)))
    path = temporary_directory() / f"ct-{name}.crt"
    path.write_bytes(certs.openssl("x509", "-inform", "DER", data=whole))
    return path, plain.key


def in_extension(certificate, log):
    """The file for s_server -serverinfo: the extension for TLS 1.2 and 1.3 (SSL_CTX_use_serverinfo_ex(3))."""
    client_hello, server_hello_12, certificate_13 = 0x80, 0x100, 0x1000
    context = (client_hello | server_hello_12 | certificate_13).to_bytes(4, "big")
    info = context + SCT_EXTENSION.to_bytes(2, "big") + vector(2, sct_list(log.sct(certificate_entry(certificate))))
    path = temporary_directory() / "serverinfo.pem"
    path.write_text(f"-----BEGIN SERVERINFOV2 FOR SCT-----\n{base64.encodebytes(info).decode()}-----END SERVERINFOV2 FOR SCT-----\n")
    return path


def in_ocsp_response(certificate, log):
    """The file for s_server -status_file: an OCSP response (RFC 6960) with an SCT, and a signature that proves nothing."""
    now = der(TIME, time.strftime("%Y%m%d%H%M%SZ", time.gmtime()).encode())
    scts = der(SEQUENCE, oid(IN_OCSP), der(OCTETS, der(OCTETS, sct_list(log.sct(certificate_entry(certificate))))))
    sha1 = der(SEQUENCE, oid("1.3.14.3.2.26"), der(0x05))
    about = der(SEQUENCE, sha1, der(OCTETS, bytes(20)), der(OCTETS, bytes(20)), der(0x02, b"\1"))
    single = der(SEQUENCE, about, der(0x80), now, der(0xa1, der(SEQUENCE, scts)))
    data = der(SEQUENCE, der(0xa2, der(OCTETS, bytes(20))), now, der(SEQUENCE, single))
    basic = der(SEQUENCE, data, der(SEQUENCE, oid("1.2.840.10045.4.3.2")), der(BITS, b"\0", bytes(8)))
    response = der(SEQUENCE, der(ENUMERATED, b"\0"),
                   der(0xa0, der(SEQUENCE, oid("1.3.6.1.5.5.7.48.1.1"), der(OCTETS, basic))))
    path = temporary_directory() / "ocsp.der"
    path.write_bytes(response)
    return path
