"""Computes docs/vectors/seal.json again from docs/WIRE.md, with dissononce's handshake and the stream of secretstream.py, and
nothing of pfswrap or libsodium: every byte of every connection, and the error of every input that a responder refuses.
Usage: check_vectors.py seal.json. Exits nonzero with the first difference."""

import hashlib
import json
import sys

from noise_fixed import IK, NK, IKPSK2, NKPSK2, hash_of, public_key, read, side, write
from secretstream import FINAL, MESSAGE, REKEY, Stream

MAGIC = bytes.fromhex("f5706673770d0a01")
DATA, HANDSHAKE_1, HANDSHAKE_2, PADDED = 0, 1, 2, 3
OFF, ALLOW, PADME = 0, 1, 2  # of padding; larger numbers are a block size


def number(value, size):
    return value.to_bytes(size, "big")


def value_of(data):
    return int.from_bytes(data, "big")


def key_id(preamble, key):
    return hashlib.blake2b(preamble[:20], digest_size=8, key=key).digest()


def psk_id(psk):
    return hashlib.blake2b(b"pfswrap psk id 1", digest_size=8, key=psk).digest()


def rekey_interval(interval):
    return bytes([1, 4]) + number(interval, 4)


def padding_entry(padding):
    return bytes([3, 1, padding > ALLOW]) if padding != OFF else b""


def pad(padding, data):
    """The plaintext of a padded frame (WIRE.md, 2.12)."""
    length = len(data) + 2
    if padding == PADME:
        exponent = length.bit_length() - 1
        step = 1 << max(0, exponent - exponent.bit_length())
    else:
        step = padding
    zeros = -length % step
    return data + bytes(zeros) + number(zeros, 2)


class Counting:
    """The random bytes of a connection, which count upwards from 0."""

    def __init__(self, at=0):
        self.at = at

    def take(self, count):
        self.at += count
        return bytes(value & 255 for value in range(self.at - count, self.at))


class Sender:
    """One direction of a connection: the frames that a side makes."""

    def __init__(self, key, header, interval):
        self.stream, self.interval, self.since = Stream(key, header), interval, 0

    def frame(self, kind, plaintext, final=False):
        self.since += 1
        tag = FINAL if final else REKEY if self.since >= self.interval else MESSAGE
        if tag == REKEY:
            self.since = 0
        prefix = bytes([kind]) + number(len(plaintext) + 17, 2)
        return prefix + self.stream.seal(tag, plaintext, prefix) + b"\0"


class Keys:
    """The keys of a connection of the file."""

    def __init__(self, entry):
        self.pattern, self.service, self.binding = entry["pattern"], entry["service"].encode(), bytes.fromhex(entry["binding"])
        self.client, self.server = bytes.fromhex(entry["client_secret"]), bytes.fromhex(entry["server_secret"])
        self.offered = [bytes.fromhex(each["psk"]) for each in entry["psks"]]
        self.psk = next((bytes.fromhex(each["psk"]) for each in entry["psks"] if each["server_has_it"]), None)
        self.interval = min(entry["client_rekey"], entry["server_rekey"])
        self.client_interval = entry["client_rekey"]
        self.padding = {"client": entry["client_padding"], "server": entry["server_padding"]}
        if OFF in self.padding.values():
            self.padding["server"] = OFF  # it does not answer, or was not asked

    def prologue(self, preamble):
        return preamble + bytes([len(self.service)]) + self.service + bytes([len(self.binding)]) + self.binding


