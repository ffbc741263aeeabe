"""Reloads under load: no connection is lost, and the states that nobody refers to any more are freed.

RELOAD_CONNECTIONS connections (200) and ten reloads a second for RELOAD_SECONDS (5); `make reload-storm` has 1,000 and 60.
"""
# run: first

import os
import pathlib
import time

from lib.process import wait_until
from lib.reload import Service
from lib.tap import Tap, check, equal

CONNECTIONS = int(os.environ.get("RELOAD_CONNECTIONS", "200"))
SECONDS = float(os.environ.get("RELOAD_SECONDS", "5"))
tap = Tap()


def mappings(pid):
    """How many mappings the process has: each state has five or more of its own."""
    return len(pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines())


def resident(pid):
    """KiB of memory that the process has (proc(5), VmRSS)."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def storm(service, client):
    """Reloads ten times a second, with another peer each time, and policies in turn. Returns how many there were."""
    policy, count, end = service.server_wrap.policy, 0, time.monotonic() + SECONDS
    whole, extra = policy.read_text(), service.keys.make("spare", listed=False)
    while time.monotonic() < end:
        begun = time.monotonic()
        service.rewrite(service.keys.peers, lambda text, add=count % 2 == 0: "".join(
            line for line in text.splitlines(True) if not line.startswith("spare ")) + (f"spare {extra}\n" if add else ""))
        service.rewrite(policy, lambda _, number=count: whole.replace("rekey = 1\n", f"rekey = {1 + number % 3}\n"))
        equal(service.reload().status, 0, "status of a reload")
        count += 1
        if count % 10 == 0:
            equal(client.ask("echo"), f"echo {CONNECTIONS}", f"connections that live after {count} reloads")
            equal(client.ask("try"), "ok", "a new connection")
        time.sleep(max(0, 0.1 - (time.monotonic() - begun)))
    return count


with tap.case(f"{CONNECTIONS} connections live through ten reloads a second, and old states are freed"):
    server = Service("poll", rekey=1)
    held = server.client()
    equal(held.ask(f"open {CONNECTIONS}"), f"open {CONNECTIONS}", "connections")
    equal(server.reload().status, 0, "the first reload")
    before, kib, numbers = mappings(server.server.pid), resident(server.server.pid), descriptors(server.server.pid)
    reloads = storm(server, held)
    equal(held.ask("echo"), f"echo {CONNECTIONS}", "connections that live in the end")
    after, kib_after = mappings(server.server.pid), resident(server.server.pid)
    check(after - before < 60, f"mappings: {before} before, {after} after {reloads} reloads")
    check(kib_after - kib < 4096, f"KiB in memory: {kib} before, {kib_after} after {reloads} reloads")
    wait_until(lambda: descriptors(server.server.pid) == numbers, lambda: f"{numbers} descriptors, not {descriptors(server.server.pid)}")
    check(reloads >= SECONDS, f"at least one reload a second expected: {reloads}")
    generation = server.server_wrap.events("reload", result="applied")[-1]["generation"]
    equal(generation, reloads + 1, "the generation, with one state for each reload")
    equal([event for event in server.server_wrap.events("closed") if event["end"] != "clean"], [], "connections that were lost")
    print(f"# {reloads} reloads, mappings {before} to {after}, {kib} to {kib_after} KiB")
tap.finish()
