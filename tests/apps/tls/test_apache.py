"""Apache httpd with mod_ssl configured for TLS 1.2 only, with static RSA and finite-field DH ciphers."""

import hashlib

from lib import certs, peers
from lib.legacy import CIPHERS, LegacyServer, blob, http_exchange, http_get, prove_server
from lib.tap import Tap, equal
from lib.wrap import Wrap

DATA, DIGEST = blob()
CONFIG = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/httpd.pid
ErrorLog {folder}/error.log
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule ssl_module {modules}/mod_ssl.so
User www-data
Group www-data
Mutex file:{folder} default
Listen 127.0.0.1:{port}
DocumentRoot {folder}/www
SSLSessionCache none
KeepAliveTimeout 100
<VirtualHost *:{port}>
    SSLEngine on
    SSLProtocol TLSv1.2
    SSLCipherSuite {ciphers}
    SSLHonorCipherOrder on
    SSLCertificateFile {certificate.cert}
    SSLCertificateKeyFile {certificate.key}
    SSLOpenSSLConfCmd DHParameters {dh}
    SSLOpenSSLConfCmd Groups P-521
</VirtualHost>
"""


def command(folder, port):
    (folder / "www").mkdir()
    (folder / "www" / "blob").write_bytes(DATA)
    (folder / "httpd.conf").write_text(CONFIG.format(folder=folder, port=port, ciphers=CIPHERS,
                                                     certificate=certs.server(), dh=certs.dh_parameters(),
                                                     modules="/usr/lib/apache2/modules"))
    return ["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", folder / "httpd.conf"]


def main():
    tap = Tap()
    server = LegacyServer("apache", command, http_exchange("/blob", DIGEST), needs=["apache2"],
                          addresses=False)  # it has BIOs of its own
    prove_server(tap, server)
    with server.start(Wrap()) as apache:
        with tap.case("apache wrapped keeps a connection alive over many requests"):
            with peers.connected(apache.port) as connection:
                for number in range(10):
                    status, body = http_get(connection, "/blob", close=False)
                    equal((status, hashlib.sha256(body).hexdigest()), (200, DIGEST), f"request {number}")
    tap.finish()


main()
