"""squid in one process (-N), which drops root; with a master its worker would start without the shim, and is refused."""

import os
import signal

from lib import certs, peers
from lib.legacy import CIPHERS, LegacyServer, http_get, prove_server
from lib.listening import listens
from lib.process import Process, find, free_port, temporary_directory, wait_until
from lib.tap import Tap, contains, equal, skip_all
from lib.wrap import Wrap

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
    return [find("squid"), "-N", "-f", folder / "squid.conf"]


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
    with server.start(wrap) as squid:
        with tap.case("squid wrapped ends on SIGTERM"):
            os.kill(squid.pid, signal.SIGTERM)
            equal(squid.wait(), 0, "exit status")
            wait_until(lambda: not listens(squid.port), "the port to be closed")
    with tap.case("the worker of a wrapped squid with a master is refused, and the log says why"):
        folder, refused = temporary_directory(), Wrap()
        master = [word if word != "-N" else "--foreground" for word in command(folder, free_port())]
        with Process(refused.argv(master)):
            event = refused.wait_event("refused", rule="children")
            contains(event["reason"], "real and effective user", f"the reason in {event}")
    tap.finish()


main()
