# run: first
# timeout: 30000
"""Forks beside threads lose nothing: a process whose threads accept, answer, connect and close has children all the while.

`sock_fork_storm` counts connections that were reset, ended too early, hung or brought a wrong byte; the audit log says
how each one ended. 8,000 connections in all; PFSWRAP_FORKS_CONNECTIONS=1000000 makes as many, PFSWRAP_FORKS_SEED another
sequence of chance. PFSWRAP_FORKS_WAYS="fork:exec spawn:close" runs one case for each of these ways to make children instead,
with that many connections in each (`make fork-storm`).
"""

import os
import re
import time
from collections import Counter

from lib.process import PROGRAMS, free_port, run, wait_until
from lib.seal import MODES, Keys, SealWrap, needs_seal
from lib.tap import Tap, check, equal

CONNECTIONS = int(os.environ.get("PFSWRAP_FORKS_CONNECTIONS", "8000"))
SEED = int(os.environ.get("PFSWRAP_FORKS_SEED", "1"))
WAYS = os.environ.get("PFSWRAP_FORKS_WAYS", "").split()
BARE_CONNECTIONS = 1500
PART = 2500  # connections of one run of the program: what is found is known soon
SECONDS = 240  # for one run: what hangs is given up by the program itself after 30 s
SHARES = {
    "servers": (0.3, "threads that accept, in a process that forks"),
    "clients": (0.3, "threads that connect, in a process that forks"),
    "both_ends": (0.3, "threads of both ends in one process that forks"),
    "handlers": (0.1, "threads of both ends in one process that forks in a signal handler"),
}


def parts(total, what):
    """Counts and seeds of the runs that make up the whole; says how far it is where that takes long."""
    done, began = 0, time.monotonic()
    while done < total:
        count = min(PART, total - done)
        yield count, SEED + done // PART
        done += count
        if total > 10 * PART:
            left = (time.monotonic() - began) * (total - done) / done
            print(f"# {what}: {done:,} of {total:,} connections, {left / 60:.0f} min left", flush=True)


def ends(wrap):
    """How often each event, end and reason is in the audit log, apart from how processes and connections began."""
    return dict(Counter((event["event"], event.get("end"), event.get("reason"))
                        for event in wrap.events() if event["event"] not in ("policy", "opened")))


def once(mode, keys, scenario, count, seed, **more):
    """Runs the program once, with `more` in its environment. Returns how many children it made."""
    port = free_port()
    wrap = SealWrap(keys, listen=port, connect=port)
    environment = {**mode.environment(), "SOCK_CONNECTIONS": str(count), "SOCK_SEED": str(seed), **more}
    result = run(mode.argv(wrap, [PROGRAMS / "seal/sock_fork_storm", scenario, port]), timeout=SECONDS, env=environment)
    check(result.status == 0 and result.out.endswith(b"ok\n"),
          f"{scenario} with seed {seed} ended with {result.status}: {result.text[-1200:].strip()}\n{ends(wrap)}")
    if mode.sealed:
        # A relay is a process of its own, and may log its connection's end after the program has ended.
        wait_until(lambda: sum(ends(wrap).values()) >= 2 * count,
                   lambda: f"{2 * count} ends in the audit log (seed {seed}): {ends(wrap)}")
        equal(ends(wrap), {("closed", "clean", None): 2 * count}, f"what the audit log says (seed {seed})")
    wrap.log.unlink(missing_ok=True)
    return int(re.search(rb"forks (\d+)", result.out)[1])


def one_way(keys, way):
    """A server that makes all its children in one way, such as fork:exec, and sets no close-on-exec."""
    fork, then = way.split(":")
    forks = 0
    for count, seed in parts(CONNECTIONS, way):
        forks += once(MODES[1], keys, "servers", count, seed, SOCK_FORK=fork, SOCK_THEN=then)
    print(f"# {way}: {CONNECTIONS:,} connections beside {forks:,} children, 0 lost", flush=True)


def leaves_behind(keys):
    """A server whose children execute a static program, and whose sockets do not have close-on-exec."""
    port = free_port()
    wrap = SealWrap(keys, listen=port, connect=port)
    environment = {"SOCK_SEALED": "1", "SOCK_CONNECTIONS": "600", "SOCK_FORK": "fork", "SOCK_THEN": "exec",
                   "SOCK_PROGRAM": str(PROGRAMS / "seal/static_true")}
    began = time.monotonic()
    result = run(wrap.argv([PROGRAMS / "seal/sock_fork_storm", "servers", port]), timeout=SECONDS, env=environment)
    minutes = int((time.monotonic() - began) / 60)
    check(result.status == 0, f"ended with {result.status}: {result.text[-1200:].strip()}")
    counted = [event["count"] for event in wrap.events("left") if "count" in event]
    written = [event for event in wrap.events("left") if "count" not in event]
    check(1 <= len(written) <= minutes + 1, f"{len(written)} lines in {minutes} minutes and a part of one")
    check(1 <= len(counted) <= minutes + 1 and sum(counted) > 1, f"counts: {counted}")
    check(all("peer" in event for event in written), f"the lines without a count name the connection: {written}")
    wait_until(lambda: len(wrap.events("closed")) >= 2 * 600, "the end of each connection in the log")


def main():
    tap = Tap()
    keys = Keys("peer")
    for way in WAYS:
        with tap.case(f"sealed: a server with threads and children by {way}: no connection is lost"):
            needs_seal()
            one_way(keys, way)
    for mode in MODES if not WAYS else ():
        for scenario, (share, sentence) in SHARES.items():
            with tap.case(f"{mode.name}: {sentence}: no connection is lost"):
                if mode.sealed:
                    needs_seal()
                total = round((CONNECTIONS if mode.sealed else BARE_CONNECTIONS) * share)
                for count, seed in parts(total, scenario):
                    once(mode, keys, scenario, count, seed)
    if WAYS:
        tap.finish()
    with tap.case("sealed: children of vfork() that many threads make at once and that execute: no connection is lost"):
        needs_seal()
        once(MODES[1], keys, "servers", PART, SEED, SOCK_FORK="vfork", SOCK_THEN="exec", SOCK_FORKERS="12")
    with tap.case("sealed: connections that a program leaves behind by mistake are counted, not logged one by one"):
        needs_seal()
        leaves_behind(keys)
    tap.finish()


main()
