"""TLS keys in an HSM: nginx, stunnel and s_server with SoftHSM2, by OpenSSL's engine pkcs11. Bare they speak TLS 1.2 here."""

import os
import shutil
import socket
import ssl
from pathlib import Path

from lib import certs
from lib.process import Process, free_port, run, temporary_directory
from lib.tap import Skip, Tap, equal
from lib.wrap import Wrap

KEY = "pkcs11:token=pfswrap;object=server;type=private;pin-value=1234"
NGINX = """
user root;
worker_processes 2;
pid nginx.pid;
error_log error.log;
env SOFTHSM2_CONF;
env OPENSSL_CONF;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {cert};
        ssl_certificate_key "engine:pkcs11:{key}";
        ssl_protocols TLSv1.2;
        location / {{ return 200 "served"; }}
    }}
}}
"""
STUNNEL = """
foreground = yes
syslog = no
pid =
engine = pkcs11
[echo]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{backend}
engineId = pkcs11
cert = {cert}
key = {key}
sslVersionMax = TLSv1.2
"""
OPENSSL = """
openssl_conf = all
[all]
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
init = 1
"""
tap = Tap()


class Token:
    """A token of SoftHSM2 with the server's key."""

    def __init__(self):
        self.folder = temporary_directory()
        (self.folder / "tokens").mkdir()
        config = self.folder / "softhsm2.conf"
        config.write_text(f"directories.tokendir = {self.folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
        openssl = self.folder / "openssl.cnf"
        openssl.write_text(OPENSSL)
        self.environment = {"SOFTHSM2_CONF": str(config), "OPENSSL_CONF": str(openssl)}
        self.softhsm("--init-token", "--free", "--label", "pfswrap", "--so-pin", "1234", "--pin", "1234")
        key = self.folder / "key.pem"
        equal(run(["openssl", "pkcs8", "-topk8", "-nocrypt", "-in", certs.server().key, "-out", key]).status, 0, "the key")
        self.softhsm("--import", key, "--token", "pfswrap", "--label", "server", "--id", "01", "--pin", "1234")
        key.unlink()

    def softhsm(self, *arguments):
        result = run(["softhsm2-util", *arguments], env=self.environment)
        equal(result.status, 0, f"{result!r}")


def missing(program):
    engines = list(Path("/usr/lib").glob("*/engines-3/pkcs11.so"))
    if not engines:
        return "libengine-pkcs11-openssl is not installed"
    return next((f"{name} is not installed" for name in ("softhsm2-util", program) if shutil.which(name) is None), None)


def version_at(port):
    context = ssl.create_default_context(cafile=certs.authority().cert)
    with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain, server_hostname="localhost") as tls:
        return tls.version()


def nginx(folder, port):
    (folder / "nginx.conf").write_text(NGINX.format(port=port, cert=certs.server().cert, key=KEY))
    return ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-g", "daemon off;"]


def stunnel(folder, port):
    (folder / "stunnel.conf").write_text(STUNNEL.format(port=port, backend=free_port(), cert=certs.server().cert, key=KEY))
    return ["stunnel", folder / "stunnel.conf"]


def s_server(folder, port):
    return ["openssl", "s_server", "-accept", port, "-cert", certs.server().cert, "-engine", "pkcs11", "-keyform", "engine",
            "-key", KEY, "-no_tls1_3", "-www"]


def prove(command):
    name = command.__name__
    with tap.case(f"{name} with its key in SoftHSM2: TLS 1.2 bare, and TLS 1.3 with ephemeral keys under pfswrap"):
        if missing("openssl" if name == "s_server" else name):
            raise Skip(missing("openssl" if name == "s_server" else name))
        if os.geteuid() != 0 and name == "nginx":
            raise Skip("nginx's workers run as root here, to read the token")
        token, wrap = Token(), Wrap()
        for argv, expected in ((lambda words: words, "TLSv1.2"), (wrap.argv, "TLSv1.3")):
            port, folder = free_port(), temporary_directory()
            server = Process(argv([str(word) for word in command(folder, port)]), env=token.environment).wait_for_port(port)
            equal(version_at(port), expected, f"the version; the server printed {server.text()[-500:]}")
            if expected == "TLSv1.3":  # the client's handshake ends before the server's
                equal(wrap.wait_event("handshake", role="server")["version"], "TLSv1.3", "the version in the log")
            server.stop()


for each in (s_server, nginx, stunnel):
    prove(each)
tap.finish()
