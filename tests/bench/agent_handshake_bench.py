"""What a whole connection takes with and without `pfswrap agent`, in turn: python3 tests/bench/agent_handshake_bench.py [ROUNDS [MS]].

For docs/BENCHMARKS.md. One client connects, exchanges a byte and closes, for MS milliseconds in a round. Both sides have their identity, or
identity and psk, as a file or with the agent. Each round runs all four, and its result is the mean of its connections; of the rounds
the least, the median and the differences between medians are printed.
"""

import os
import signal
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))
# pylint: disable=wrong-import-position
from lib.agent import Agent
from lib.process import BUILD, Process, free_port, run
from lib.seal import Keys, SealWrap, make_psk

BENCH = BUILD / "tests" / "bench"
KINDS = ("file", "agent", "file, psk", "agent, psk")


class Pair:
    """A server and the policy of a client, of one kind."""

    def __init__(self, kind, keys, psk, agent):
        self.port, self.took = free_port(), []
        more = {"psk": psk} if "psk" in kind else {}
        self.client = SealWrap(keys, "client", connect=self.port, peer="server", **more)
        server = SealWrap(keys, "server", listen=self.port, **more)
        if kind.startswith("agent"):
            for name, wrap in (("client", self.client), ("server", server)):
                wrap.policy.write_text(wrap.policy.read_text().replace(
                    f"identity = {keys.path(name)}\n", f"identity = agent:{name}\nagent-socket = {agent.socket}\n").replace(
                        f"psk = {psk}\n", "psk = agent:site\n"))
        self.server = Process(server.argv([BENCH / "sockets_ping", "serve", self.port])).wait_for_port(self.port)

    def round(self, milliseconds):
        done = run(self.client.argv([BENCH / "sockets_open", "open", self.port, 1, milliseconds]))
        number, seconds = done.out.split()[:2]
        self.took.append(float(seconds) * 1e6 / int(number))


def main():
    rounds, milliseconds = (int(word) for word in (sys.argv[1:] + ["15", "300"][len(sys.argv[1:]):])[:2])
    keys = Keys("server", "client")
    psk = make_psk(keys)
    agent = Agent([(name, keys.path(name), []) for name in ("server", "client")] + [("psk site", psk, [])])
    pairs = {kind: Pair(kind, keys, psk, agent) for kind in KINDS}
    for number in range(rounds):
        for kind in KINDS if number % 2 == 0 else reversed(KINDS):
            pairs[kind].round(milliseconds)
    for kind, pair in pairs.items():
        print(f"{kind}: least {min(pair.took):.0f}, median {statistics.median(pair.took):.0f} us")
        os.kill(pair.server.pid, signal.SIGTERM)
    for one, other in (("agent", "file"), ("agent, psk", "file, psk"), ("agent, psk", "file")):
        differences = [a - b for a, b in zip(pairs[one].took, pairs[other].took)]
        print(f"{one} less {other}: least to least {min(pairs[one].took) - min(pairs[other].took):.0f}, "
              f"median of the differences {statistics.median(differences):.0f} us")
    agent.kill()


main()
