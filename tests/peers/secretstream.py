"""The stream of docs/WIRE.md, 1.1, from its text: ChaCha20, HChaCha20 and Poly1305 in Python, without any library.

`secretstream.py WIRE.md` opens every frame of the document's example. `secretstream.py --compare SEED` compares streams of
random frames with libsodium's, in both directions: lengths around multiples of 16 and up to the longest frame, all tags, and
a counter that overflows. It is slow, and its time depends on secrets: it is for tests only. Exits nonzero with the first
difference.
"""

import ctypes
import ctypes.util
import random
import re
import struct
import sys

MESSAGE, REKEY, FINAL = 0, 2, 3
MASK = 0xFFFFFFFF


def rounds(words):
    def quarter(a, b, c, d):
        for first, second, third, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            words[first] = (words[first] + words[second]) & MASK
            mixed = words[third] ^ words[first]
            words[third] = (mixed << bits | mixed >> (32 - bits)) & MASK
    for _ in range(10):
        for column in range(4):
            quarter(column, column + 4, column + 8, column + 12)
        for diagonal in range(4):
            quarter(diagonal, 4 + (diagonal + 1) % 4, 8 + (diagonal + 2) % 4, 12 + (diagonal + 3) % 4)


def initial(key, rest):
    return list(struct.unpack("<16I", b"expand 32-byte k" + key + rest))


def hchacha20(key, nonce):
    words = initial(key, nonce)
    rounds(words)
    return struct.pack("<8I", *words[:4], *words[12:])


def chacha20(key, nonce, counter, data):
    out = bytearray()
    for at in range(0, len(data), 64):
        begin = initial(key, struct.pack("<I", counter + at // 64) + nonce)
        words = list(begin)
        rounds(words)
        stream = struct.pack("<16I", *((a + b) & MASK for a, b in zip(words, begin)))
        out += bytes(a ^ b for a, b in zip(data[at:at + 64], stream))
    return bytes(out)


def poly1305(key, data):
    r, s = (int.from_bytes(part, "little") for part in (key[:16], key[16:]))
    r &= 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(data), 16):
        total = (total + int.from_bytes(data[at:at + 16] + b"\1", "little")) * r % ((1 << 130) - 5)
    return ((total + s) & ((1 << 128) - 1)).to_bytes(16, "little")


class Stream:
    """One direction. `header`: the 24 bytes that its sender has chosen."""

    def __init__(self, key, header):
        self.key, self.counter, self.inonce = hchacha20(key, header[:16]), 1, header[16:]

    def nonce(self):
        return struct.pack("<I", self.counter) + self.inonce

    def mac(self, block, ciphertext, additional):
        key, count = chacha20(self.key, self.nonce(), 0, bytes(32)), len(ciphertext)
        return poly1305(key, additional + bytes(-len(additional) % 16) + block + ciphertext + bytes(count % 16)
                        + struct.pack("<QQ", len(additional), 64 + count))

    def step(self, tag, mac):
        self.inonce = bytes(a ^ b for a, b in zip(self.inonce, mac))
        self.counter = (self.counter + 1) & MASK
        if tag & REKEY or self.counter == 0:
            fresh = chacha20(self.key, self.nonce(), 0, self.key + self.inonce)
            self.key, self.inonce, self.counter = fresh[:32], fresh[32:], 1

    def seal(self, tag, plaintext, additional):
        block = chacha20(self.key, self.nonce(), 1, bytes([tag]) + bytes(63))
        ciphertext = chacha20(self.key, self.nonce(), 2, plaintext)
        mac = self.mac(block, ciphertext, additional)
        self.step(tag, mac)
        return block[:1] + ciphertext + mac

    def open(self, sealed, additional):
        """(tag, plaintext), or None: it does not authenticate."""
        stream = chacha20(self.key, self.nonce(), 1, bytes(64))
        tag, ciphertext, mac = sealed[0] ^ stream[0], sealed[1:-16], sealed[-16:]
        if mac != self.mac(sealed[:1] + stream[1:], ciphertext, additional):
            return None
        plaintext = chacha20(self.key, self.nonce(), 2, ciphertext)
        self.step(tag, mac)
        return tag, plaintext


# --- the example of the document ---

def check_example(path):
    text = re.search(r"<!-- example -->\n```\n(.*)```\n<!-- /example -->", open(path).read(), re.S).group(1)
    steps = [(label, bytes.fromhex(digits)) for label, digits in re.findall(r"^(\S.*)\n((?: {4}[0-9a-f]+\n)+)", text, re.M)]
    key = next(data for label, data in steps if label.startswith("key in the state of the server's stream"))
    header = next(data[-24:] for label, data in steps if label.startswith("server sends length"))
    server = Stream(bytes(32), header)
    server.key = key  # the text has it, since the split key would need the whole handshake
    frames = [data for label, data in steps if label.startswith(("server sends a data", "the server answers"))]
    for frame, kind in zip(frames, (0, 2), strict=True):
        opened = server.open(frame[3:-1], frame[:3])
        if frame[0] != kind or opened is None or (kind == 0 and opened != (REKEY, b"world")):
            raise SystemExit(f"a frame of the server's stream does not open: {frame.hex()}")


# --- comparison with libsodium ---

class Sodium:
    """libsodium's stream with the same calls."""

    def __init__(self, key, header, library):
        self.library, self.state = library, ctypes.create_string_buffer(52)
        library.crypto_secretstream_xchacha20poly1305_init_pull(self.state, header, key)  # either direction: the same state

    def seal(self, tag, plaintext, additional):
        out = ctypes.create_string_buffer(len(plaintext) + 17)
        self.library.crypto_secretstream_xchacha20poly1305_push(
            self.state, out, None, plaintext, ctypes.c_ulonglong(len(plaintext)), additional,
            ctypes.c_ulonglong(len(additional)), ctypes.c_ubyte(tag))
        return out.raw


def compare(seed):
    library = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
    if library.sodium_init() < 0:
        raise SystemExit("libsodium could not be started")
    chosen = random.Random(seed)
    lengths = [*range(0, 36), 63, 64, 65, 127, 128, 129, 1000, 4095, 16384]
    key, header = chosen.randbytes(32), chosen.randbytes(24)
    ours, reader, theirs = Stream(key, header), Stream(key, header), Sodium(key, header, library)
    for number, length in enumerate(lengths):
        if number == len(lengths) // 2:  # the next frame is the last before the counter overflows
            ours.counter = reader.counter = MASK
            theirs.state[32:36] = struct.pack("<I", MASK)
        tag, plaintext, additional = chosen.choice((MESSAGE, REKEY, FINAL)), chosen.randbytes(length), chosen.randbytes(3)
        if number == len(lengths) // 2:
            tag = MESSAGE
        sealed = ours.seal(tag, plaintext, additional)
        if sealed != theirs.seal(tag, plaintext, additional):
            raise SystemExit(f"frame {number} with {length} bytes and tag {tag} differs from libsodium's")
        changed = bytearray(sealed)
        changed[chosen.randrange(len(changed))] ^= 1 << chosen.randrange(8)
        if reader.open(bytes(changed), additional) is not None or reader.open(sealed, additional) != (tag, plaintext):
            raise SystemExit(f"frame {number} with {length} bytes and tag {tag} does not open as it should")


if __name__ == "__main__":
    if sys.argv[1] == "--compare":
        compare(int(sys.argv[2]))
    else:
        check_example(sys.argv[1])
