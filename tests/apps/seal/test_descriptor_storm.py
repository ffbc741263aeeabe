# run: first
# timeout: 30000
"""No readable byte leaves while threads make, copy, replace and close descriptors, fork, and reuse each other's numbers.

`descriptor_storm` connects to peers without a key, with a wrong one, slow, silent, refusing and resetting ones, and
serves clients without a key; the peers count what they can read. Bare they can read it, which shows that the count
works. 8,000 connections each way by default; PFSWRAP_STORM_CONNECTS sets another number (`make storm
CONNECTS=10000000`), PFSWRAP_STORM_SEED another seed.
"""

import contextlib
import json
import os
import socket
import subprocess
import time

from lib.process import PROGRAMS, Process, free_port, run
from lib.seal import MODES, Keys, SealWrap, needs_seal
from lib.tap import Tap, check, equal

CONNECTS = int(os.environ.get("PFSWRAP_STORM_CONNECTS", "8000"))
SEED = int(os.environ.get("PFSWRAP_STORM_SEED", "1"))
BARE_CONNECTS = 2000
THREADS = 8
KINDS = 6  # ports of the peers, programs/lib/storm.h
PART = 100_000  # connections of one run of the program, so that a failure is reported soon
SECONDS = 120 + PART / 200  # for one run: 200 connections a second would be too slow for any machine
TIMES = {"handshake_timeout": "1s", "linger": "200ms"}  # no handshake here completes, so that its waits end soon
STORM = PROGRAMS / "seal/descriptor_storm"


def is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def free_ports(count):
    """The first of `count` free ports in a row."""
    while True:
        first = free_port()
        if all(is_free(first + i) for i in range(1, count)):
            return first


@contextlib.contextmanager
def counting(argv, port, env=None):
    """A descriptor_storm that counts until its standard input ends; yields a function that ends it and returns the counts."""
    def counts():
        process.popen.stdin.close()
        process.popen.stdin = None
        process.wait(SECONDS)
        lines = process.text().splitlines()
        check(lines and lines[-1].startswith("{"), f"the program printed: {process.text()[-800:]}")
        return {**json.loads(lines[-1]), "said": lines[:-1][:3]}
    with Process(argv, env=env, stdin=subprocess.PIPE) as process:
        process.wait_for_port(port)
        yield counts


def storm(argv, env=None):
    """One run of the program under test to its end; returns its counts."""
    result = run(argv, timeout=SECONDS, env=env)
    check(result.status in (0, 1) and result.out, f"the storm ended with {result!r}")
    equal(result.status, 0, f"status of the storm, which printed {result.text[-800:]}")
    return json.loads(result.out)


def parts(mode, what):
    """Counts and seeds of the runs that make up the whole; prints the progress."""
    total, done, began = CONNECTS if mode.sealed else BARE_CONNECTS, 0, time.monotonic()
    while done < total:
        count = min(PART, total - done)
        yield count, SEED + done // PART
        done += count
        if total > PART:
            left = (time.monotonic() - began) * (total - done) / done
            print(f"# {what}: {done:,} of {total:,} connections, {left / 60:.0f} min left", flush=True)


def outgoing(mode, keys):
    """Returns the sum of the counts of all peers."""
    sums = {"accepted": 0, "sealed": 0, "readable": 0, "connects": 0, "files": 0}
    for count, seed in parts(mode, "outgoing"):
        first = free_ports(KINDS)
        wrong = free_port()
        ports = [f"127.0.0.1:{port}" for port in (*range(first, first + KINDS), wrong)]
        client = SealWrap(keys, identity="peer", connect=ports, **TIMES)
        server = SealWrap(keys, identity="unknown", listen=wrong)
        with counting([STORM, "listen", first], first) as peers, \
                Process(server.argv([PROGRAMS / "seal/sock_serve", wrong])) as wrong_key:
            wrong_key.wait_for_port(wrong)
            argv = mode.argv(client, [STORM, "connect", THREADS, count, seed, first, wrong])
            counts = {**storm(argv), **peers()}
        for name in sums:
            sums[name] += counts[name]
        for wrap in (client, server):
            wrap.log.unlink(missing_ok=True)
        if mode.sealed:
            equal(counts["readable"], 0, f"streams that a peer could read (seed {seed}): {counts['said']}")
    return sums


def again(mode, keys):
    """Returns the peers' counts for one thread that disconnects its connections and makes others."""
    first = free_ports(KINDS)
    client = SealWrap(keys, connect=[f"127.0.0.1:{first + kind}" for kind in range(KINDS)], **TIMES)
    with counting([STORM, "listen", first], first) as peers:
        storm(mode.argv(client, [STORM, "again", first]))
        return peers()


def incoming(mode, keys):
    """Returns the counts of clients without a key."""
    sums = {"connects": 0, "readable": 0}
    for count, seed in parts(mode, "incoming"):
        port = free_port()
        server = SealWrap(keys, listen=port, **TIMES)
        with counting(mode.argv(server, [STORM, "serve", THREADS, port]), port) as served:
            result = run([STORM, "call", THREADS, count, port], timeout=SECONDS)
            counts = json.loads(result.out)
            equal(served()["broken"], 0, "writes to files that failed")
        for name in sums:
            sums[name] += counts[name]
        server.log.unlink(missing_ok=True)
        if mode.sealed:
            equal(counts["readable"], 0, f"connections on which a client without a key could read something (part {seed})")
    return sums


def main():
    tap = Tap()
    keys = Keys("peer", "unknown")
    for mode in MODES:
        with tap.case(f"{mode.name}: threads connect in every way to peers without the key, "
                      f"which read {'nothing' if mode.sealed else 'it'}"):
            if mode.sealed:
                needs_seal()
            sums = outgoing(mode, keys)
            print(f"# {mode.name}, outgoing: {sums}")
            check(sums["accepted"] > 0 and sums["files"] > 0, f"nothing was tried: {sums}")
            check(sums["sealed"] > 0 if mode.sealed else sums["readable"] > 0, f"the peers' counts: {sums}")
        with tap.case(f"{mode.name}: a socket that was refused, disconnected and connected again sends "
                      f"{'nothing' if mode.sealed else 'what can be read'} to a silent peer without the key"):
            if mode.sealed:
                needs_seal()
            counts = again(mode, keys)
            equal(counts["accepted"], 5, "connections")
            equal(counts["readable"], 0 if mode.sealed else 5, "connections that could be read")
        with tap.case(f"{mode.name}: threads accept clients without the key, which read "
                      f"{'nothing' if mode.sealed else 'it'}"):
            if mode.sealed:
                needs_seal()
            sums = incoming(mode, keys)
            print(f"# {mode.name}, incoming: {sums}")
            check(sums["connects"] > 0, f"nothing was tried: {sums}")
            check(mode.sealed or sums["readable"] > 0, f"the clients' counts: {sums}")
    tap.finish()


main()
