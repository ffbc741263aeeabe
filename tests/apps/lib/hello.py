"""ClientHello messages made here, and the server's answers to them: what a server would accept, seen from outside.

Implements just enough of RFC 8446 and RFC 5246 to read a ServerHello, a HelloRetryRequest or an alert; makes no keys. It
can offer what no library offers any more, so that a refusal is the server's and not the client's.
"""

import os
import socket
import struct

TLS12, TLS13 = 0x0303, 0x0304
GROUPS = {"P-256": 0x0017, "P-384": 0x0018, "P-521": 0x0019, "X25519": 0x001D, "X448": 0x001E,
          "ffdhe2048": 0x0100, "ffdhe3072": 0x0101, "ffdhe4096": 0x0102, "ffdhe6144": 0x0103, "ffdhe8192": 0x0104,
          "X25519MLKEM768": 0x11EC}
ECDHE_GROUPS = [GROUPS[name] for name in ("X25519", "P-256", "P-384", "P-521")]
FFDHE_GROUPS = [number for name, number in GROUPS.items() if name.startswith("ffdhe")]
# IANA "TLS Cipher Suites"
TLS13_SUITES = [0x1301, 0x1302, 0x1303]
STATIC_RSA = [0x009D, 0x009C, 0x003D, 0x003C, 0x0035, 0x002F, 0x000A, 0xC09D, 0xC09C, 0x0084, 0x0041]
FFDHE_SUITES = [0x009F, 0x009E, 0x006B, 0x0067, 0x0039, 0x0033, 0x0016, 0xCCAA, 0x00A3, 0x00A2, 0x0038, 0x0032]
ECDHE_SUITES = [0xC02F, 0xC030, 0xC02B, 0xC02C, 0xCCA8, 0xCCA9, 0xC013, 0xC014, 0xC009, 0xC00A, 0xC027, 0xC028]
ANONYMOUS = [0x00A6, 0x00A7, 0x0034, 0x003A, 0xC018, 0xC019, 0x0018]
NO_ENCRYPTION = [0x003B, 0x0002, 0x0001, 0xC006, 0xC010]
# SignatureScheme: ECDSA, RSA-PSS, PKCS#1, Ed25519, and SHA-1 ones for old servers
SIGNATURES = [0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B, 0x0401,
              0x0501, 0x0601, 0x0402, 0x0203, 0x0201, 0x0202]
RETRY = bytes.fromhex("CF21AD74E59A6111BE1D8C021E65B891C2A211167ABB8C5E079E09E2C8A8339C")  # RFC 8446, 4.1.3


class Answer:
    """What came back. kind: hello (and version, cipher, group), retry (group), alert (number) or closed."""

    def __init__(self, kind, version=None, cipher=None, group=None, alert=None):
        self.kind, self.version, self.cipher, self.group, self.alert = kind, version, cipher, group, alert

    @property
    def accepted(self):
        return self.kind in ("hello", "retry")

    def __repr__(self):
        parts = [f"{name} {value:#06x}" for name, value in (("version", self.version), ("cipher", self.cipher),
                                                            ("group", self.group), ("alert", self.alert))
                 if value is not None]
        return f"<{self.kind} {' '.join(parts)}>"


def extension(number, body):
    return struct.pack("!HH", number, len(body)) + body


def short_list(values):
    """A list of 16-bit values with a 16-bit length."""
    return struct.pack(f"!H{len(values)}H", 2 * len(values), *values)


