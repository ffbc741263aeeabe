"""New keys in the inner layer, on connections on which only one side sends."""

from lib import certs, layer, renewal
from lib.process import free_port, run
from lib.tap import Tap, equal
from lib.wrap import LAUNCHER

tap = Tap()
server, trusted = certs.server(), certs.authority().cert
for sender in ("listen", "connect"):
    with tap.case(f"keys are renewed every hour if only the side that {sender}s sends, and neither program does both"):
        ends = layer.Ends()
        renewal.one_way(free_port(), sender, {"listen": ends.server, "connect": ends.client}, step=61,
                        files={"listen": [server.cert, server.key], "connect": [trusted]})
SENTENCE = "the same with hybrid handshakes, in which ML-KEM runs on the tunnel's memory"
if "post-quantum: no" in run([LAUNCHER, "version"]).out.decode():
    tap.result(True, SENTENCE, skip="this build has no ML-KEM (make mlkem-source)")
else:
    with tap.case(SENTENCE):
        ends = layer.Ends(rule=["post-quantum = require"])
        renewal.one_way(free_port(), "connect", {"listen": ends.server, "connect": ends.client}, step=61,
                        files={"listen": [server.cert, server.key], "connect": [trusted]})
        equal({event["pattern"] for event in ends.server.events("closed")}, {"IKhfs"}, "patterns in the log")
tap.finish()
