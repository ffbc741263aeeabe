"""Functions of libc that open TCP connections by themselves, or write to one: SunRPC, rcmd, rexec.

libc_streams.c calls each of them as an old program does. Bare, the listener gets the program's words. Under a policy that
lets no plaintext pass, or that seals such connections, nothing arrives, and the log has the function's name.
"""

import contextlib
import os
import struct

from lib.listening import listens
from lib.process import DEADLINE, PROGRAMS, Process, free_port, run, wait_until
from lib.peers import Recorder
from lib.seal import Keys, SealWrap
from lib.tap import Skip, Tap, contains, equal
from lib.wrap import WireWrap

PROGRAM = PROGRAMS / "wire/libc_streams"
# These connect to the port that the program chooses, and send its words.
SENDERS = ("clnttcp_create", "rcmd", "rcmd_af", "rexec", "rexec_af")
# These connect to a fixed port, or listen.
OTHERS = ("clnt_create", "pmap_getmaps", "pmap_getport", "getrpcport", "rtime", "svctcp_create")
EVERY_PORT = "127.0.0.0/8:*", "[::1]:*"


def sealing(keys):
    return SealWrap(keys, listen=EVERY_PORT, connect=EVERY_PORT)


def forbidding(keys):
    return {"a policy that refuses plaintext": WireWrap("refuse"), "a policy that seals": sealing(keys),
            "a policy that waits for TLS": WireWrap("starttls"),
            "a rule that refuses plaintext": WireWrap("log", "[connect r]\naddress = 127.0.0.1:*\nplaintext = refuse\n"
                                                             "[listen r]\naddress = 0.0.0.0:*\nplaintext = refuse\n")}


class Answering(Recorder):
    """A Recorder that ends the connection when the secret has come: some of the functions wait for an answer."""

    def serve(self):
        with contextlib.suppress(OSError), self.listener.accept()[0] as connection:
            connection.settimeout(DEADLINE)
            while b"SECRET" not in self.received and (more := connection.recv(4096)):
                self.received += more


def send(function, wrap):
    """Runs the program, wrapped or not. Returns its result and what a listener got."""
    with Answering() as peer:
        argv = [PROGRAM, function, peer.port]
        result = run(wrap.argv(argv) if wrap else argv)
    return result, peer.received


def needs_reserved_port(function):
    if function.startswith("rcmd") and os.getuid() != 0:
        raise Skip("a port below 1024 needs root")


def senders(tap):
    for function in SENDERS:
        with tap.case(f"{function} sends the program's words bare, and with plaintext = log, which logs it"):
            needs_reserved_port(function)
            wrap = WireWrap("log")
            for each in (None, wrap):
                contains(send(function, each)[1].decode("latin-1"), "SECRET", f"{function} {each}")
            event = wrap.wait_event("unprotected")
            equal((event["role"], event["rule"]), ("client", "wire"), f"{event}")
            contains(event["reason"], "libc moves the bytes", "reason")
        with tap.case(f"{function} with plaintext = allow makes no event"):
            needs_reserved_port(function)
            wrap = WireWrap("allow")
            contains(send(function, wrap)[1].decode("latin-1"), "SECRET", function)
            equal(wrap.events("unprotected"), [], "events")
        with tap.case(f"{function} with mode = audit sends, and the log has would-refuse"):
            needs_reserved_port(function)
            wrap = WireWrap("refuse", mode="audit")
            contains(send(function, wrap)[1].decode("latin-1"), "SECRET", function)
            equal(len(wrap.events("would-refuse")), 1, wrap.tail())


def refused(tap, keys):
    for function in (*SENDERS, *OTHERS):
        with tap.case(f"{function} fails where the policy lets no plaintext pass, and the log has a line"):
            for words, wrap in forbidding(keys).items():
                with Answering() as peer:
                    result = run(wrap.argv([PROGRAM, function, peer.port]))
                equal((result.status, peer.received), (1, b""), f"{words}: {result!r}; log {wrap.tail()}")
                event = wrap.wait_event("refused")
                contains(function, event["detail"], words)
                equal(event["role"], "server" if function.startswith("svc") else "client", words)
                if function in ("clnttcp_create", "clnt_create"):
                    contains(result.out.decode(), "RPC: Remote system error - Connection refused", words)


