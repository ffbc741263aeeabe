"""Computes the example of docs/WIRE.md again, with dissononce's handshake and libsodium's stream and nothing of pfswrap: both
Noise messages of both handshakes must be the same byte for byte, and every frame must decrypt to what the text says.
Usage: check_example.py WIRE.md. Exits nonzero with the first difference."""

import re
import sys

from noise_fixed import IK, hash_of, public_key, read, side, write
from python_peer import DATA, HANDSHAKE_1, HANDSHAKE_2, Stream

PAYLOAD = bytes.fromhex("010400000001")     # a rekey interval of 1
SERVICE = b"example"


def same(found, expected, what):
    if found != expected:
        raise SystemExit(f"{what}: {found.hex()}, expected {expected.hex()}")


def counting(first):
    """32 bytes that count upwards: an ephemeral secret of the example."""
    return bytes(range(first, first + 32))


def read_steps(path):
    """The example as (label, bytes), in its order."""
    text = re.search(r"<!-- example -->\n```\n(.*)```\n<!-- /example -->", open(path).read(), re.S).group(1)
    return [(label, bytes.fromhex(digits)) for label, digits in re.findall(r"^(\S.*)\n((?: {4}[0-9a-f]+\n)+)", text, re.M)]


def handshake(steps, prologue, client_ephemeral, server_ephemeral):
    """Messages 1 and 2 with fixed ephemerals: returns both, the split keys, and the handshake hash."""
    same(public_key(steps[2][1]), steps[3][1], "the server's public key")
    client = side(IK, True, prologue, counting(client_ephemeral), steps[0][1], steps[3][1])
    server = side(IK, False, prologue, counting(server_ephemeral), steps[2][1])
    one, _ = write(client, PAYLOAD)
    read(server, one)
    two, keys = write(server, PAYLOAD)
    read(client, two)
    return (one, two), *keys, hash_of(server)


def open_frame(stream, frame, kind, final=False):
    """The plaintext of one whole frame, whose type, length, tag and trailing byte must be right."""
    ended, plaintext = stream.open(frame[:3], frame[3:-1], 1)
    if frame[0] != kind or int.from_bytes(frame[1:3], "big") != len(frame) - 4 or frame[-1] != 0 or ended != final:
        raise SystemExit(f"not a frame of type {kind}: {frame.hex()}")
    return plaintext


def main():
    steps = read_steps(sys.argv[1])
    labels = iter(steps[4:])

    def after(word):
        label, data = next(labels)
        if word not in label:
            raise SystemExit(f"the text goes on with {label!r}, expected {word!r}")
        return data

    first = after("preamble and message 1")
    preamble = first[:28]
    (one, two), client_key, server_key, digest = handshake(steps, preamble + bytes([len(SERVICE)]) + SERVICE + b"\0", 0x08, 0x40)
    same(first[28:], one, "message 1")
    reply = after("message 2, stream header")
    same(reply[:2] + reply[2:2 + len(two)], len(two).to_bytes(2, "big") + two, "message 2")
    from_server = Stream(server_key, reply[2 + len(two):])
    same(from_server.state.raw[:32], after("key in the state"), "the server's stream key")
    hello = after("hello")
    from_client = Stream(client_key, hello[:24])
    same(open_frame(from_client, hello[24:], DATA), b"hello", "hello")
    same(open_frame(from_server, after("world"), DATA), b"world", "world")
    same(after("hash of the first"), digest, "the first handshake hash")

    (one, two), client_key, server_key, second = handshake(steps, digest, 0x78, 0xB0)
    same(open_frame(from_client, after("type 1"), HANDSHAKE_1), one, "the second message 1")
    answer = open_frame(from_server, after("answers and switches"), HANDSHAKE_2)
    same(answer[24:], two, "the second message 2")
    from_server = Stream(server_key, answer[:24])
    from_client = Stream(client_key, open_frame(from_client, after("client switches"), HANDSHAKE_2))
    same(after("hash of the second"), second, "the second handshake hash")
    same(open_frame(from_client, after("again"), DATA), b"again", "again")
    same(open_frame(from_client, after("client sends FINAL"), DATA, True), b"", "the client's FINAL")
    same(open_frame(from_server, after("server sends FINAL"), DATA, True), b"", "the server's FINAL")


main()
