"""10,000 machines with 1,000 peers each: what a change of the signed peers files costs, and when a revoked machine is out.

    tests/fleet/simulation.py [--machines N] [--peers N] [--poll SECONDS] [--samples N] [--seed N]

Machine i has a file of its own: the machines around it on a circle, so that each is in as many files as it has lines. First the real
commands sign, verify and read such files, and a running server reads one again; these times are measured. Then the machine 7 is
revoked: each file with its key is signed anew, and each machine asks a store for its file every POLL seconds, at a moment of its own.
The store sends one file after the other. What happens on a machine takes one of the times that were measured, and the waits that
shim/reload/watch.c has. A part of the machines is off, and comes back later. The figures are in docs/FLEET.md.
"""

import argparse
import base64
import heapq
import os
import random
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))
# pylint: disable=wrong-import-position
from lib.process import run
from lib.progress import Progress
from lib.reload import Service
from lib.wrap import LAUNCHER

STORE_BYTES_PER_SECOND = 1e9 / 8  # a store with one gigabit per second
LATENCY = 0.02  # seconds from a question to its answer, without the bytes
LOOK, SETTLE = 0.6, 0.25  # LOOK_MS and SETTLE_MS of shim/reload/watch.c
REVOCATION_DELAY = 60.0  # its default
OFF_SHARE, OFF_SECONDS = 0.02, 3600.0  # machines that are off at the change, and the longest time until they are back