class Connection:
    """Both sides of a connection; each method returns the bytes of one step."""

    def __init__(self, keys):
        self.keys, self.random, self.senders = keys, Counting(), {}

    def exchange_1(self, prologue_of, interval):
        """Message 1; prologue_of(length) returns the prologue, which may depend on the message's length."""
        keys, payload = self.keys, rekey_interval(interval) + padding_entry(self.keys.padding["client"])
        if keys.pattern in (IKPSK2, NKPSK2):
            payload += b"".join(bytes([2, 8]) + psk_id(psk) for psk in keys.offered)
        length = 32 + (48 if keys.pattern in (IK, IKPSK2) else 0) + len(payload) + 16
        prologue, ephemeral, self.client_header = prologue_of(length), self.random.take(32), self.random.take(24)
        self.initiator = side(keys.pattern, True, prologue, ephemeral, keys.client, public_key(keys.server), keys.psk)
        ephemeral, self.server_header = self.random.take(32), self.random.take(24)
        self.responder = side(keys.pattern, False, prologue, ephemeral, keys.server, None, keys.psk)
        message, _ = write(self.initiator, payload)
        assert len(message) == length and read(self.responder, message)[0] == payload
        return message

    def exchange_2(self):
        message, split = write(self.responder, rekey_interval(self.keys.interval) + padding_entry(self.keys.padding["server"]))
        assert read(self.initiator, message)[1] == split
        self.hash = hash_of(self.responder)
        return message, split

    def message_1(self):
        def prologue_of(length):
            self.preamble = MAGIC + bytes([self.keys.pattern, 0]) + number(length, 2) + self.random.take(8)
            self.preamble += key_id(self.preamble, public_key(self.keys.server))
            return self.keys.prologue(self.preamble)
        message = self.exchange_1(prologue_of, self.keys.client_interval)
        return self.preamble + message

    def message_2(self):
        message, (first, second) = self.exchange_2()
        self.senders["client"] = Sender(first, self.client_header, self.keys.interval)
        self.senders["server"] = Sender(second, self.server_header, self.keys.interval)
        return number(len(message), 2) + message + self.server_header

    def rehandshake_1(self):
        return self.senders["client"].frame(HANDSHAKE_1, self.exchange_1(lambda length: self.hash, self.keys.interval))

    def rehandshake_2(self):
        message, (self.client_key, server_key) = self.exchange_2()
        frame = self.senders["server"].frame(HANDSHAKE_2, self.server_header + message)
        self.senders["server"] = Sender(server_key, self.server_header, self.keys.interval)
        return frame

    def rehandshake_3(self):
        frame = self.senders["client"].frame(HANDSHAKE_2, self.client_header)
        self.senders["client"] = Sender(self.client_key, self.client_header, self.keys.interval)
        return frame

    def data(self, name, plaintext):
        padding, sender = self.keys.padding[name], self.senders[name]
        return sender.frame(PADDED, pad(padding, plaintext)) if padding > ALLOW else sender.frame(DATA, plaintext)

    def step(self, kind, name, plaintext):
        sender = self.senders.get(name)
        return {"message 1": self.message_1, "message 2": self.message_2, "handshake hash": lambda: self.hash,
                "confirm": lambda: self.client_header + sender.frame(DATA, b""),
                "data": lambda: self.data(name, plaintext),
                "FINAL": lambda: sender.frame(DATA, b"", final=True),
                "re-handshake 1": self.rehandshake_1, "re-handshake 2": self.rehandshake_2,
                "re-handshake 3": self.rehandshake_3}[kind]()


class Refused(Exception):
    """The name of the error."""


def refuse_if(condition, name):
    if condition:
        raise Refused(name)


