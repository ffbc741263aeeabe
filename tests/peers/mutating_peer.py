"""Hostile peers of a sealed server: they complete handshakes with the right keys, and then break every rule.

mutating_peer.py --port=PORT --seconds=S --seed=N --worker=W --secret=KEY --peer=KEY [--psk=KEY]
    [--echoes=0] [--tls=1] [--only=NUMBER] [--connections=N]

Makes connections for S seconds, or N connections if that takes less, each from an address of its own (127.W.x.y; W is 1 to 15), so that a server that keeps a
journal can name them. A connection is chosen by the seed, the worker and its number: --only=NUMBER repeats one. For each
connection there is a line on stdout: address, kind, how many bytes of data the server may pass on at most, and at least.
What is sent follows from the address (expected_bytes() in hostile_peer.py), as in sock_journal.c.
"""

import base64
import contextlib
import ctypes
import os
import socket
import struct
import sys
import time

import tls_peer
from hostile_peer import Hang, Hostile
from python_peer import DATA, HANDSHAKE_1, HANDSHAKE_2, MAGIC, Peer, ProtocolError, sodium

TAG_MESSAGE, TAG_PUSH = 0, 1
MOST = 15 << 16  # connections, each from an address of its own


# --- what a connection does; the name of the function is its kind ---

def honest(peer):
    """Everything comes back."""
    peer.handshake_now()
    peer.every = peer.chance.choice((0, 0, 3))
    peer.write(peer.push.header)
    peer.write(peer.push.seal(DATA, b"", peer.rekey))
    got = b""
    for _ in range(peer.chance.randrange(1, 6)):
        data = peer.text[peer.sealed:peer.sealed + peer.chance.choice((1, 500, 8000))]
        peer.sealed += len(data)
        peer.send(data)
        while len(got) < peer.sealed:
            piece = peer.receive()
            if piece is None:
                raise ProtocolError("the server closed too early")
            got += piece
    if got != peer.text[:peer.sealed]:
        raise Hang(f"{peer.address}: the echo is not what was sent")
    peer.close()
    while peer.receive() is not None:
        pass
    peer.required = peer.sealed


def bytes_in_flight(peer):
    """The network changes bytes of a good stream: flips, inserts, cuts, exchanges, repeats, lengths, types, gaps."""
    peer.handshake_now()
    frames = [data for data, _ in peer.collect(peer.chance.randrange(1, 9))]
    frames.append(peer.push.seal(DATA, b"", peer.rekey, True))
    whole = b"".join(frames)
    at = peer.chance.randrange(len(frames))
    frame, how = frames[at], peer.chance.randrange(8)
    place = peer.chance.randrange(len(frame))
    if how == 0:
        frames[at] = frame[:place] + bytes([frame[place] ^ 1 << peer.chance.randrange(8)]) + frame[place + 1:]
    elif how == 1:
        frames[at] = frame[:place] + peer.chance.randbytes(peer.chance.choice((1, 3, 24, 5000))) + frame[place:]
    elif how == 2:
        frames[at] = frame[:place]
    elif how == 3:
        frames[at - 1], frames[at] = frame, frames[at - 1]
    elif how == 4:
        frames.insert(at, frame)
    elif how == 5:
        frames[at] = frame[:1] + peer.chance.randbytes(2) + frame[3:]
    elif how == 6:
        frames[at] = bytes([peer.chance.randrange(1, 256)]) + frame[1:]
    else:
        del frames[at]
    changed = b"".join(frames)
    peer.allowed = data_before_difference(whole, changed)
    peer.send_raw(changed)


def data_before_difference(whole, changed):
    """How much data the frames have that are the same in both, in a good stream and a changed one."""
    same = next((i for i, (a, b) in enumerate(zip(whole, changed)) if a != b), min(len(whole), len(changed)))
    at, total = 24, 0
    while at + 3 <= len(whole):
        length, = struct.unpack(">H", whole[at + 1:at + 3])
        if at + 3 + length > same:
            break
        total += length - 17
        at += 3 + length + 1
    return total


def message_in_flight(peer):
    """The preamble or message 1 is changed: no data may pass."""
    first = bytearray(peer.write_first())
    how = peer.chance.randrange(4)
    if how == 0:
        first[peer.chance.randrange(len(first))] ^= 1 << peer.chance.randrange(8)
    elif how == 1:
        del first[peer.chance.randrange(len(first)):]
    elif how == 2:
        first[10:12] = peer.chance.randbytes(2)
    else:
        place = peer.chance.randrange(len(first))
        first[place:place] = peer.chance.randbytes(5)
    peer.allowed = 0
    peer.send_raw(bytes(first))
    if peer.chance.randrange(2):
        peer.send_raw(peer.chance.randbytes(3000))


