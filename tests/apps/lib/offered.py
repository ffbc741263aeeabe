"""What a client offers: a listener that reads one ClientHello (RFC 8446, 4.1.2) and answers with handshake_failure.

If a client's offer is clean, no server can make it use anything else. Uses no TLS library.
"""

import socket
import struct

from lib.acceptor import Acceptor
from lib.hello import receive
from lib.process import DEADLINE
from lib.tap import check, equal

SCSV = (0x00FF, 0x5600)  # signalling values among the suites: RFC 5746 and RFC 7507


class Offer:
    """The parts of a ClientHello that decide about forward secrecy."""

    def __init__(self, versions, suites, groups, psk_modes, extensions):
        self.versions, self.suites, self.groups = versions, suites, groups
        self.psk_modes, self.extensions = psk_modes, extensions

    def __repr__(self):
        return (f"versions {numbers(self.versions)}, suites {numbers(self.suites)}, groups {numbers(self.groups)}, "
                f"psk modes {self.psk_modes}, extensions {sorted(self.extensions)}")


def numbers(values):
    return " ".join(f"{value:#06x}" for value in values)


def parse(body):
    """A handshake message without its record header -> Offer."""
    if not body or body[0] != 1:
        raise ValueError(f"no ClientHello: {body[:20].hex()}")
    legacy_version = struct.unpack("!H", body[4:6])[0]
    at = 38
    at += 1 + body[at]
    length = struct.unpack("!H", body[at:at + 2])[0]
    suites = list(struct.unpack(f"!{length // 2}H", body[at + 2:at + 2 + length]))
    at += 2 + length
    at += 1 + body[at]
    end = at + 2 + struct.unpack("!H", body[at:at + 2])[0] if at + 2 <= len(body) else at
    at += 2
    versions, groups, psk_modes, extensions = [legacy_version], [], [], set()
    while at + 4 <= end:
        number, length = struct.unpack("!HH", body[at:at + 4])
        value = body[at + 4:at + 4 + length]
        extensions.add(number)
        if number == 43:
            versions = list(struct.unpack(f"!{value[0] // 2}H", value[1:]))
        elif number == 10:
            groups = list(struct.unpack(f"!{(length - 2) // 2}H", value[2:]))
        elif number == 45:
            psk_modes = list(value[1:])
        at += 4 + length
    return Offer(versions, suites, groups, psk_modes, extensions)


class Trap(Acceptor):
    """Listens on a free port, collects the offers of all clients, and refuses each."""

    def __init__(self, prepare=None):
        self.prepare, self.offers, self.errors = prepare, [], []
        super().__init__()

    def accepted(self, connection, peer):
        with connection:
            connection.settimeout(DEADLINE)
            try:
                self.take(connection)
            except (OSError, ValueError, struct.error, IndexError) as error:
                self.errors.append(f"{type(error).__name__}: {error}")

    def take(self, connection):
        if self.prepare:
            self.prepare(connection)
        header = receive(connection, 5)
        if len(header) < 5 or header[0] != 0x16:
            raise ValueError(f"no handshake record: {header.hex()}")
        self.offers.append(parse(receive(connection, struct.unpack("!H", header[3:])[0])))
        connection.sendall(bytes.fromhex("15030300020228"))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass


def check_offer_is_pfs(offer, psk_ke=False):
    """
    Checks that an offer has only TLS 1.3, its suites and ECDHE groups, no PSK without ECDHE, no early data and no
    compression. `psk_ke`: the library offers a PSK without ECDHE in any case; its handshakes are checked at their end.
    """
    equal(offer.versions, [0x0304], "versions offered")
    check(offer.suites and all(suite >> 8 == 0x13 or suite in SCSV for suite in offer.suites),
          f"suites of TLS 1.3 alone should be offered: {offer}")
    check(offer.groups and not [group for group in offer.groups if 0x0100 <= group <= 0x01FF],
          f"groups without finite fields should be offered: {offer}")
    check(psk_ke or 0 not in offer.psk_modes, f"psk_ke should not be offered: {offer}")
    check(42 not in offer.extensions, f"early data should not be offered: {offer}")
