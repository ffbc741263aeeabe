"""Certificates of every kind that the tests need, made with the openssl command and kept in build/test-certs.

Each kind is made once, under a lock, since test scripts run side by side. A small CA signs the ordinary server and
client certificates; the kinds that TLS 1.3 does not allow sign themselves.
"""

import fcntl
import os
import subprocess
import tempfile
import time
from pathlib import Path

from lib.process import BUILD


def folder():
    """build/test-certs, or a folder under /tmp if servers that drop their privileges cannot reach the build tree."""
    reachable = all(parent.stat().st_mode & 0o001 for parent in BUILD.resolve().parents)
    return BUILD / "test-certs" if reachable else Path(tempfile.gettempdir()) / f"pfswrap-test-certs-{os.getuid()}"


FOLDER = folder()
SECONDS_FRESH = 30 * 86400  # valid for 90 days, replaced after 30

KEYS = {
    "rsa": ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "p256": ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "p384": ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "ed25519": ["genpkey", "-algorithm", "ED25519"],
    "p224": ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-224"],
    "secp256k1": ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
    "rsa512": ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:512"],
    "dsa": None,  # needs parameters first
}
NAMES = "DNS:localhost,DNS:server.test,DNS:*.wild.test,IP:127.0.0.1,IP:::1"


class Certificate:
    """Paths of a certificate and its key, as PEM files."""

    def __init__(self, name):
        self.name = name
        self.cert, self.key = FOLDER / f"{name}.crt", FOLDER / f"{name}.key"

    def combined(self):
        """Key and certificate in one file, as haproxy, lighttpd and stunnel take them."""
        path = FOLDER / f"{self.name}.pem"
        with locked():
            if not path.exists() or path.stat().st_mtime < self.cert.stat().st_mtime:
                write(path, self.key.read_bytes() + self.cert.read_bytes())
        return path

    def pin(self):
        """Base64 of the SHA-256 of its SubjectPublicKeyInfo (RFC 7469), for pin-sha256."""
        public = openssl("x509", "-in", self.cert, "-noout", "-pubkey")
        der = openssl("pkey", "-pubin", "-outform", "DER", data=public)
        return openssl("base64", data=openssl("dgst", "-sha256", "-binary", data=der)).decode().strip()


def openssl(*arguments, data=b""):
    environment = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "OPENSSL_CONF")}
    done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, env=environment,
                          timeout=120, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(map(str, arguments))}: {done.stderr.decode('utf-8', 'replace')}")
    return done.stdout


class locked:
    """Only one script at a time makes certificates."""

    def __enter__(self):
        FOLDER.mkdir(parents=True, exist_ok=True)
        self.file = open(FOLDER / "lock", "w", encoding="ascii")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self.file.close()


def write(path, content):
    """Readable by everyone: servers read their keys after they have dropped privileges, and these keys protect nothing."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(content)
    temporary.chmod(0o644)
    temporary.rename(path)


def fresh(path):
    return path.exists() and time.time() - path.stat().st_mtime < SECONDS_FRESH


def make_key(path, kind):
    if kind == "dsa":
        parameters = openssl("genpkey", "-genparam", "-algorithm", "DSA", "-pkeyopt", "dsa_paramgen_bits:2048",
                             "-pkeyopt", "dsa_paramgen_q_bits:256")
        given = path.with_name(path.name + ".param")
        write(given, parameters)
        write(path, openssl("genpkey", "-paramfile", given))
    else:
        write(path, openssl(*KEYS[kind]))


def make_self_signed(certificate, kind, subject, extensions):
    make_key(certificate.key, kind)
    digest = [] if kind == "ed25519" else ["-sha256"]
    extra = [word for extension in extensions for word in ("-addext", extension)]
    settings = FOLDER / "req.conf"  # OpenSSL 1.1.1 would add an extension twice that is in its own settings, too
    write(settings, b"[req]\ndistinguished_name = subject\n[subject]\n")
    write(certificate.cert, openssl("req", "-new", "-x509", "-config", settings, "-key", certificate.key,
                                    "-subj", subject, "-days", "90", *digest, *extra))


def authority(name="ca"):
    """The CA of the tests; another name is another CA, which no test trusts."""
    certificate = Certificate(name)
    with locked():
        if not fresh(certificate.cert):
            make_self_signed(certificate, "p256", f"/CN=pfswrap test {name}", ["basicConstraints=critical,CA:TRUE",
                                                                              "keyUsage=critical,keyCertSign,cRLSign",
                                                                              "subjectKeyIdentifier=hash"])
    return certificate


def self_signed(kind):
    """A server certificate of a kind of key (see KEYS) that signs itself, for localhost and server.test."""
    certificate = Certificate(f"self-{kind}")
    with locked():
        if not fresh(certificate.cert):
            make_self_signed(certificate, kind, "/CN=localhost", ["basicConstraints=critical,CA:TRUE", f"subjectAltName={NAMES}"])
    return certificate


def signed(name, kind="rsa", names=NAMES, usage="serverAuth", ca="ca", digest="sha256"):
    """A certificate signed by the tests' CA. `name` must differ wherever the other arguments do."""
    issuer, certificate = authority(ca), Certificate(name)
    with locked():
        if fresh(certificate.cert) and certificate.cert.stat().st_mtime >= issuer.cert.stat().st_mtime:
            return certificate
        make_key(certificate.key, kind)
        request = openssl("req", "-new", "-key", certificate.key, "-subj", f"/CN={name}")
        extensions = FOLDER / f"{name}.ext"
        write(extensions, f"basicConstraints=CA:FALSE\nsubjectAltName={names}\nextendedKeyUsage={usage}\n".encode())
        write(certificate.cert, openssl("x509", "-req", "-CA", issuer.cert, "-CAkey", issuer.key, f"-{digest}",
                                        "-days", "90", "-set_serial", str(time.time_ns()), "-extfile", extensions,
                                        data=request))
    return certificate


def server(kind="rsa"):
    """The ordinary server certificate: signed by the CA, for localhost, server.test, 127.0.0.1 and ::1."""
    return signed(f"server-{kind}", kind)


def client():
    """A client certificate signed by the CA."""
    return signed("client", "p256", names="DNS:client.test", usage="clientAuth")


# The 2,048-bit group of RFC 7919 (ffdhe2048) as classic DH parameters. OpenSSL 1.1.1 cannot write them.
FFDHE2048 = """\
-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""


def dh_parameters():
    """A file with the 2,048-bit group of RFC 7919 as classic DH parameters, for ssl_dhparam and the like."""
    path = FOLDER / "dh2048.pem"
    with locked():
        if not path.exists():
            write(path, FFDHE2048.encode())
    return path
