"""What travels on the wire: a packet socket that collects the TCP payload of one port and looks for words in it.

Needs root (CAP_NET_RAW). Of each direction of each connection it keeps the first bytes, the length and which of the words
were seen, not the payload: a test may send gigabytes. Nothing here depends on pfswrap.
"""

import ctypes
import functools
import os
import select
import socket
import struct
import threading
import time

from lib.process import wait_until
from lib.tap import Skip

ETH_P_ALL = 3
SOL_PACKET, PACKET_STATISTICS = 263, 6
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33
PACKET_OUTGOING, PACKET_TYPE = 4, 0xFFFFF004  # the latter is SKF_AD_OFF + SKF_AD_PKTTYPE of linux/filter.h
CLONE_NEWNET = 0x40000000
SYN = 2
HEAD = 64  # bytes kept of the beginning of each direction
PACKET_MAX = 0x40000


def port_filter(port, incoming):
    """
    A classic BPF program (packet(7)) that passes TCP from and to a port, over IPv4 and IPv6. `incoming`: but no outgoing
    packets.
    """
    ld_b, ld_h, ld_h_x, ldx_msh, jump, bits, end = 0x30, 0x28, 0x48, 0xB1, 0x15, 0x54, 0x06
    lines = [  # label, operation, value, and for jumps: where to if equal, where to if not ("": the next line)
        *([("", ld_b, PACKET_TYPE), ("", jump, PACKET_OUTGOING, "drop", "")] if incoming else []),
        ("", ld_b, 0), ("", bits, 0xF0), ("", jump, 0x40, "four", "no four"),
        ("four", ld_b, 9), ("", jump, socket.IPPROTO_TCP, "", "drop"), ("", ldx_msh, 0),
        ("", ld_h_x, 0), ("", jump, port, "take", ""), ("", ld_h_x, 2), ("", jump, port, "take", "drop"),
        ("no four", jump, 0x60, "", "drop"), ("", ld_b, 6), ("", jump, socket.IPPROTO_TCP, "", "drop"),
        ("", ld_h, 40), ("", jump, port, "take", ""), ("", ld_h, 42), ("", jump, port, "take", "drop"),
        ("take", end, PACKET_MAX), ("drop", end, 0),
    ]
    places = {line[0]: number for number, line in enumerate(lines) if line[0]}
    code = b""
    for number, (_, operation, value, *jumps) in enumerate(lines):
        yes, no = (places[label] - number - 1 if label else 0 for label in (jumps or ("", "")))
        code += struct.pack("HBBI", operation, yes, no, value)
    return code


class Flow:
    """One direction of one connection. `next`: the sequence number of the byte that continues the head, once a SYN was seen."""

    def __init__(self):
        self.head, self.tail, self.bytes, self.seen, self.next = b"", b"", 0, set(), None

    def take_head(self, number, payload):
        """Keeps only contiguous bytes from the first one on: a machine that is too busy loses packets."""
        if number == self.next and len(self.head) < HEAD:
            self.head += payload[:HEAD - len(self.head)]
            self.next = (number + len(payload)) % 2**32


@functools.lru_cache(maxsize=1)
def missing_capture():
    """Why nothing can be captured here (packet(7) needs CAP_NET_RAW), or None."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0).close()
    except OSError as error:
        return f"capturing needs root with CAP_NET_RAW: {error.strerror}"
    return None


class Sniffer:
    """`with Sniffer(port, [b"MARK"]) as wire:`, then wire.finish() and read wire.flows."""

    def __init__(self, port, words, interface="lo", namespace=None):
        if missing_capture():
            raise Skip(missing_capture())
        self.port, self.words, self.flows = port, list(words), {}
        self.keep = max(len(word) for word in self.words) - 1
        self.socket = in_namespace(namespace, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0))
        program = port_filter(port, interface == "lo")  # there every packet passes twice, out and in
        memory = ctypes.create_string_buffer(program)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                               struct.pack("HP", len(program) // 8, ctypes.addressof(memory)))
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 27)
        except PermissionError:  # in a container: as much as the system allows
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 27)
        self.socket.bind((interface, ETH_P_ALL))
        self.stopping = False
        self.thread = threading.Thread(target=self.collect, daemon=True)
        self.thread.start()

    def collect(self):
        room = memoryview(bytearray(PACKET_MAX))
        self.socket.setblocking(False)
        while True:
            try:
                self.take(bytes(room[:self.socket.recv_into(room)]))
            except BlockingIOError:
                if not select.select([self.socket], [], [], 0.02)[0] and self.stopping:
                    return

    def take(self, packet):
        if packet[0] >> 4 == 4:
            start, end = (packet[0] & 15) * 4, struct.unpack("!H", packet[2:4])[0]
        else:
            start, end = 40, 40 + struct.unpack("!H", packet[4:6])[0]
        *ports, number = struct.unpack("!HHI", packet[start:start + 8])
        flow = self.flows.setdefault(tuple(ports), Flow())
        if packet[start + 13] & SYN:
            flow.next = (number + 1) % 2**32
        # Packets over 64 KiB (big TCP, GSO) have 0 as their length.
        payload = packet[start + (packet[start + 12] >> 4) * 4:end if end not in (0, 40) else None]
        if not payload:
            return
        flow.bytes += len(payload)
        flow.take_head(number, payload)
        text = flow.tail + payload
        for word in self.words:
            if word not in flow.seen and word in text:
                flow.seen.add(word)
        flow.tail = text[-self.keep:] if self.keep else b""

    def finish(self):
        """Ends the capture once everything in it has been read."""
        if not self.stopping:
            self.stopping = True
            wait_until(lambda: not self.thread.is_alive(), "the packets to be read", 300)
            self.captured, self.dropped = struct.unpack("II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
            self.socket.close()

    def client_heads(self):
        """
        The first bytes of each client, except those whose beginning a machine that is too busy has lost. A connection that was
        there before is another test's, which had the same port, unless there is no other.
        """
        flows = [flow for ports, flow in self.flows.items()
                 if ports[1] == self.port and flow.bytes > 0 and (flow.head or not self.dropped)]
        return [flow.head for flow in [flow for flow in flows if flow.next is not None] or flows]

    def seen(self):
        """The words that were seen in any direction."""
        return set().union(*(flow.seen for flow in self.flows.values()))

    def bytes(self):
        return sum(flow.bytes for flow in self.flows.values())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.finish()


def in_namespace(name, action):
    """Calls action() in the network namespace `name` (of `ip netns`, or a path), or here; a thread enters it."""
    if name is None:
        return action()
    result = []

    def enter():
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            with open(os.path.join("/run/netns", name), "rb") as file:
                if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns {name}")
            result.append(action())
        except OSError as error:
            result.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if isinstance(result[0], OSError):
        raise result[0]
    return result[0]


def main():
    """Shows the traffic of a port for a number of seconds: python3 tests/apps/lib/sniff.py PORT SECONDS"""
    import sys  # pylint: disable=import-outside-toplevel
    with Sniffer(int(sys.argv[1]), [b"PFSMARK:"]) as wire:
        time.sleep(float(sys.argv[2]))
    for ports, flow in wire.flows.items():
        print(ports, flow.bytes, flow.head, flow.seen)


if __name__ == "__main__":
    main()