class Responder:
    """What a responder checks, in the order of docs/WIRE.md, 3.2. Its clients are named, if the pattern is IK."""

    def __init__(self, keys):
        self.keys, self.since = keys, 0
        self.client_pads = keys.padding["client"] > ALLOW and keys.padding["server"] != OFF

    def first(self, data):
        """The preamble and message 1; answers, so that frames can follow."""
        keys = self.keys
        for at, (found, wanted) in enumerate(zip(data, MAGIC)):
            refuse_if(found != wanted, "E_VERSION" if at == 7 else "E_MAGIC")
        refuse_if(len(data) < 28, "E_TRUNCATED")
        preamble, pattern, length = data[:28], data[8], value_of(data[10:12])
        refuse_if(5 <= pattern <= 8, "E_HYBRID_UNEXPECTED")
        refuse_if(pattern not in (IK, NK, IKPSK2, NKPSK2), "E_PATTERN")
        refuse_if(pattern in (IKPSK2, NKPSK2) and keys.psk is None, "E_PSK_UNEXPECTED")
        refuse_if(pattern in (IK, NK) and keys.psk is not None, "E_PSK_REQUIRED")
        refuse_if(pattern in (NK, NKPSK2) and keys.pattern in (IK, IKPSK2), "E_ANONYMOUS")
        refuse_if(data[9] != 0, "E_FLAGS")
        refuse_if(not 48 <= length <= 1024, "E_MESSAGE_LENGTH")
        refuse_if(key_id(preamble, public_key(keys.server)) != preamble[20:], "E_KEY_ID")
        refuse_if(len(data) < 28 + length, "E_TRUNCATED")
        state = side(pattern, False, keys.prologue(preamble), Counting(64).take(32), keys.server, None, keys.psk)
        self.read_message(state, data[28:28 + length])
        _, (self.key, _) = write(state, rekey_interval(keys.interval))

    @staticmethod
    def read_message(state, message):
        try:
            read(state, message)
        except Exception as error:  # each library has its own for a tag that is wrong
            raise Refused("E_HANDSHAKE") from error

    def then(self, data):
        """The stream header and frames. The first frame is the confirm."""
        stream, data, is_first = Stream(self.key, data[:24]), data[24:], True
        while data:
            kind, length = data[0], value_of(data[1:3])
            refuse_if(kind > (PADDED if self.client_pads else HANDSHAKE_2), "E_FRAME_TYPE")
            most = {DATA: 16384, HANDSHAKE_1: 1024, HANDSHAKE_2: 1048, PADDED: 16384}[kind]
            refuse_if(not (20 if kind == PADDED else 17) <= length <= most + 17, "E_FRAME_LENGTH")
            opened = stream.open(data[3:3 + length], data[:3])
            refuse_if(opened is None, "E_FRAME")
            self.check(kind, *opened, is_first)
            refuse_if(data[3 + length] != 0, "E_TRAILER")
            data, is_first = data[4 + length:], False

    def check(self, kind, tag, plaintext, is_first):
        refuse_if(tag not in (MESSAGE, REKEY, FINAL), "E_TAG")
        self.since = self.since + 1 if tag == MESSAGE else 0
        refuse_if(self.since >= self.keys.interval, "E_REKEY")
        refuse_if(tag == FINAL and (kind != DATA or plaintext), "E_FINAL")
        refuse_if(kind == DATA and not plaintext and tag != FINAL and not is_first, "E_EMPTY")
        if plaintext and kind in (DATA, PADDED) and self.client_pads:
            zeros = value_of(plaintext[-2:])
            refuse_if(kind == DATA or zeros > len(plaintext) - 3 or any(plaintext[-2 - zeros:-2]), "E_PADDING")
        refuse_if(kind == HANDSHAKE_2, "E_REHANDSHAKE")  # this responder was asked nothing
        if kind == HANDSHAKE_1:
            self.read_message(side(self.keys.pattern, False, bytes(32), bytes(32), self.keys.server, None, self.keys.psk), plaintext)


def check_connection(entry):
    connection = Connection(Keys(entry))
    for at, step in enumerate(entry["steps"]):
        made = connection.step(step["kind"], step["from"], bytes.fromhex(step["plaintext"]))
        if made.hex() != step["bytes"]:
            raise SystemExit(f"{entry['name']}, step {at}, {step['kind']}: {made.hex()}, expected {step['bytes']}")


def check_refused(entry, connections):
    responder = Responder(Keys(connections[entry["connection"]]))
    try:
        responder.first(bytes.fromhex(entry["first"]))
        if "then" in entry:
            responder.then(bytes.fromhex(entry["then"]))
        found = "no error"
    except Refused as error:
        found = str(error)
    if found != entry["error"]:
        raise SystemExit(f"{entry['what']}: {found}, expected {entry['error']}")


def main():
    vectors = json.load(open(sys.argv[1]))
    for entry in vectors["connections"]:
        check_connection(entry)
    for entry in vectors["refused"]:
        check_refused(entry, {each["name"]: each for each in vectors["connections"]})
    print(f"{len(vectors['connections'])} connections, {len(vectors['refused'])} refused inputs")


main()
