"""New keys on connections that carry data in one direction, and peers that do not agree on new keys or do so all the time.

The clock of the programs under test is set by a preload (plugins/clock.so). The peers that break the rules are in
tests/peers, and use none of this project's code.
"""

import json
import socket
import subprocess

from lib import renewal
from lib.process import DEADLINE, PROGRAMS, ROOT, Process, free_port, python_with
from lib.seal import Keys, SealWrap, needs_seal
from lib.tap import Skip, Tap, check, equal

PEERS = ROOT / "tests/peers"


def one_way(tap, keys, sender):
    with tap.case(f"keys are renewed every hour if only the side that {sender}s sends, and neither program does both"):
        needs_seal()
        port = free_port()
        renewal.one_way(port, sender, {"listen": SealWrap(keys, listen=port), "connect": SealWrap(keys, connect=port)})


def foreign(keys, script, port, *words):
    """A peer of tests/peers on a connection to `port`. Returns its last line, parsed."""
    python = python_with("dissononce", "cryptography")
    if python is None:
        raise Skip("no Python here has dissononce (Debian: python3-dissononce)")
    secret, server = keys.path("rude").read_text().split()[0], keys.public("peer")
    with socket.create_connection(("127.0.0.1", port)) as connection:
        result = subprocess.run([python, PEERS / script, *words[:1], f"--secret={secret}", f"--peer={server}", *words[1:]],
                                stdin=connection, stdout=connection, stderr=subprocess.PIPE, timeout=4 * DEADLINE, check=False)
    lines = result.stderr.decode().strip().splitlines()
    check(lines and lines[-1].startswith("{"), f"the peer printed {lines[-3:]}")
    return json.loads(lines[-1])


def rude(tap, keys, sentence, reason, script, *words, echoes=None):
    with tap.case(sentence):
        needs_seal()
        port, clock = free_port(), renewal.Clock()
        wrap = SealWrap(keys, listen=port)
        words = [f"--clock={clock.path}" if word == "--clock" else word for word in words]
        with Process([PROGRAMS / "seal/sock_serve", port], env=clock.environment(wrap)) as server:
            server.wait_for_port(port)
            seen = foreign(keys, script, port, *words)
            event = wrap.wait_event("closed")
            expected = ("error", reason) if reason else ("clean", None)
            equal((event["end"], event.get("reason")), expected, f"the log; peer {seen}")
            if echoes is not None:
                equal(seen["echoes"], echoes, f"frames that the peer {seen} got back")
            equal(foreign(keys, "python_peer.py", port, "--role=initiator", "--sizes=5")["bytes"], 5, "what another peer got")
            return event


def served(tap, keys):
    sizes = "--sizes=" + ",".join(["1"] * 30)
    rude(tap, keys, "thirty re-handshakes in a row are served", None, "python_peer.py", "--role=initiator", "--every=1", sizes)
    sizes = "--sizes=" + ",".join(["1"] * 400)
    event = rude(tap, keys, "four hundred in a row are not: the connection ends, and the server serves others",
                 "the client asks for new keys too often", "python_peer.py", "--role=initiator", "--every=1", sizes)
    with tap.case("of these, 32 and one for each second were served"):
        check(event is not None, "the case before has failed")
        check(32 <= event["rehandshakes"] < 32 + DEADLINE, f"{event['rehandshakes']} re-handshakes")


def main():
    tap = Tap()
    keys = Keys("peer", "rude")
    for sender in ("listen", "connect"):
        one_way(tap, keys, sender)
    served(tap, keys)
    rude(tap, keys, "data in the old stream after the initiator's type 2 frame ends the connection",
         "a frame does not authenticate", "rude_peer.py", "old")
    old = "the keys are too old: the peer has not agreed on new ones"
    rude(tap, keys, "a client that never asks loses the connection a day after it was due", old,
         "rude_peer.py", "never", "--clock", echoes=25)
    rude(tap, keys, "a client that stays in its old stream after the answer loses it as well", old,
         "rude_peer.py", "late", "--clock", echoes=25)
    tap.finish()


main()