def exempt(tap):
    with tap.case("clnttcp_create to an address that a rule excepts is not refused"):
        with Answering() as peer:
            wrap = WireWrap("refuse", f"[connect a]\naddress = 127.0.0.1:{peer.port}\nplaintext = allow\n")
            run(wrap.argv([PROGRAM, "clnttcp_create", peer.port]))
        contains(peer.received.decode("latin-1"), "SECRET", wrap.tail())


def own_connections(tap, keys):
    with tap.case("clnttcp_create on a connection of the program's own is cut where plaintext is refused"):
        with Answering() as peer:
            run([PROGRAM, "clnttcp_create on a connection", peer.port])
        contains(peer.received.decode("latin-1"), "SECRET", "bare")
        wrap = WireWrap("refuse")
        with Answering() as peer:
            result = run(wrap.argv([PROGRAM, "clnttcp_create on a connection", peer.port]))
        equal((result.status, peer.received), (1, b""), f"{result!r}")
        equal(len(wrap.events("refused")), 1, wrap.tail())
    with tap.case("svcfd_create on a sealed connection: its calls and answers are sealed"):
        port = free_port()
        client = f"""
import socket, struct
s = socket.create_connection(('127.0.0.1', {port}))
body = struct.pack('>10I', 7, 0, 2, 400000, 1, 0, 0, 0, 0, 0)
s.sendall(struct.pack('>I', len(body) | 1 << 31) + body)
answer = b''
while more := s.recv(4096): answer += more
print(answer.hex())
"""
        for wrap in (None, sealing(keys)):
            argv = (lambda words, wrap=wrap: wrap.argv(words) if wrap else words)
            server = Process(argv([PROGRAM, "svcfd_create", port]))
            wait_until(lambda: listens(port), "the server")
            result = run(argv(["python3", "-c", client]))
            equal(server.wait(), 0, "server")
            # A reply (1) that is accepted (0), from a server without that program (1).
            answer = struct.pack(">7I", 24 | 1 << 31, 7, 1, 0, 0, 0, 1)
            equal(result.out.decode().strip(), answer.hex(), f"{result!r}; {wrap.tail() if wrap else 'bare'}")
            if wrap:
                equal(len(wrap.events("opened")), 2, wrap.tail())


def lookups(tap):
    with tap.case("a look-up of SunRPC's functions by name finds what it finds bare; by their old version, the shim's"):
        script = """
import ctypes, platform, re
c = ctypes.CDLL(None); c.dlsym.restype = c.dlvsym.restype = c.dlopen.restype = ctypes.c_void_p
version = {'x86_64': b'GLIBC_2.2.5', 'aarch64': b'GLIBC_2.17'}[platform.machine()]
class info(ctypes.Structure):
    _fields_ = [('file', ctypes.c_char_p), ('base', ctypes.c_void_p), ('name', ctypes.c_char_p), ('address', ctypes.c_void_p)]
def where(address):
    i = info()
    return re.sub(r'.*/|-.*', '', i.file.decode()) if address and c.dladdr(ctypes.c_void_p(address), ctypes.byref(i)) else '-'
libc = ctypes.c_void_p(c.dlopen(b'libc.so.6', 1))
print(where(c.dlsym(None, b'clnttcp_create')), where(c.dlsym(libc, b'clnttcp_create')), where(c.dlsym(libc, b'rcmd')),
      where(c.dlvsym(None, b'clnttcp_create', version)), where(c.dlvsym(libc, b'clnttcp_create', version)))
tirpc = c.dlopen(b'libtirpc.so.3', 1)
print(where(c.dlsym(ctypes.c_void_p(tirpc), b'clnttcp_create')) if tirpc else 'libtirpc.so.3')
"""
        for wrap, libc in ((None, "libc.so.6"), (WireWrap("refuse"), "libpfswrap.so")):
            argv = ["python3", "-c", script]
            result = run(wrap.argv(argv) if wrap else argv)
            equal(result.out.decode().split("\n")[:2], [f"- - {libc} {libc} {libc}", "libtirpc.so.3"], f"{result!r}")


def main():
    tap, keys = Tap(), Keys("peer")
    senders(tap)
    refused(tap, keys)
    exempt(tap)
    own_connections(tap, keys)
    lookups(tap)
    tap.finish()


main()
