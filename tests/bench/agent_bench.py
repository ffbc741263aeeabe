"""What one question to `pfswrap agent` takes, in microseconds: python3 tests/bench/agent_bench.py [COUNT]. For docs/BENCHMARKS.md.

One client asks one question after the other, with a connection that stays. `result`: X25519 in the agent and its way; `way`: a
question that the agent refuses without a computation.
"""

import base64
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))
# pylint: disable=wrong-import-position
from lib.agent import DH, REQUEST, Agent
from lib.seal import Keys


def measure(connection, message, count):
    taken = []
    for _ in range(count):
        begin = time.perf_counter_ns()
        connection.send(message)
        connection.recv(256)
        taken.append((time.perf_counter_ns() - begin) / 1000)
    return sorted(taken)


def main():
    count = int((sys.argv[1:] or ["10000"])[0])
    keys = Keys("one", "other")
    agent = Agent([(name, keys.path(name), []) for name in ("one", "other")])
    one, other = (base64.b64decode(keys.public(name)) for name in ("one", "other"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(str(agent.socket))
        for name, operation in (("result", DH), ("way", 99)):
            message = REQUEST.pack(0x61667001, operation, 7, one, other, b"")
            taken = measure(connection, message, count)
            print(f"{name}: least {taken[0]:.1f}, a tenth below {taken[count // 10]:.1f}, median {taken[count // 2]:.1f}, "
                  f"nine tenths below {taken[count * 9 // 10]:.1f} us")
    agent.kill()


main()
