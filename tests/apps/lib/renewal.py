"""Connections that carry data in one direction for hours, by a clock that the test sets (plugins/clock.so)."""

import struct
import subprocess

from lib.listening import listens
from lib.process import BUILD, DEADLINE, PYTHON, ROOT, merged, temporary_directory, wait_until
from lib.tap import equal
from lib.wrap import LIBRARY

HOUR = 3600
ROUNDS = 6      # a re-handshake takes three messages of the side that sends
CLOCK = BUILD / "tests/apps/plugins/clock.so"
ONE_WAY = ROOT / "tests/apps/programs/seal/one_way.py"


class Clock:
    """The clock of the programs under test."""

    def __init__(self):
        self.path = temporary_directory() / "clock"
        self.ahead = 0
        self.set(0)

    def set(self, ahead):
        self.ahead = ahead
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.write(struct.pack("=q", ahead))

    def environment(self, wrap):
        return {"LD_PRELOAD": f"{LIBRARY}:{CLOCK}", "PFSWRAP_POLICY": str(wrap.policy), "TEST_CLOCK": str(self.path)}


def one_way(port, sender, wraps, step=1, files=None):
    """
    Three hours on a connection on which only the `sender`, the side that listens or connects, sends. `wraps`: the policies
    of both sides; `files`: their certificates; `step`: seconds between two messages.
    """
    receiver = "connect" if sender == "listen" else "listen"
    clock, ends = Clock(), {}
    for side in ("listen", "connect"):
        task = "send" if side == sender else "receive"
        ends[side] = subprocess.Popen([*PYTHON, ONE_WAY, task, side, str(port), *(files or {}).get(side, [])],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=merged(clock.environment(wraps[side])))
        if side == "listen":
            wait_until(lambda: listens(port), f"port {port}")
    try:
        for hour in range(1, 4):
            for number in range(ROUNDS):
                line = b"hour %d line %d\n" % (hour, number)
                ends[sender].stdin.write(line)
                ends[sender].stdin.flush()
                equal(ends[receiver].stdout.readline(), line, "what came through")
                clock.set(clock.ahead + step)
            clock.set(hour * HOUR)
        ends[sender].stdin.close()
        for end in ends.values():
            equal(end.wait(DEADLINE), 0, "status of an end")
    finally:
        for end in ends.values():
            end.kill()
            end.wait()
    for side, wrap in wraps.items():
        event = wrap.wait_event("closed")
        equal((event["rehandshakes"], event["end"]), (2, "clean"), f"what the side that {side}s logged: {event}")
