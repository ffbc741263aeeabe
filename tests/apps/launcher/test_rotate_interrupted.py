"""`pfswrap rotate`, killed before each system call that changes something: a policy that programs can start with, and a step that
goes on."""
# timeout: 600

import os
import shutil
import tempfile

from lib.process import BUILD, run
from lib.rotate import STEPS, Site
from lib.tap import Skip, Tap, check, equal

if os.access("/dev/shm", os.W_OK):
    tempfile.tempdir = "/dev/shm"  # hundreds of fsync(2)
tap = Tap()
CHANGES = ("write", "fsync", "unlink", "unlinkat", "renameat", "renameat2")  # fchown(2) and fchmod(2) are between the first two


def interrupted(site, kind, words, call):
    """
    Kills the step before the first call of this kind, the second one and so on, until a run gets to its end. Returns how many
    were killed, and leaves the step done.
    """
    for number in range(1, 200):
        kept = site.folder.with_name(site.folder.name + "-kept")
        shutil.copytree(site.folder, kept)
        argv = ["strace", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}",
                BUILD / "pfswrap-tool", *site.argv(kind, *words)[1:]]
        result = run(argv)  # strace ends by the same signal
        if result.status == 0:
            shutil.rmtree(site.folder)
            shutil.move(kept, site.folder)
            return number - 1
        check(result.status in (-9, 137), f"strace: {result!r}")
        check_whole(site, f"killed before {call} {number} of {words}")
        site.step(kind, *words)
        left = [path.name for path in site.folder.iterdir() if path.suffix == ".rotate"]
        equal(left, [], f"files that are left over, killed before {call} {number} of {words}")
        shutil.rmtree(site.folder)
        shutil.move(kept, site.folder)
    raise AssertionError("the step does not end")


def check_whole(site, when):
    """The policy is one that a program can start with."""
    result = run([BUILD / "pfswrap-tool", "check", site.policy])
    equal(result.status, 0, f"pfswrap check, {when}: {result.text[:500]}")


for kind, steps in STEPS.items():
    for number, words in enumerate(steps):
        if (kind, words) == ("psk", ("announce",)):
            continue  # it changes nothing
        with tap.case(f"the step {words[-1]} for a {kind} may be killed before any change that it makes, and run again"):
            if not shutil.which("strace"):
                raise Skip("strace is not installed")
            machine = Site()
            for before in steps[:number]:
                machine.step(kind, *before)
            killed = [interrupted(machine, kind, words, call) for call in CHANGES]
            check(sum(killed) >= 3 or words[-1] == "switch", f"only {killed} of {CHANGES} were interrupted")
            check(sum(killed) >= 2, f"only {killed} of {CHANGES} were interrupted")
tap.finish()
