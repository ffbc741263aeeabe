"""lighttpd with mod_openssl configured for TLS 1.2 only."""

from lib import certs
from lib.legacy import CIPHERS, LegacyServer, blob, http_exchange, prove_server
from lib.tap import Tap

DATA, DIGEST = blob()
CONFIG = """
server.modules = ("mod_openssl")
server.document-root = "{folder}"
server.errorlog = "{folder}/error.log"
server.bind = "127.0.0.1"
server.port = {port}
ssl.engine = "enable"
ssl.pemfile = "{pem}"
ssl.openssl.ssl-conf-cmd = ("MinProtocol" => "TLSv1", "MaxProtocol" => "TLSv1.2", "CipherString" => "{ciphers}",
    "DHParameters" => "{dh}", "Curves" => "secp521r1", "Options" => "-SessionTicket")
"""


def command(folder, port):
    (folder / "blob").write_bytes(DATA)
    (folder / "lighttpd.conf").write_text(CONFIG.format(folder=folder, port=port, pem=certs.server().combined(),
                                                        ciphers=CIPHERS, dh=certs.dh_parameters()))
    return ["lighttpd", "-D", "-f", folder / "lighttpd.conf"]


tap = Tap()
prove_server(tap, LegacyServer("lighttpd", command, http_exchange("/blob", DIGEST), needs=["lighttpd"]))
tap.finish()
