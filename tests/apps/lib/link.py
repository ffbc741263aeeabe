"""Two machines and a cable: a pair of network namespaces joined by a veth link of MTU 1500 and a given rate.

Loopback delivers what was sent in one piece; a link cuts it into packets that arrive one by one, so that programs read
parts of messages. Needs root and ip(8); the rate needs tc(8). Both namespaces are removed when the script ends.
"""

import atexit
import os
import subprocess

from lib.process import find
from lib.tap import Skip


def configure(*words):
    """Runs ip(8) or tc(8); where that is not possible the case is skipped."""
    done = subprocess.run([find(words[0]), *words[1:]], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Skip(f"no link between network namespaces here: {' '.join(words)}: {done.stderr.strip()}")


class Link:
    """`link.argv(command)` runs in the server's namespace; sock.h's client enters the other by link.environment()."""

    address = "10.99.0.2"

    def __init__(self, rate="200mbit"):
        if os.geteuid() != 0 or not find("ip") or not find("tc"):
            raise Skip("a link between network namespaces needs root, ip and tc")
        self.client, self.server = (f"pfswrap-{os.getpid()}-{end}" for end in "cs")
        atexit.register(self.remove)
        for name in (self.client, self.server):
            configure("ip", "netns", "add", name)
        configure("ip", "link", "add", "wire", "mtu", "1500", "netns", self.client,
                  "type", "veth", "peer", "name", "wire", "mtu", "1500", "netns", self.server)
        for name, address in ((self.client, "10.99.0.1/24"), (self.server, f"{self.address}/24")):
            configure("ip", "-n", name, "addr", "add", address, "dev", "wire")
            # No packet larger than the MTU, as on a cable; otherwise the kernel would deliver up to 64 KiB at once.
            configure("ip", "-n", name, "link", "set", "wire", "gso_max_size", "1500", "gso_max_segs", "1", "up")
            configure("ip", "-n", name, "link", "set", "lo", "up")
            configure("ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "wire", "root", "tbf",
                      "rate", rate, "burst", "32kb", "latency", "400ms")

    def argv(self, command):
        return [find("ip"), "netns", "exec", self.server, *map(str, command)]

    def environment(self):
        return {"SOCK_CLIENT_NAMESPACE": f"/run/netns/{self.client}"}

    def place(self):
        """Where a Sniffer captures."""
        return {"interface": "wire", "namespace": self.server}

    def remove(self):
        for name in (self.client, self.server):
            subprocess.run([find("ip"), "netns", "del", name], capture_output=True, check=False)
