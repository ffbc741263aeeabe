"""A peer of the seal protocol, written from docs/WIRE.md alone.

The handshake is dissononce's, the stream libsodium's own (through ctypes), without any code of pfswrap. It uses stdin and
stdout, which are one socket. An initiator sends chunks, waits for each to come back, and closes; a responder echoes. At
the end it prints a line of JSON about the connection on stderr.
"""

import base64
import ctypes
import ctypes.util
import hashlib
import json
import os
import struct
import sys

from dissononce.cipher.chachapoly import ChaChaPolyCipher
from dissononce.dh.x25519.private import PrivateKey
from dissononce.dh.x25519.x25519 import X25519DH
from dissononce.hash.sha256 import SHA256Hash
from dissononce.processing.handshakepatterns.interactive.IK import IKHandshakePattern
from dissononce.processing.handshakepatterns.interactive.NK import NKHandshakePattern
from dissononce.processing.impl.cipherstate import CipherState
from dissononce.processing.impl.handshakestate import HandshakeState
from dissononce.processing.impl.symmetricstate import SymmetricState
from dissononce.processing.modifiers.psk import PSKPatternModifier

MAGIC = bytes.fromhex("f5706673770d0a01")
IK, NK, IKPSK2, NKPSK2 = 1, 2, 3, 4
DATA, HANDSHAKE_1, HANDSHAKE_2, PADDED = 0, 1, 2, 3
OFF, ALLOW, PADME = 0, 1, 2     # of padding; larger numbers are a block size
TAG_MESSAGE, TAG_REKEY, TAG_FINAL = 0, 2, 3
PSK_ID_CONTEXT = b"pfswrap psk id 1"

sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
if sodium.sodium_init() < 0:
    raise SystemExit("libsodium could not be started")


class ProtocolError(Exception):
    pass


class Stream:
    """One direction: crypto_secretstream_xchacha20poly1305."""

    def __init__(self, key, header=None):
        self.state = ctypes.create_string_buffer(52)
        self.since_rekey = 0
        if header is None:
            out = ctypes.create_string_buffer(24)
            sodium.crypto_secretstream_xchacha20poly1305_init_push(self.state, out, key)
            self.header = out.raw
        else:
            sodium.crypto_secretstream_xchacha20poly1305_init_pull(self.state, header, key)

    def seal(self, kind, plaintext, rekey, final=False):
        self.since_rekey += 1
        if final:
            tag = TAG_FINAL
        elif self.since_rekey >= rekey:
            tag, self.since_rekey = TAG_REKEY, 0
        else:
            tag = TAG_MESSAGE
        prefix = struct.pack(">BH", kind, len(plaintext) + 17)
        out = ctypes.create_string_buffer(len(plaintext) + 17)
        sodium.crypto_secretstream_xchacha20poly1305_push(
            self.state, out, None, plaintext, ctypes.c_ulonglong(len(plaintext)), prefix, ctypes.c_ulonglong(3),
            ctypes.c_ubyte(tag))
        return prefix + out.raw + b"\0"

    def open(self, prefix, ciphertext, rekey):
        out = ctypes.create_string_buffer(max(len(ciphertext) - 17, 1))
        tag = ctypes.c_ubyte()
        if sodium.crypto_secretstream_xchacha20poly1305_pull(
                self.state, out, None, ctypes.byref(tag), ciphertext, ctypes.c_ulonglong(len(ciphertext)), prefix,
                ctypes.c_ulonglong(3)) != 0:
            raise ProtocolError("a frame does not authenticate")
        if tag.value == TAG_REKEY:
            self.since_rekey = 0
        elif tag.value == TAG_MESSAGE:
            self.since_rekey += 1
            if self.since_rekey >= rekey:
                raise ProtocolError("the peer rekeys too late")
        elif tag.value != TAG_FINAL:
            raise ProtocolError("unknown tag")
        return tag.value == TAG_FINAL, out.raw[:len(ciphertext) - 17]


