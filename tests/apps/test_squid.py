"""squid as a daemon: its master executes the worker with a real user that is not root, and the worker then drops root."""

import os
import signal

from lib import certs, peers
from lib.legacy import CIPHERS, LegacyServer, http_get, prove_server
from lib.process import find, listens, wait_until
from lib.tap import Tap, contains, equal, skip_all

CONFIG = """
https_port 127.0.0.1:{port} tls-cert={certificate} options=NO_TLSv1_3 cipher={ciphers}
http_access allow manager
http_access deny all
pid_filename {folder}/pid
access_log none
cache_log {folder}/log
coredump_dir {folder}
netdb_filename none
pinger_enable off
shutdown_lifetime 0 seconds
visible_hostname server.test
"""


def command(folder, port):
    folder.chmod(0o777)
    (folder / "squid.conf").write_text(CONFIG.format(folder=folder, port=port, ciphers=CIPHERS,
                                                     certificate=certs.server().combined()))
    return [find("squid"), "--foreground", "-f", folder / "squid.conf"]


def exchange(port, context):
    with peers.connected(port, context) as connection:
        status, body = http_get(connection, "/squid-internal-mgr/menu")
        equal(status, 200, "status of the cache manager")
        contains(body, b"menu", "the manager's menu")


def main():
    if os.geteuid() != 0:
        skip_all("squid changes users, which needs root")
    tap = Tap()
    server = LegacyServer("squid", command, exchange, needs=["squid"], weak=("tls12", "static-rsa"))
    wrap = prove_server(tap, server)
    with tap.case("squid wrapped has its worker log"):
        event = wrap.wait_event("handshake", role="server")
        equal(event["program"], "(squid-1)", f"program in {event}")
    with server.start(wrap) as squid:
        with tap.case("squid wrapped ends with its worker on SIGTERM"):
            os.kill(squid.pid, signal.SIGTERM)
            equal(squid.wait(), 0, "exit status")
            wait_until(lambda: not listens(squid.port), "the port to be closed")
    tap.finish()


main()
