"""vsftpd with AUTH TLS and old ciphers: it forks with a raw clone, and drops its privileges into a sandbox."""

from lib import certs, peers
from lib.legacy import CIPHERS, LegacyServer, prove_server
from lib.process import find
from lib.replies import auth_tls, say
from lib.tap import Tap

CONFIG = """
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
run_as_launching_user=NO
anonymous_enable=YES
local_enable=NO
anon_root={folder}/empty
secure_chroot_dir={folder}/empty
ssl_enable=YES
allow_anon_ssl=YES
force_anon_logins_ssl=NO
force_anon_data_ssl=NO
ssl_tlsv1=YES
ssl_sslv2=NO
ssl_sslv3=NO
require_ssl_reuse=NO
ssl_ciphers={ciphers}
rsa_cert_file={certificate.cert}
rsa_private_key_file={certificate.key}
"""


def command(folder, port):
    (folder / "empty").mkdir(mode=0o555)
    (folder / "vsftpd.conf").write_text(CONFIG.format(port=port, folder=folder, certificate=certs.server(),
                                                      ciphers=CIPHERS).lstrip())
    return [find("vsftpd"), folder / "vsftpd.conf"]


def exchange(port, context):
    with peers.connected(port, context, prepare=auth_tls) as connection:
        for words, expected in ((b"USER anonymous", b"331"), (b"PASS x@y", b"230"), (b"PWD", b"257"), (b"QUIT", b"221")):
            say(connection, words, expected)


tap = Tap()
prove_server(tap, LegacyServer("vsftpd", command, exchange, needs=["vsftpd"], prepare=auth_tls,
                               weak=("tls12", "static-rsa"), groups=["P-256"]))  # its own choice
tap.finish()
