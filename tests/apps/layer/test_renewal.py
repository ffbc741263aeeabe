"""New keys in the inner layer, on connections on which only one side sends."""

from lib import certs, layer, renewal
from lib.process import free_port
from lib.tap import Tap

tap = Tap()
server, trusted = certs.server(), certs.authority().cert
for sender in ("listen", "connect"):
    with tap.case(f"keys are renewed every hour if only the side that {sender}s sends, and neither program does both"):
        ends = layer.Ends()
        renewal.one_way(free_port(), sender, {"listen": ends.server, "connect": ends.client}, step=61,
                        files={"listen": [server.cert, server.key], "connect": [trusted]})
tap.finish()
