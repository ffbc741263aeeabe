"""The exporter of TLS 1.3 from a line of a key log (SSLKEYLOGFILE's format): RFC 8446, 7.1 and 7.5. No other module."""

import hashlib
import hmac
import struct

BINDING = b"EXPORTER-Channel-Binding"  # RFC 9266


def expand_label(digest, secret, label, context, length):
    """HKDF-Expand-Label of RFC 8446, 7.1."""
    label = b"tls13 " + label
    info = struct.pack(">HB", length, len(label)) + label + bytes([len(context)]) + context
    out, block = b"", b""
    while len(out) < length:
        block = hmac.new(secret, block + info + bytes([len(out) // hashlib.new(digest).digest_size + 1]), digest).digest()
        out += block
    return out[:length]


def exporter_values(key_log, digest="sha384", label=BINDING, length=32):
    """The exporter value of each connection in the text of a key log, with an empty context. `digest`: the cipher's."""
    empty = hashlib.new(digest, b"").digest()
    lines = [line.split() for line in key_log.splitlines() if line.startswith("EXPORTER_SECRET")]
    return [expand_label(digest, expand_label(digest, bytes.fromhex(words[2]), label, empty, len(empty)), b"exporter", empty,
                         length) for words in lines]
