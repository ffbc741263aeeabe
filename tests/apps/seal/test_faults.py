# run: first
# timeout: 40000
"""Each system call that the shim makes fails in each way, and no plaintext passes, nothing hangs, and the log says why.

The calls are found in the object (lib/object_calls.py), so that a new one is tested without a change here. By default a
sample of the runs is made, another one for each PFSWRAP_FAULTS_SEED; `make faults` makes all of them, and
`make faults CALLS="futex ppoll"` those of some calls. `make faults PART=3/20` makes the third of 20 equal parts, which have no
run in common and together have all of them. Each part is spread over all calls by chance.
"""

import concurrent.futures
import itertools
import os
import random

from lib.faults import ACTIONS, MOMENTS, PLANES, ROLES, Bench, Fault, every_fault
from lib.object_calls import in_instructions, in_sources, object_calls, unknown_imports
from lib.progress import Progress
from lib.seal import needs_seal
from lib.tap import Skip, Tap, check, equal

SAMPLE = int(os.environ.get("PFSWRAP_FAULTS", "160"))  # runs; 0: all of them
SEED = int(os.environ.get("PFSWRAP_FAULTS_SEED", "1"))
CALLS = os.environ.get("PFSWRAP_FAULTS_CALLS", "").split()
JOBS = int(os.environ.get("PFSWRAP_FAULTS_JOBS", "3"))
PART, PARTS = map(int, (os.environ.get("PFSWRAP_FAULTS_PART") or "1/1").split("/"))


# Faults that were found in this way and mended: (call, action, moment, role, manner, plane, peer).
FOUND = [Fault(*words.split()) for words in (
    "ppoll EPERM start client blocking sealed bare",  # waited for a connection for ever
    "ppoll ENOSYS start-seen client blocking sealed bare",
    "sendto EINTR open client blocking sealed sealed",  # tried again for ever
    "getrandom EINTR start server polling sealed sealed",
    "getrandom EPERM start client blocking sealed sealed",  # libsodium ended the process
    "pread64 EINTR start client blocking audit bare",
    "exit_group EPERM before client polling sealed sealed",
    "close ENOSYS start-seen server blocking inspected bare",  # no inspection behind a filter
    "getsockopt EINTR start-seen client blocking inspected bare",
    "mmap ENOSYS start server polling inspected bare",  # cut, but what had arrived could be read
    "madvise EPERM open client blocking audit bare",  # audit mode refused to start
    "madvise EPERM start client blocking sealed sealed",  # no reason in the log
    "epoll_create1 EPERM start server blocking sealed sealed",
    "epoll_ctl EPERM open client polling sealed sealed",
    "socketpair ENOSYS start-seen client blocking sealed sealed",
    "dup3 ENOSYS open-seen server polling sealed sealed",
    "getsockopt ENOSYS open client polling sealed sealed",  # a child sent plaintext
    "getsockopt EPERM open server blocking sealed sealed",
    "recvfrom EAGAIN open-seen client blocking sealed sealed",  # a relay that cannot receive
    "getpid EPERM before client polling audit bare",  # waited for itself for ever, at the start
)]


def chosen(faults):
    if PARTS > 1:
        return random.Random(SEED).sample(faults, len(faults))[PART - 1::PARTS]
    if SAMPLE == 0 or SAMPLE >= len(faults):
        return faults
    return random.Random(SEED).sample(faults, SAMPLE)


def run_all(faults, name=""):
    """{what: [fault, ...]} of the violations. Each thread has its own policies."""
    found, done, progress = {}, itertools.count(1), Progress(len(faults))
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        benches = [Bench() for _ in range(JOBS)]
        parts = [faults[i::JOBS] for i in range(JOBS)]

        def work(bench, part):
            for fault in part:
                what = bench.violation(fault) and bench.violation(fault)  # again: a busy machine may be slow
                if what:
                    found.setdefault(what, []).append(fault)
                    print(f"# {fault}: {what}", flush=True)
                progress.show(next(done), f"{len(faults)} runs with {name}")

        for _ in pool.map(work, benches, parts):
            pass
    progress.end()
    return found


def main():
    tap = Tap()
    with tap.case("the calls in the object are those in its sources, and each imported function is known"):
        if os.environ.get("PFSWRAP_SANITIZED"):
            raise Skip("an object that a sanitizer checks calls more")
        equal(in_instructions() - in_sources(), set(), "calls in the object that no source names")
        equal(unknown_imports(), [], "imported functions that lib/object_calls.py does not know")
    calls = CALLS or object_calls()
    if os.environ.get("PFSWRAP_SANITIZED") == "address":
        print("# left out: prlimit64, which AddressSanitizer's runtime calls itself and cannot start without", flush=True)
        calls = [call for call in calls if call != "prlimit64"]
    faults = chosen(every_fault(calls))
    with tap.case("without a fault, every conversation gets to its end, or is refused where it must be"):
        needs_seal()
        for plane, peer in PLANES:
            for role in ROLES:
                outcome, wrap = Bench().run(Fault("bind", "EPERM", "never", role, "blocking", plane, peer))
                refused = peer == "bare" and plane != "audit"
                check((outcome.status != 0) == refused, f"{plane} {role}, {peer} peer: {outcome.text}; {wrap.tail()}")
    with tap.case(f"{len(FOUND)} faults that were found before"):
        needs_seal()
        found = run_all(FOUND, "faults that were found before")
        equal({what: [str(fault) for fault in each] for what, each in found.items()}, {}, "what went wrong")
    for action in ACTIONS:
        some = [fault for fault in faults if fault.action == action]
        with tap.case(f"{action}: {len(some)} runs with {len({fault.call for fault in some})} calls"):
            needs_seal()
            found = run_all(some, action)
            equal({what: [str(fault) for fault in each] for what, each in found.items()}, {}, "what went wrong")
    tap.finish()


main()