def replayed(peer):
    """All that an earlier connection sent, again."""
    recorded = peer.worker.recorded
    if recorded is None:
        first = peer.write_first()
        peer.send_raw(first)
        peer.finish_handshake()
        frames = peer.collect(3)
        peer.send_frames(frames)
        peer.worker.recorded = first + b"".join(data for data, _ in frames)
        return
    peer.allowed = 0
    peer.send_raw(recorded)


def wrong_frame(peer):
    """Frames that are sealed with the right keys and are not allowed."""
    peer.handshake_now()
    frames = peer.collect(peer.chance.randrange(0, 4))
    confirmed = len(frames) > 1
    peer.bend(frames, len(frames))
    seal, rekey = peer.push.seal, peer.rekey
    how = peer.chance.randrange(9)
    if how == 0:
        bad = seal(peer.chance.randrange(3, 256), b"x" * 9, rekey)
    elif how == 1:
        bad = seal(DATA, b"", rekey) + (b"" if confirmed else seal(DATA, b"", rekey))
    elif how == 2:
        bad = seal(DATA, b"never", rekey, True)
    elif how == 3:
        bad = seal(DATA, b"", rekey, True) + seal(DATA, b"after", rekey)
    elif how == 4:
        bad = seal(DATA, b"", rekey, True) + peer.chance.randbytes(peer.chance.randrange(1, 50))
    elif how == 5:
        bad = tagged(peer.push, b"pushed", TAG_PUSH)
    elif how == 6:
        bad = b"".join(tagged(peer.push, b"", TAG_MESSAGE) for _ in range(3))
    elif how == 7:
        bad = seal(HANDSHAKE_1, b"x" * 100, rekey, True)
    else:
        bad = struct.pack(">BH", DATA, peer.chance.choice((0, 1, 16, 16402, 65535))) + peer.chance.randbytes(20000)
    peer.send_frames(frames + [(bad, 0)] + ([(seal(DATA, b"later", rekey), 0)] if how != 8 else []))


def tagged(stream, plaintext, tag):
    """A data frame with this tag."""
    prefix = struct.pack(">BH", DATA, len(plaintext) + 17)
    out = ctypes.create_string_buffer(len(plaintext) + 17)
    sodium.crypto_secretstream_xchacha20poly1305_push(
        stream.state, out, None, plaintext, ctypes.c_ulonglong(len(plaintext)), prefix, ctypes.c_ulonglong(3),
        ctypes.c_ubyte(tag))
    return prefix + out.raw + b"\0"


def wrong_handshake(peer):
    """Re-handshakes at the wrong time, of the wrong size, with other keys, too often."""
    peer.handshake_now()
    frames = peer.collect(peer.chance.randrange(0, 3))
    seal, rekey = peer.push.seal, peer.rekey
    how = peer.chance.randrange(7 if peer.worker.echoes else 5)
    if how == 0 and len(frames) == 1:
        how = 1
    if how == 0:
        peer.start(peer.hash)
        message = seal(HANDSHAKE_1, peer.write_message()[1], rekey)
        frames += [(message, 0), (seal(HANDSHAKE_1, b"y" * 96, rekey), 0)]
    elif how == 1:
        frames.append((seal(HANDSHAKE_2, peer.chance.randbytes(24), rekey), 0))
    elif how == 2:
        frames.append((seal(HANDSHAKE_1, peer.chance.randbytes(peer.chance.choice((0, 47, 96, 1024, 1025, 9000))), rekey), 0))
    elif how == 3:
        peer.secret = peer.chance.randbytes(32)
        peer.start(peer.hash)
        frames.append((seal(HANDSHAKE_1, peer.write_message()[1], rekey), 0))
    elif how == 4:
        peer.start(os.urandom(32))
        frames.append((seal(HANDSHAKE_1, peer.write_message()[1], rekey), 0))
    elif how == 5:
        return too_often(peer, frames)
    else:
        return old_stream(peer, frames)
    peer.bend(frames, len(frames))
    frames.append((seal(DATA, b"no more", rekey), 0) if how in (1, 2) else (b"", 0))
    return peer.send_frames(frames)


def too_often(peer, frames):
    peer.send_frames(frames)
    peer.every = 1
    for _ in range(60):
        peer.frames = 0
        peer.sealed += 1
        peer.send(peer.text[peer.sealed - 1:peer.sealed])
        if peer.receive() is None:
            break


def old_stream(peer, frames):
    """After the type 2 frame, data in the stream that it has ended."""
    peer.send_frames(frames + [(peer.push.seal(DATA, b"", peer.rekey), 0)] if len(frames) == 1 else frames)
    old, peer.every, peer.frames = peer.push, 1, 0
    peer.allowed = peer.sealed = peer.sealed + 1
    peer.send(peer.text[peer.sealed - 1:peer.sealed])
    while peer.rehandshaking:
        if peer.receive() is None:
            return
    peer.send_raw(old.seal(DATA, b"old", peer.rekey))