def client_hello(versions, suites, groups, name="localhost", modes=(1,), legacy_version=TLS12):
    """One record with a ClientHello. No key share is sent, so a TLS 1.3 server names its group in a retry."""
    extensions = extension(0, struct.pack("!HBH", len(name) + 3, 0, len(name)) + name.encode()) if name else b""
    extensions += extension(11, b"\x01\x00")                                # ec_point_formats: uncompressed
    extensions += extension(10, short_list(groups)) if groups else b""      # supported_groups
    extensions += extension(13, short_list(SIGNATURES))                     # signature_algorithms
    extensions += extension(23, b"") + extension(0xFF01, b"\x00")           # extended master secret, renegotiation
    if TLS13 in versions:
        extensions += extension(43, struct.pack("!B", 2 * len(versions)) +
                                b"".join(struct.pack("!H", version) for version in versions))
        extensions += extension(45, bytes([len(modes), *modes]))            # psk_key_exchange_modes
        extensions += extension(51, struct.pack("!H", 0))                   # key_share: none yet
    body = struct.pack("!H", legacy_version) + os.urandom(32) + b"\x20" + os.urandom(32)
    body += short_list(suites) + b"\x01\x00" + struct.pack("!H", len(extensions)) + extensions
    message = b"\x01" + struct.pack("!I", len(body))[1:] + body
    return b"\x16\x03\x01" + struct.pack("!H", len(message)) + message


def receive(connection, count):
    """Exactly `count` bytes, or fewer at the end of the stream."""
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            break
        data += more
    return data


def read_answer(connection):
    """The first record of the server. A timeout raises: no answer is not a refusal."""
    try:
        header = receive(connection, 5)
        if len(header) < 5:
            return Answer("closed")
        kind, length = header[0], struct.unpack("!H", header[3:])[0]
        body = receive(connection, length)
    except ConnectionError:
        return Answer("closed")
    if kind == 0x15 and len(body) >= 2:
        return Answer("alert", alert=body[1])
    if kind != 0x16 or len(body) < 44 or body[0] != 2:
        raise ValueError(f"neither a ServerHello nor an alert: {(header + body)[:60].hex()}")
    return read_server_hello(body)


def read_server_hello(body):
    version, random = struct.unpack("!H", body[4:6])[0], body[6:38]
    at = 39 + body[38]
    cipher, group = struct.unpack("!H", body[at:at + 2])[0], None
    at += 5  # cipher, compression, length of the extensions
    while at + 4 <= len(body):
        number, length = struct.unpack("!HH", body[at:at + 4])
        value = body[at + 4:at + 4 + length]
        if number == 43:
            version = struct.unpack("!H", value)[0]
        elif number == 51:
            group = struct.unpack("!H", value[:2])[0]
        at += 4 + length
    return Answer("retry" if random == RETRY else "hello", version, cipher, group)


def offer(port, versions, suites, groups, host="127.0.0.1", prepare=None, timeout=10, **details):
    """Connects, calls prepare(socket) first if given (STARTTLS), sends a ClientHello and returns the Answer."""
    with socket.create_connection((host, port), timeout) as connection:
        if prepare:
            prepare(connection)
        connection.sendall(client_hello(versions, suites, groups, **details))
        return read_answer(connection)


def offer_tls12(port, suites=None, **details):
    """TLS 1.2 at most, by default with suites of all kinds."""
    return offer(port, [TLS12], suites or ECDHE_SUITES + FFDHE_SUITES + STATIC_RSA, ECDHE_GROUPS + FFDHE_GROUPS,
                 **details)


def offer_old(port, version, **details):
    """TLS 1.1 (0x0302), 1.0 (0x0301) or SSL 3.0 (0x0300) at most."""
    return offer(port, [version], ECDHE_SUITES + FFDHE_SUITES + STATIC_RSA, ECDHE_GROUPS, legacy_version=version,
                 **details)


def offer_static_rsa(port, **details):
    return offer_tls12(port, STATIC_RSA, **details)


def offer_ffdhe_suites(port, **details):
    """TLS 1.2 with finite-field suites only."""
    return offer_tls12(port, FFDHE_SUITES, **details)


def offer_ffdhe_groups(port, **details):
    """TLS 1.3 with the finite-field groups of RFC 7919 only."""
    return offer(port, [TLS13], TLS13_SUITES, FFDHE_GROUPS, **details)


def offer_group(port, name, **details):
    """TLS 1.3 with one group, by name (see GROUPS)."""
    return offer(port, [TLS13], TLS13_SUITES, [GROUPS[name]], **details)
