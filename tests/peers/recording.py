"""What an attacker can do with a recorded conversation and a server's static secret, written from docs/WIRE.md.

Reads JSON on stdin: `sent` and `answered`, what both sides sent inside TLS (hexadecimal), `secret` (the server's static
secret, base64), `binding` (hexadecimal). Prints JSON: the client's static key, which message 1 discloses, and how many
frames of either side each key decrypts that can be computed without an ephemeral secret; as a proof of the method, also
how many frames it decrypts of a conversation whose key is known.
"""

import base64
import contextlib
import json
import os
import struct
import sys

import python_peer


def opened(key, header, frames):
    """How many of the frames a key decrypts, from the first on."""
    reader, count = python_peer.Stream(key, header), 0
    with contextlib.suppress(python_peer.ProtocolError):
        while frames:
            length = struct.unpack(">H", frames[1:3])[0]
            reader.open(frames[:3], frames[3:3 + length], 1)
            frames, count = frames[4 + length:], count + 1
    return count


def known():
    """The same on frames whose key is known."""
    key = os.urandom(32)
    writer = python_peer.Stream(key)
    frames = b"".join(writer.seal(python_peer.DATA, os.urandom(100), 1) for _ in range(5))
    return opened(key, writer.header, frames)


def main():
    given = json.load(sys.stdin)
    sent, answered = bytes.fromhex(given["sent"]), bytes.fromhex(given["answered"])
    secret = base64.b64decode(given["secret"])
    length = struct.unpack(">H", sent[10:12])[0]
    preamble, message, rest = sent[:28], sent[28:28 + length], sent[28 + length:]

    def attacker():
        peer = python_peer.Peer({"role": "responder", "binding": given["binding"], "secret": secret})
        peer.pattern = preamble[8]
        peer.start(peer.prologue(preamble))
        peer.read_message(message)
        return peer

    # The server's ephemeral secret is gone. Another one gives other keys, and so does every state without one.
    peer, stopped = attacker(), attacker().handshake.symmetricstate
    keys = [state._key for state in peer.write_message()[0]]
    keys += [state._key for state in stopped.split()] + [stopped.get_handshake_hash(), secret]
    answer = 2 + struct.unpack(">H", answered[:2])[0]
    streams = ((answered[answer:answer + 24], answered[answer + 24:]), (rest[:24], rest[24:]))
    print(json.dumps({
        "client": base64.b64encode(peer.handshake.rs.data).decode(),
        "keys": len(keys),
        "opened": [opened(key, header, frames) for key in keys for header, frames in streams],
        "known": known(),
    }))


if __name__ == "__main__":
    main()
