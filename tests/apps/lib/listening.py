"""Whether a socket listens on a port of this machine, found out without connecting to it.

The kernel is asked for listening sockets only (sock_diag(7)), which takes the same time however many connections there
are: /proc/net/tcp is read to the end before it is known that a port is not in it, and a stress test leaves thousands of
lines in it for a minute. Where the kernel does not answer that question, /proc/net is read all the same.
"""

import os
import socket
import struct
from pathlib import Path

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
REQUEST_AND_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
NLMSG_ERROR, NLMSG_DONE = 2, 3
LISTEN = 10
ANY_STATE = 0xFFFFFFFF
HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
REQUEST = struct.Struct("=BBBBI48x")  # struct inet_diag_req_v2
SOURCE_PORT = struct.Struct("!4xH")  # the beginning of struct inet_diag_msg


def ports(family, protocol, states):
    """The local ports of the sockets of this address family in these states (a bit each). OSError if the kernel cannot say."""
    found = set()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG) as question:
        question.send(HEADER.pack(HEADER.size + REQUEST.size, SOCK_DIAG_BY_FAMILY, REQUEST_AND_DUMP, 0, 0)
                      + REQUEST.pack(family, protocol, 0, 0, states))
        while True:
            answer = question.recv(1 << 16)
            while answer:
                length, kind, *_ = HEADER.unpack_from(answer)
                if kind == NLMSG_DONE:
                    return found
                if kind == NLMSG_ERROR:
                    error = -struct.unpack_from("=i", answer, HEADER.size)[0]
                    raise OSError(error, os.strerror(error))
                found.add(SOURCE_PORT.unpack_from(answer, HEADER.size)[0])
                answer = answer[(length + 3) & ~3:]


def listed(table, port, state):
    """Whether /proc/net has a socket with this local port, in this state if one is given (proc(5))."""
    try:
        lines = Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return False
    fields = map(str.split, lines)
    return any(field[1].endswith(f":{port:04X}") and state in (None, field[3]) for field in fields)


def listens(port, udp=False):
    """Whether a TCP socket listens on the port, or a UDP socket is bound to it."""
    protocol, states = (socket.IPPROTO_UDP, ANY_STATE) if udp else (socket.IPPROTO_TCP, 1 << LISTEN)
    try:
        return any(port in ports(family, protocol, states) for family in (socket.AF_INET, socket.AF_INET6))
    except OSError:
        names = ("udp", "udp6") if udp else ("tcp", "tcp6")
        return any(listed(name, port, None if udp else "0A") for name in names)
