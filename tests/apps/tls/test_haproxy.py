"""haproxy that terminates TLS 1.2 for a web server behind it."""

import http.server
import threading

from lib import certs
from lib.legacy import CIPHERS, LegacyServer, blob, http_exchange, prove_server
from lib.tap import Tap

DATA, DIGEST = blob()
CONFIG = """
global
    tune.ssl.default-dh-param 2048
    ssl-dh-param-file {dh}
defaults
    mode http
    timeout connect 10s
    timeout client 30s
    timeout server 30s
frontend tls
    bind 127.0.0.1:{port} ssl crt {pem} ssl-min-ver TLSv1.0 ssl-max-ver TLSv1.2 ciphers {ciphers} curves secp521r1
    default_backend web
backend web
    server web 127.0.0.1:{backend}
"""


class Backend(http.server.BaseHTTPRequestHandler):
    """Answers every GET with the data."""

    def do_GET(self):  # pylint: disable=invalid-name
        self.send_response(200)
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()
        self.wfile.write(DATA)

    def log_message(self, *_):
        pass


backend = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
threading.Thread(target=backend.serve_forever, daemon=True).start()


def command(folder, port):
    (folder / "haproxy.cfg").write_text(CONFIG.format(port=port, pem=certs.server().combined(), ciphers=CIPHERS,
                                                      dh=certs.dh_parameters(), backend=backend.server_port))
    return ["haproxy", "-db", "-q", "-f", folder / "haproxy.cfg"]


tap = Tap()
prove_server(tap, LegacyServer("haproxy", command, http_exchange("/blob", DIGEST), needs=["haproxy"],
                               addresses=False))  # it has BIOs of its own
tap.finish()