def wrong_payload(peer):
    """Payloads that 2.3 does not allow, in a message that authenticates."""
    bad = peer.chance.choice((b"\x01\x04\0\0\0\0", b"\x01\x04\0\0\0\1\x01\x04\0\0\0\1", b"\x01\x03abc", b"\x01", b"\x09\xff",
                              b"\x02\x07abcdefg", b"\x01\x05abcde", peer.chance.randbytes(40)))
    good = Peer.payload(peer)
    peer.payload = lambda: (good if peer.chance.randrange(2) else b"") + bad
    peer.allowed = 0
    peer.send_raw(peer.write_first())


def other_protocol(peer):
    peer.allowed = 0
    peer.send_raw(peer.chance.choice((b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"\n", MAGIC, MAGIC[:5] + b"x" * 30,
                                      peer.chance.randbytes(peer.chance.randrange(1, 4000)))))


def nothing(peer):
    peer.allowed = 0


def slowly(peer):
    """Single bytes, with pauses, of a stream that is good to its end or is cut."""
    first = peer.write_first()
    for byte in first[:peer.chance.randrange(len(first))] if peer.chance.randrange(2) else b"":
        peer.send_all(bytes([byte]))
        if not peer.chance.randrange(20):
            time.sleep(0.01)
        peer.allowed = 0
    if peer.allowed is None:
        peer.send_all(first)
        peer.finish_handshake()
        for byte in b"".join(data for data, _ in peer.collect(1))[:3000]:
            peer.send_all(bytes([byte]))


def never_reads(peer):
    """Sends, and leaves the echo in the kernel."""
    peer.handshake_now()
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    frames = peer.collect(30)
    peer.socket.setblocking(False)
    data = peer.encode(b"".join(data for data, _ in frames))
    with contextlib.suppress(BlockingIOError):
        while data:
            data = data[peer.socket.send(data):]


KINDS = (honest, bytes_in_flight, bytes_in_flight, bytes_in_flight, message_in_flight, message_in_flight, replayed, wrong_frame,
         wrong_frame, wrong_handshake, wrong_handshake, wrong_payload, other_protocol, nothing, slowly, never_reads)


class Worker:
    """Makes connections one after the other, and holds some of them half open meanwhile."""

    def __init__(self, options):
        self.port, self.seed = int(options["port"]), int(options["seed"])
        self.number, self.seconds = int(options["worker"]), float(options["seconds"])
        self.secret, self.peer = (base64.b64decode(options[name]) for name in ("secret", "peer"))
        self.psk = base64.b64decode(options["psk"]) if "psk" in options else None
        self.connections = int(options.get("connections", MOST))
        self.crowd = int(options.get("crowd", "50"))
        self.echoes = options.get("echoes", "1") == "1"     # whether the server sends back what it gets
        self.context = tls_peer.context() if options.get("tls") == "1" else None     # the layer inside TLS
        kinds = KINDS + (tls_peer.KINDS if self.context else ())
        self.kinds = [kind for kind in kinds if self.echoes or kind is not honest]
        self.recorded, self.open = None, []

    def connection(self, number):
        peer = tls_peer.HostileTls(self, number) if self.context else Hostile(self, number)
        kind = peer.chance.choice(self.kinds)
        note = ""
        try:
            peer.open()
            kind(peer)
        except (ProtocolError, OSError) as error:
            note = f" {error}" if kind is honest else ""
        how = peer.chance.choice(("close", "close", "reset", "half", "stay"))
        if how == "stay" and len(self.open) < self.crowd and not note:
            self.open.append(peer.socket)
        else:
            with contextlib.suppress(OSError):
                peer.end(how)
        if len(self.open) >= self.crowd:
            self.open.pop(peer.chance.randrange(len(self.open))).close()
        allowed = peer.sealed if peer.allowed is None else peer.allowed
        print(f"{peer.address} {kind.__name__} {allowed} {peer.required}{note}", flush=True)
        if note:
            raise Hang(f"{peer.address}: an honest connection failed:{note}")

    def run(self, first=0):
        end, number = time.monotonic() + self.seconds, first
        while time.monotonic() < end and number < self.connections:
            self.connection(number)
            number += 1
        for connection in self.open:
            connection.close()


def main():
    options = dict(argument[2:].split("=", 1) for argument in sys.argv[1:])
    worker = Worker(options)
    try:
        if "only" in options:
            worker.connection(int(options["only"]))
        else:
            worker.run()
    except Hang as error:
        print(f"failed {error}", flush=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
