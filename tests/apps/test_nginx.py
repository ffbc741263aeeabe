"""nginx with a configuration of the old days: TLS 1.2 only, static RSA and finite-field DH ciphers."""

import hashlib
import signal

from lib import certs, hello, peers
from lib.legacy import CIPHERS, LegacyServer, blob, check_handshake, http_exchange, http_get, prove_server
from lib.process import wait_until
from lib.tap import Tap, check, equal
from lib.wrap import Wrap

DATA, DIGEST = blob()
CONFIG = """
user www-data;
worker_processes 2;
pid nginx.pid;
error_log error.log info;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
    sendfile on;
    keepalive_timeout 60;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate.cert};
        ssl_certificate_key {certificate.key};
        ssl_protocols TLSv1 TLSv1.1 TLSv1.2;
        ssl_ciphers "{ciphers}";
        ssl_prefer_server_ciphers on;
        ssl_dhparam {dh};
        ssl_ecdh_curve secp384r1;
        ssl_session_cache shared:tls:1m;
        root {folder};
        location /config {{ return 200 "{marker}"; }}
    }}
}}
"""


def write_config(folder, port, marker="first"):
    (folder / "nginx.conf").write_text(CONFIG.format(port=port, certificate=certs.server(), ciphers=CIPHERS,
                                                     dh=certs.dh_parameters(), folder=folder, marker=marker))


def command(folder, port):
    write_config(folder, port)
    (folder / "blob").write_bytes(DATA)
    return ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-g", "daemon off;"]


def fetch(port, path):
    with peers.connected(port) as connection:
        return http_get(connection, path)


def main():
    tap = Tap()
    server = LegacyServer("nginx", command, http_exchange("/blob", DIGEST), needs=["nginx"])
    prove_server(tap, server)

    wrap = Wrap()
    with server.start(wrap) as nginx:
        with tap.case("nginx wrapped keeps a connection alive over many requests, in one handshake"):
            with peers.connected(nginx.port) as connection:
                for number in range(20):
                    status, body = http_get(connection, "/blob", close=False)
                    equal((status, hashlib.sha256(body).hexdigest()), (200, DIGEST), f"request {number}")
            wrap.wait_event("handshake", role="server")
            equal(len(wrap.events("handshake", role="server")), 1, "handshake events")

        with tap.case("nginx wrapped logs from workers that have dropped their privileges"):
            event = wrap.wait_event("handshake", role="server")
            check(event["pid"] != nginx.pid, f"expected a worker's pid, not the master's, in {event}")
            check_handshake(event)

        with tap.case("nginx wrapped refuses TLS 1.2 from its new workers after a reload, and serves TLS 1.3"):
            write_config(nginx.folder, nginx.port, "second")
            nginx.signal(signal.SIGHUP)
            wait_until(lambda: fetch(nginx.port, "/config")[1] == b"second", "the new configuration to be served")
            for number in range(8):
                answer = hello.offer_tls12(nginx.port)
                check(not answer.accepted, f"attempt {number}: expected a refusal, found {answer}")

        with tap.case("nginx wrapped ends its workers and itself on SIGQUIT"):
            nginx.signal(signal.SIGQUIT)
            equal(nginx.wait(), 0, "exit status")

    with tap.case("nginx wrapped logs what it overrode, each setting once per process and not per connection"):
        settings = [event.get("setting") for event in wrap.events("override")]
        check(any("protocol" in str(setting).lower() or "version" in str(setting).lower() or
                  "option" in str(setting).lower() for setting in settings),
              f"expected an override of the protocol version among {settings}")
    tap.finish()


main()