def neighbours(machine, machines, peers):
    return [(machine + step) % machines for step in range(-(peers // 2), peers - peers // 2 + 1) if step != 0]


def measured(count, function):
    """Seconds that each of `count` calls takes."""
    took = []
    for number in range(count):
        begun = time.monotonic()
        function(number)
        took.append(time.monotonic() - begun)
    return took


class Real:
    """What the real code takes with files of so many lines."""

    def __init__(self, machines, peers, samples, progress):
        self.keys = [base64.b64encode(os.urandom(32)).decode() for _ in range(machines)]
        self.machines, self.peers, self.progress, self.done = machines, peers, progress, 0
        self.service = Service(reload="auto", revocation_delay="1s")
        self.folder = self.service.keys.folder
        self.secret, self.public = self.folder / "fleet.secret", None
        self.public = run([LAUNCHER, "peers", "keygen", self.secret]).out.decode().splitlines()[1]
        self.own = self.service.keys.peers.read_text()
        self.sign_times = measured(samples, self.sign)
        self.verify_times = measured(samples, self.verify)
        self.check_times = measured(samples, self.check)
        self.notice_times = self.notice(max(3, samples // 5))
        self.service.server.stop()

    def step(self):
        self.done += 1
        self.progress.show(self.done, "measuring")

    def text(self, machine, without=()):
        return "".join(f"machine-{other} {self.keys[other]}\n" for other in neighbours(machine, self.machines, self.peers)
                       if other not in without)

    def sign(self, number):
        path = self.folder / f"peers-{number}"
        path.touch(0o600)
        path.write_text(self.own + self.text(number))
        result = run([LAUNCHER, "peers", "sign", "--key", self.secret, path])
        assert result.status == 0, result
        self.step()

    def verify(self, number):
        assert run([LAUNCHER, "peers", "verify", "--signer", self.public, self.folder / f"peers-{number}"]).status == 0
        self.step()

    def policy(self, number):
        return self.service.server_wrap.policy.read_text().replace(
            f"peers = {self.service.keys.peers}\n", f"peers = {self.folder}/peers-{number}\npeers-signer = {self.public}\n")

    def check(self, number):
        path = self.folder / f"policy-{number}.conf"
        path.touch(0o600)
        path.write_text(self.policy(number))
        result = run([LAUNCHER, "check", path])
        assert result.status == 0, result
        self.step()

    def notice(self, count):
        """From the moment at which both files are there to the one at which a running server has them in force."""
        service = self.service
        service.server.stop()
        service.server_wrap.policy.write_text(self.policy(0))
        service.start()
        client, took = service.client(), []
        assert client.ask("open 1") == "open 1"
        path = self.folder / "peers-0"
        for number in range(count):
            path.write_text(self.own + self.text(0, without=[number + 1]))
            assert run([LAUNCHER, "peers", "sign", "--key", self.secret, path]).status == 0
            begun = time.monotonic()
            while len(service.server_wrap.events("reload", result="applied")) <= number:
                time.sleep(0.005)
            took.append(time.monotonic() - begun)
            self.step()
        return took

    @property
    def size(self):
        return sum((self.folder / name).stat().st_size for name in ("peers-0", "peers-0.minisig"))


def simulate(real, machines, peers, poll, progress):
    """{moment: seconds after the decision, for each machine that has the revoked one among its peers}."""
    affected = neighbours(7, machines, peers)
    signed = 0.0
    events, ready = [], {}
    for machine in affected:  # the operator's machine signs one after the other, and then puts all into the store at once
        signed += random.choice(real.sign_times)
    for machine in affected:
        off = random.uniform(0, OFF_SECONDS) if random.random() < OFF_SHARE else 0.0
        first = random.uniform(0, poll)
        asked = first if off == 0 else off + random.uniform(0, poll)
        while asked < signed:
            asked += poll
        heapq.heappush(events, (asked, machine, off > 0))
    free, sent = 0.0, 0
    while events:
        asked, machine, was_off = heapq.heappop(events)
        free = max(free, asked) + real.size / STORE_BYTES_PER_SECOND
        sent += real.size
        noticed = free + LATENCY + random.uniform(0, LOOK) + SETTLE + random.choice(real.check_times)
        ready[machine] = (noticed, was_off)
        progress.show(real.done + len(ready), "simulating")
    on = sorted(at for at, was_off in ready.values() if not was_off)
    late = sorted(at for at, was_off in ready.values() if was_off)
    return {"signed": signed, "on": on, "late": late, "sent": sent}


def line(name, values, unit=1.0):
    values = sorted(value * unit for value in values)
    if values:
        print(f"{name}: least {values[0]:.1f}, median {statistics.median(values):.1f}, 99 % below {values[int(len(values) * 0.99)]:.1f}, "
              f"most {values[-1]:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("machines", 10000), ("peers", 1000), ("poll", 60), ("samples", 25), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    random.seed(options.seed)
    progress = Progress(options.samples * 3 + max(3, options.samples // 5) + options.peers)
    real = Real(options.machines, options.peers, options.samples, progress)
    result = simulate(real, options.machines, options.peers, options.poll, progress)
    progress.end()
    print(f"{options.machines} machines, {options.peers} peers each; a file and its signature: {real.size} bytes; all: "
          f"{real.size * options.machines / 1e6:.0f} MB")
    line("pfswrap peers sign, ms", real.sign_times, 1e3)
    line("pfswrap peers verify, ms", real.verify_times, 1e3)
    line("pfswrap check (reads and verifies), ms", real.check_times, 1e3)
    line("a running server has a new file in force, s", real.notice_times)
    print(f"machine 7 is revoked: {len(result['on']) + len(result['late'])} files change, signed within {result['signed']:.1f} s; "
          f"{result['sent'] / 1e6:.0f} MB are sent")
    line("new connections are refused, s after the decision", result["on"])
    line("open connections have ended, s after the decision", [at + REVOCATION_DELAY for at in result["on"]])
    line(f"the {len(result['late'])} machines that were off: new connections are refused, s", result["late"])
    bound = result["signed"] + options.poll + 2 * LATENCY + LOOK + SETTLE + max(real.check_times) + result["sent"] / STORE_BYTES_PER_SECOND
    if result["on"] and result["on"][-1] > bound:
        print(f"expected all machines that are on within {bound:.1f} s")
        return 1
    return 0


sys.exit(main())
