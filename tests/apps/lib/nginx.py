"""nginx with an old configuration, for the scripts that need a web server with weak settings."""

from lib import certs
from lib.legacy import CIPHERS, LegacyServer, blob, http_exchange

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
        ssl_ecdh_curve {curve};
        ssl_session_cache shared:tls:1m;
        root {folder};
        location /config {{ return 200 "{marker}"; }}
    }}
}}
"""


def write_config(folder, port, marker="first", curve="secp521r1"):
    """By default the curve is one that the default policy does not have."""
    (folder / "nginx.conf").write_text(CONFIG.format(port=port, certificate=certs.server(), ciphers=CIPHERS,
                                                     dh=certs.dh_parameters(), folder=folder, marker=marker, curve=curve))


def command(folder, port):
    write_config(folder, port)
    (folder / "blob").write_bytes(DATA)
    return ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-g", "daemon off;"]


def legacy_nginx():
    """nginx, master and two workers that drop their privileges, TLS 1.2 at most."""
    return LegacyServer("nginx", command, http_exchange("/blob", DIGEST), needs=["nginx"])