def padded_length(padding, length):
    if padding > PADME:
        return -(-length // padding) * padding
    exponent = length.bit_length() - 1
    mask = (1 << max(0, exponent - exponent.bit_length())) - 1
    return length + mask & ~mask


class Peer:
    def __init__(self, options):
        self.initiator = options["role"] == "initiator"
        self.secret = options.get("secret")
        self.peer = options.get("peer")
        self.psk = options.get("psk")
        self.service = options.get("service", "").encode()
        self.binding = bytes.fromhex(options.get("binding", ""))
        self.anonymous = options.get("anonymous") == "1"
        self.rekey = int(options.get("rekey", "1"))
        self.every = int(options.get("every", "0"))     # an initiator's frames between re-handshakes; 0: none
        self.padding = int(options.get("padding", OFF))
        self.peer_reads_padding = self.peer_pads = False
        self.pattern = None
        self.frames = self.rehandshakes = self.received = 0
        self.rehandshaking = self.next_key = self.handshake = None
        self.digest = hashlib.sha256()
        self.first = True

    # The transport.
    def read(self, length):
        data = b""
        while len(data) < length:
            piece = os.read(0, length - len(data))
            if not piece:
                raise ProtocolError("the connection ended without FINAL")
            data += piece
        return data

    def write(self, data):
        while data:
            data = data[os.write(1, data):]

    # The handshake.
    def start(self, prologue):
        dh = X25519DH()
        pattern = IKHandshakePattern() if self.pattern in (IK, IKPSK2) else NKHandshakePattern()
        if self.pattern in (IKPSK2, NKPSK2):
            pattern = PSKPatternModifier(2).modify(pattern)
        cipher = ChaChaPolyCipher()
        self.handshake = HandshakeState(SymmetricState(CipherState(cipher), SHA256Hash()), dh)
        own = dh.generate_keypair(PrivateKey(self.secret)) if self.secret else None
        self.handshake.initialize(
            pattern, self.initiator, prologue,
            s=own if not self.initiator or self.pattern in (IK, IKPSK2) else None,
            rs=dh.create_public(self.peer) if self.initiator else None,
            psks=[self.psk] if self.psk else None)

    def own_public(self):
        return X25519DH().generate_keypair(PrivateKey(self.secret)).public.data

    def payload(self):
        data = struct.pack(">BBI", 1, 4, self.rekey) + b"\x4d\x03new"      # an unknown type, to be skipped
        if self.padding != OFF and (self.initiator or self.peer_reads_padding):
            data += bytes([3, 1, self.padding > ALLOW])
        if self.psk and self.initiator:
            identifier = hashlib.blake2b(PSK_ID_CONTEXT, digest_size=8, key=self.psk).digest()
            data += b"\x02\x08" + bytes(range(8)) + b"\x02\x08" + identifier    # the first is one that no peer has
        return data

    def read_payload(self, payload):
        while payload:
            kind, length = payload[0], payload[1]
            value, payload = payload[2:2 + length], payload[2 + length:]
            if kind == 1:
                self.rekey = min(self.rekey, struct.unpack(">I", value)[0])
            elif kind == 3 and self.padding != OFF:
                self.peer_reads_padding, self.peer_pads = True, value == b"\1"

    def write_message(self):
        message = bytearray()
        return self.handshake.write_message(self.payload(), message), bytes(message)

    def read_message(self, message):
        payload = bytearray()
        states = self.handshake.read_message(bytes(message), payload)
        self.read_payload(bytes(payload))
        return states

    def keys(self, states):
        self.hash = self.handshake.symmetricstate.get_handshake_hash()
        first, second = states[0]._key, states[1]._key
        return (first, second) if self.initiator else (second, first)

    def prologue(self, preamble):
        return (preamble + bytes([len(self.service)]) + self.service + bytes([len(self.binding)]) + self.binding)

    def key_id(self, preamble, server):
        return hashlib.blake2b(preamble, digest_size=8, key=server).digest()

    def connect(self):
        self.pattern = (NK if self.anonymous else IK) + (2 if self.psk else 0)
        length = 32 + (0 if self.anonymous else 48) + 16 + len(self.payload())
        preamble = MAGIC + struct.pack(">BBH", self.pattern, 0, length) + os.urandom(8)
        preamble += self.key_id(preamble, self.peer)
        self.start(self.prologue(preamble))
        message = self.write_message()[1]
        assert len(message) == length
        self.write(preamble + message)
        length, = struct.unpack(">H", self.read(2))
        own, peer = self.keys(self.read_message(self.read(length)))
        self.push = Stream(own)
        self.pull = Stream(peer, self.read(24))
        self.write(self.push.header + self.push.seal(DATA, b"", self.rekey))    # the confirm

    def accept(self):
        preamble = self.read(28)
        if preamble[:8] != MAGIC or preamble[9] != 0:
            raise ProtocolError("not this protocol")
        self.pattern = preamble[8]
        if preamble[20:] != self.key_id(preamble[:20], self.own_public()):
            raise ProtocolError("another server's key")
        self.start(self.prologue(preamble))
        self.read_message(self.read(struct.unpack(">H", preamble[10:12])[0]))
        if self.pattern in (IK, IKPSK2) and self.handshake.rs.data != self.peer:
            raise ProtocolError("an unknown client")
        states, message = self.write_message()
        own, peer = self.keys(states)
        self.push = Stream(own)
        self.write(struct.pack(">H", len(message)) + message + self.push.header)
        self.pull = Stream(peer, self.read(24))

    # Frames.
    def send(self, data):
        if self.initiator and self.every and self.frames % self.every == self.every - 1 and not self.rehandshaking:
            self.start(self.hash)
            self.write(self.push.seal(HANDSHAKE_1, self.write_message()[1], self.rekey))
            self.rehandshaking = True
        self.frames += 1
        if self.padding <= ALLOW:
            self.write(self.push.seal(DATA, data, self.rekey))
            return
        if not self.peer_reads_padding:
            raise ProtocolError("the peer does not read padded frames")
        for piece in (data[:16382], data[16382:]):
            if piece:
                zeros = min(16384, padded_length(self.padding, len(piece) + 2)) - len(piece) - 2
                self.write(self.push.seal(PADDED, piece + bytes(zeros) + struct.pack(">H", zeros), self.rekey))

    def answer(self, message):
        self.start(self.hash)
        self.read_message(message)
        states, message = self.write_message()
        own, peer = self.keys(states)
        fresh = Stream(own)
        self.write(self.push.seal(HANDSHAKE_2, fresh.header + message, self.rekey))
        self.push, self.next_key = fresh, peer

    def switch(self, content):
        if not self.initiator:
            if len(content) != 24:
                raise ProtocolError("a header is 24 bytes")
            self.pull, self.next_key = Stream(self.next_key, content), None
        else:
            own, peer = self.keys(self.read_message(content[24:]))
            self.pull = Stream(peer, content[:24])
            fresh = Stream(own)
            self.write(self.push.seal(HANDSHAKE_2, fresh.header, self.rekey))
            self.push, self.rehandshaking = fresh, None
        self.rehandshakes += 1

    def receive(self):
        """The next chunk of data, or None after FINAL."""
        while True:
            prefix = self.read(3)
            kind, length = struct.unpack(">BH", prefix)
            if kind > (PADDED if self.peer_pads else 2) or not 17 <= length <= 16401:
                raise ProtocolError("no such frame")
            final, plaintext = self.pull.open(prefix, self.read(length), self.rekey)
            if self.read(1) != b"\0":
                raise ProtocolError("a trailing byte that is not zero")
            first, self.first = self.first, False
            if kind == HANDSHAKE_1:
                self.answer(plaintext)
            elif kind == HANDSHAKE_2:
                self.switch(plaintext)
            elif final:
                if plaintext:
                    raise ProtocolError("FINAL is not empty")
                return None
            elif plaintext:
                if self.peer_pads != (kind == PADDED):
                    raise ProtocolError("data that is not padded as announced")
                if kind == PADDED:
                    zeros, = struct.unpack(">H", plaintext[-2:])
                    plaintext, padding = plaintext[:-2 - zeros], plaintext[len(plaintext) - 2 - zeros:-2]
                    if not plaintext or padding != bytes(zeros):
                        raise ProtocolError("wrong padding")
                self.digest.update(plaintext)
                self.received += len(plaintext)
                return plaintext
            elif not first or self.initiator:
                raise ProtocolError("an empty frame")

    def close(self):
        self.write(self.push.seal(DATA, b"", self.rekey, final=True))


def converse(peer, sizes):
    if peer.initiator:
        peer.connect()
        for size in sizes:
            data = bytes((i + size) & 255 for i in range(size))
            for at in range(0, size, 16384):
                peer.send(data[at:at + 16384])
            echo = b""
            while len(echo) < size:
                piece = peer.receive()
                if piece is None:
                    raise ProtocolError("the peer closed too early")
                echo += piece
            if echo != data:
                raise ProtocolError("the echo is not what was sent")
        peer.close()
        while peer.receive() is not None:
            pass
    else:
        peer.accept()
        while (data := peer.receive()) is not None:
            peer.send(data)
        peer.close()


def main():
    options = dict(argument[2:].split("=", 1) for argument in sys.argv[1:])
    for key in ("secret", "peer", "psk"):
        if key in options:
            options[key] = base64.b64decode(options[key])
    peer = Peer(options)
    try:
        converse(peer, [int(size) for size in options.get("sizes", "").split(",") if size])
    except (ProtocolError, OSError) as error:
        print(json.dumps({"error": str(error)}), file=sys.stderr)
        raise SystemExit(1)
    print(json.dumps({"pattern": peer.pattern, "rekey": peer.rekey, "rehandshakes": peer.rehandshakes,
                      "bytes": peer.received, "sha256": peer.digest.hexdigest(), "hash": peer.hash.hex()}),
          file=sys.stderr)


if __name__ == "__main__":
    main()
