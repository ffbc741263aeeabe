"""A peer that breaks the rules about new keys (docs/WIRE.md, 2.9 and 2.11): rude_peer.py HOW OPTIONS, as python_peer.py.

`old`: after its type 2 frame, it sends data in the stream that this frame has ended. `late`: it has asked, has got the
answer, and stays in its old stream. `never`: it never asks. The last two set the clock of the peer under test: --clock is
a file with the seconds that its clock is ahead. Prints a line of JSON: how many frames came back, and why it ended.
"""

import base64
import json
import struct
import sys

from python_peer import DATA, Peer, ProtocolError, Stream

HOUR = 3600
HOURS = 100


class Rude(Peer):
    def __init__(self, how, options):
        super().__init__(options)
        self.how, self.clock, self.echoes = how, options.get("clock"), 0

    def switch(self, content):
        old = self.push
        if self.how == "late":  # opens the responder's new stream, and goes on in its own old one
            peer = self.keys(self.read_message(content[24:]))[1]
            self.pull = Stream(peer, content[:24])
            return
        super().switch(content)
        if self.how == "old":
            self.write(old.seal(DATA, b"old", self.rekey))

    def advance(self, seconds):
        with open(self.clock, "r+b") as file:
            ahead, = struct.unpack("=q", file.read(8))
            file.seek(0)
            file.write(struct.pack("=q", ahead + seconds))

    def converse(self):
        self.connect()
        self.send(b"first")
        while self.receive() is not None:
            self.echoes += 1
            if self.clock:
                self.advance(HOUR)
            if self.echoes == HOURS:
                raise ProtocolError("nothing ended it")
            self.send(b"more")


def main(how, *words):
    options = dict(word[2:].split("=", 1) for word in words)
    for key in ("secret", "peer"):
        options[key] = base64.b64decode(options[key])
    options.update(role="initiator", every="0" if how == "never" else "2")
    peer = Rude(how, options)
    try:
        peer.converse()
        reason = "an orderly end"
    except (ProtocolError, OSError) as error:
        reason = str(error)
    print(json.dumps({"echoes": peer.echoes, "reason": reason}), file=sys.stderr)


main(*sys.argv[1:])
