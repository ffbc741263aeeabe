"""Connections that a transparent proxy gets (TPROXY): the accepted socket has the address that the client asked for.

The rule for the proxy's listening socket counts. Everything happens in a network namespace, where nft(8) diverts port 80 of
an address that is nobody's.
"""

import atexit
import os
import subprocess

from lib.process import Process, find, run, wait_until
from lib.seal import Keys, SealWrap
from lib.tap import Skip, Tap, contains, equal
from lib.wrap import WireWrap

TARGET = "198.51.100.7"
PROXY = 3129
DIVERT = f"""
table ip diverts {{
    chain prerouting {{
        type filter hook prerouting priority mangle
        ip daddr {TARGET} tcp dport 80 tproxy to 127.0.0.1:{PROXY} accept
    }}
}}
"""
SERVER = f"""
import socket, sys
l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
l.setsockopt(socket.SOL_IP, 19, 1)  # IP_TRANSPARENT
l.bind((sys.argv[1], {PROXY})); l.listen()
print('listens', flush=True)
c, peer = l.accept()
print(*c.getsockname(), flush=True)
try:
    print(c.recv(100).decode(), flush=True)
    c.sendall(b'an answer')
except OSError as error:
    print(error, flush=True)
"""
CLIENT = f"""
import socket
try:
    c = socket.create_connection(('{TARGET}', 80), 20); c.sendall(b'a question'); print(c.recv(100).decode())
except OSError as error:
    print(error)
"""


class Namespace:
    """A network namespace in which connections to port 80 of TARGET are diverted."""

    def __init__(self):
        self.name = f"pfswrap-{os.getpid()}-t"
        self.is_made = False

    def make(self):
        """Skips the case where that is not possible."""
        if self.is_made:
            return
        if os.geteuid() != 0 or not find("ip") or not find("nft"):
            raise Skip("a transparent proxy needs root, ip and nft")
        self.do("ip", "netns", "add", self.name)
        atexit.register(subprocess.run, [find("ip"), "netns", "del", self.name], capture_output=True, check=False)
        self.do("ip", "-n", self.name, "link", "set", "lo", "up")
        self.do("ip", "-n", self.name, "route", "add", "local", f"{TARGET}/32", "dev", "lo")
        self.do(*self.argv(["nft", "-f", "-"]), data=DIVERT.encode())
        self.is_made = True

    def do(self, *words, data=b""):
        result = run([find(words[0]), *words[1:]], data=data)
        if result.status != 0:
            raise Skip(f"no diversion here: {result!r}")

    def argv(self, command):
        return ["nsenter", f"--net=/run/netns/{self.name}", "--", *map(str, command)]


def talk(space, server_wrap, client_wrap, address="0.0.0.0"):
    """What the server and the client print."""
    server = ["python3", "-c", SERVER, address]
    client = ["python3", "-c", CLIENT]
    process = Process(space.argv(server_wrap.argv(server) if server_wrap else server))
    wait_until(lambda: "listens" in process.text(), lambda: f"the server: {process.text()}")
    result = run(space.argv(client_wrap.argv(client) if client_wrap else client))
    process.wait()
    return process.text().splitlines(), result.out.decode().strip()


ANSWERED = (["listens", f"{TARGET} 80", "a question"], "an answer")


def main():
    tap, keys, space = Tap(), Keys("peer"), Namespace()
    for address in ("0.0.0.0", "127.0.0.1"):
        where = [f"{address}:{PROXY}"]
        with tap.case(f"a proxy at {address}: a diverted connection is sealed by the rule of the listening socket"):
            space.make()
            equal(talk(space, None, None, address), ANSWERED, "bare")
            server, client = SealWrap(keys, listen=where), SealWrap(keys, connect=[f"{TARGET}:80"])
            equal(talk(space, server, client, address), ANSWERED, f"sealed: {server.tail()} {client.tail()}")
            equal((len(server.events("opened")), len(client.events("opened"))), (1, 1), server.tail())
            said, got = talk(space, server, None, address)
            contains(said[-1], "reset", f"a client without a key: {said} {got}")
        with tap.case(f"a proxy at {address}: a diverted connection is refused by the rule of the listening socket"):
            space.make()
            wrap = WireWrap("log", f"[listen proxy]\naddress = {where[0]}\nplaintext = refuse\n")
            said, _ = talk(space, wrap, None, address)
            contains(said[-1], "reset", f"{said}")
            equal(wrap.wait_event("refused")["rule"], "proxy", wrap.tail())
    tap.finish()


main()
