"""Two machines far apart: network namespaces joined by a link that delays every packet.

The link is a pair of TUN devices and a thread that moves each packet from one to the other when its time has come, since
not every kernel has netem. Needs root and ip(8). Both namespaces are removed when the script ends.
"""

import atexit
import collections
import fcntl
import os
import select
import struct
import subprocess
import threading
import time

from lib.link import configure
from lib.process import find
from lib.sniff import in_namespace
from lib.tap import Skip

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000


class Distance:
    """`near(command)` and `far(command)` run there; the far one is `address`. One way takes `seconds`."""

    address = "10.98.0.2"

    def __init__(self, seconds):
        if os.geteuid() != 0 or not find("ip") or not os.path.exists("/dev/net/tun"):
            raise Skip("a link between network namespaces needs root, ip and /dev/net/tun")
        self.seconds = seconds
        self.names = [f"pfswrap-{os.getpid()}-{end}" for end in ("near", "far")]
        atexit.register(self.remove)
        self.ends = []
        for number, name in enumerate(self.names, 1):
            configure("ip", "netns", "add", name)
            self.ends.append(in_namespace(name, device))
            configure("ip", "-n", name, "addr", "add", f"10.98.0.{number}/24", "dev", "far")
            configure("ip", "-n", name, "link", "set", "far", "up")
            configure("ip", "-n", name, "link", "set", "lo", "up")
        for source, target in (self.ends, self.ends[::-1]):
            threading.Thread(target=self.carry, args=(source, target), daemon=True).start()

    def carry(self, source, target):
        """Moves packets in their order, each after the delay."""
        waiting = collections.deque()
        while True:
            left = max(0, waiting[0][0] - time.monotonic()) if waiting else None
            if select.select([source], [], [], left)[0]:
                waiting.append((time.monotonic() + self.seconds, os.read(source, 65536)))
            while waiting and waiting[0][0] <= time.monotonic():
                os.write(target, waiting.popleft()[1])

    def near(self, command):
        return [find("ip"), "netns", "exec", self.names[0], *map(str, command)]

    def far(self, command):
        return [find("ip"), "netns", "exec", self.names[1], *map(str, command)]

    def remove(self):
        for name in self.names:
            subprocess.run([find("ip"), "netns", "del", name], capture_output=True, check=False)


def device():
    end = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH14x", b"far", IFF_TUN | IFF_NO_PI))
    return end
