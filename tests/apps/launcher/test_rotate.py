"""`pfswrap rotate`: its steps, each of them twice, other policies and programs with the same key, messages."""

import os
import re
import shutil
import subprocess

from lib.process import PYTHON, Process, run, wait_until
from lib.rotate import STEPS, Site
from lib.seal import command, needs_seal
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import LAUNCHER, LIBRARY

tap = Tap()


def check_steps():
    with tap.case("the four steps replace an identity, and leave the policy as it was"):
        site = Site()
        before = site.snapshot()
        contains(site.step("identity", ""), f"key: {site.old}", "what is printed without a step")
        equal(site.snapshot(), before, "the files, after only looking")
        contains(site.step("identity", "make"), f"redis-1 {site.public(site.next())}\n", "the line for other machines")
        new = site.public(site.next())
        check(new != site.old, "the new key is another one")
        equal(site.policy.read_text(), before["redis.conf"][0].replace(" ; mine\n", f" ; mine\nidentity = {site.next()}\n"), "policy")
        equal(site.next().stat().st_mode, site.key.stat().st_mode, "the mode of the new key")
        contains(site.next().read_text(), f"\n# replaces {site.old}\n", "the new key's file")
        site.step("identity", "announce")
        equal(site.peers.read_text(), before["peers"][0].replace(f"{site.old}\n", f"{site.old}\nredis-1 {new}\n"), "peers")
        contains(site.step("identity", "switch", status=1), "expected --others-ready", "the step without the option")
        equal(site.public(), site.old, "the key")
        site.step("identity", "--others-ready", "switch")
        equal((site.public(), site.public(site.next())), (new, site.old), "the keys after the step switch")
        contains(site.step("identity", "retire", status=1), f"redis-1 {site.old}\n", "the line that others remove")
        site.step("identity", "--others-ready", "retire")
        equal(site.public(), new, "the key in the end")
        after = site.snapshot()
        equal(after.keys(), before.keys(), "the files in the end")
        equal(after["redis.conf"], before["redis.conf"], "the policy in the end")
        equal(after["peers"][0], before["peers"][0].replace(site.old, new), "the peers file in the end")
        equal(after["peers"][1:], before["peers"][1:], "mode and owner of the peers file")
        equal(after["redis.key"][1:], before["redis.key"][1:], "mode and owner of the key")

    for kind, steps in STEPS.items():
        with tap.case(f"each step for a {kind} changes nothing if it is done again"):
            site = Site()
            for words in steps:
                site.step(kind, *words)
                done = site.snapshot()
                text = site.step(kind, *words)
                check("already" in text or (kind, words) == ("psk", ("announce",)), f"the second {words} prints {text!r}")
                equal(site.snapshot(), done, f"the files after the second {words}")
                site.step(kind, "")
                equal(site.snapshot(), done, f"the files after only looking behind {words}")

    with tap.case("a second rotation follows a first one"):
        site = Site()
        for _ in range(2):
            for words in STEPS["identity"]:
                site.step("identity", *words)
        equal(len(site.peers.read_text().splitlines()), 4, "lines of the peers file")
        check(site.public() != site.old and site.public() in site.peers.read_text(), "the third key is in the peers file")

    with tap.case("a psk that was copied from another machine is taken, and has the same id"):
        site, other = Site(), Site()
        site.write(other.psk, site.psk.read_text())
        ident = re.search(r"the new one is (\w{16})\n", site.step("psk", "make"))[1]
        other.write(other.next("psk"), site.next("psk").read_text())
        contains(other.step("psk", "make"), f"the new one is {ident}\n", "the id on the other machine")
        contains(other.step("psk", "switch", status=1), "expected --others-ready", "the step without the option")

    with tap.case("steps in the wrong order are refused, and say which comes first"):
        site = Site()
        for words in (("announce",), ("--others-ready", "switch")):
            contains(site.step("identity", *words, status=1), "expected the step make first", f"{words}")
        contains(site.step("identity", "--others-ready", "retire"), "there is no old key", "retire")
        site.step("identity", "make")
        contains(site.step("identity", "--others-ready", "switch", status=1), "expected the step announce first", "switch")
        contains(site.step("identity", "--others-ready", "retire", status=1), "expected the step switch first", "retire")


def check_others():
    with tap.case("a second policy with the same key takes part: it is made ready before the switch, and keeps the old key's file"):
        site = Site()
        second = site.folder / "app.conf"
        site.write(second, site.policy.read_text())
        first, others = site.policy, site.folder / "redis.conf"
        site.step("identity", "make")
        site.step("identity", "announce")
        contains(site.step("identity", "--others-ready", "switch", status=1), f"{second} names {site.key}, too", "switch")
        site.policy = second
        contains(site.step("identity", "make"), "is there already, and is taken", "make for the second policy")
        site.step("identity", "--others-ready", "switch")
        contains(site.step("identity", "--others-ready", "retire"), f"is kept, since {others} names it", "retire")
        check(site.next().exists(), "the old key is gone")
        site.policy = first
        contains(site.step("identity", "--others-ready", "retire"), "redis.key.next is removed", "retire for the first policy")

    with tap.case("a signed peers file is not changed: the line to sign is printed, and the next steps wait for it"):
        site = Site()
        secret = site.folder / "fleet.secret"
        public = run([LAUNCHER, "peers", "keygen", secret]).out.decode().splitlines()[1]
        site.write(site.policy, site.policy.read_text().replace("[listen", f"peers-signer = {public}\n[listen"))

        def sign():
            equal(run([LAUNCHER, "peers", "sign", "--key", secret, site.peers]).status, 0, "peers sign")

        sign()
        before = site.peers.read_text()
        site.step("identity", "make")
        line = f"redis-1 {site.public(site.next())}\n"
        contains(site.step("identity", "announce"), f"add this line, sign it, and send it to all machines, this one too:\n{line}", "announce")
        equal(site.peers.read_text(), before, "the signed file")
        contains(site.step("identity", "--others-ready", "switch", status=1), "expected the step announce first", "switch")
        site.write(site.peers, before + line, 0o644)
        sign()
        site.step("identity", "--others-ready", "switch")
        contains(site.step("identity", "--others-ready", "retire", status=1), "is signed and lists the old key", "retire")
        site.write(site.peers, site.peers.read_text().replace(f"redis-1 {site.old}\n", ""), 0o644)
        sign()
        site.step("identity", "--others-ready", "retire")

    with tap.case("a program with reload = off is named until it was restarted, and nothing is switched before"):
        site = Site()
        needs_seal()
        argv = [LAUNCHER, "run", "--policy", site.policy, "--", *PYTHON, "-c", "print('up', flush=True); input()"]
        program = Process(argv, stdin=subprocess.PIPE)
        wait_until(lambda: "up" in program.text(), "the program")
        contains(site.step("identity", "make", status=1), f"{program.pid} ", "make")
        contains(site.step("identity", ""), f"missing: {program.pid} ", "what is printed without a step")
        site.step("identity", "announce", status=1)
        contains(site.step("identity", "--others-ready", "switch", status=1), "not switched, since a program above", "switch")
        equal(site.public(), site.old, "the key")
        program.stop()
        with Process(argv, stdin=subprocess.PIPE) as program:
            wait_until(lambda: "up" in program.text(), "the program")
            check("missing:" not in site.step("identity", ""), "the new process has read the files")
            site.step("identity", "--others-ready", "switch", status=1)  # the switch is made, and the process has the old order
            equal(site.public(site.next()), site.old, "the old key")
            contains(site.step("identity", "--others-ready", "retire", status=1), "not retired, since a program above", "retire")


def start_slowly(site, delay, call=0):
    """/bin/true with the policy, whose openat number `call` begins `delay` seconds late. Returns the process and its trace."""
    trace = site.folder.with_name(site.folder.name + f"-trace-{call}")
    late = ["-e", f"inject=openat:delay_enter={delay * 1000000}:when={call}"] if call else []
    return Process(["strace", "-o", trace, "-e", "trace=openat", *late, f"-ELD_PRELOAD={LIBRARY}",
                    f"-EPFSWRAP_POLICY={site.policy}", "/bin/true"]), trace


def check_starts():
    with tap.case("a program that starts while two keys change places reads them again"):
        needs_seal()
        if not shutil.which("strace"):
            raise Skip("strace is not installed")
        site = Site()
        for words in STEPS["identity"][:2]:
            site.step("identity", *words)
        process, trace = start_slowly(site, 0)
        equal(process.wait(), 0, f"status: {process.text()}")
        calls = trace.read_text().splitlines()
        number = next(i for i, line in enumerate(calls, 1) if f'"{site.next()}"' in line)
        process, trace = start_slowly(site, 2, number)
        wait_until(lambda: f'"{site.key}"' in trace.read_text() if trace.exists() else False, "the first key to be read")
        site.step("identity", "--others-ready", "switch")
        equal(process.wait(), 0, f"status: {process.text()}")


def check_messages():
    for words, expected in (
            (("rotate",), "expected pfswrap rotate identity|psk"),
            (("rotate", "key"), "rotate key, expected pfswrap rotate identity|psk"),
            (("rotate", "identity"), "has no policy"),
            (("rotate", "identity", "a", "turn"), "has an unknown step"),
            (("rotate", "psk", "--all", "a", "make"), "unknown option --all")):
        with tap.case(f"{' '.join(words)} is a mistake of usage"):
            result = run([LAUNCHER, *words])
            equal((result.status, result.text.count("\n")), (2, 1), f"status and lines of {result!r}")
            contains(result.text, expected, "the message")

    def refused(sentence, change, expected, kind="identity", words=("make",)):
        with tap.case(f"refused with one line: {sentence}"):
            site = Site()
            change(site)
            before = site.snapshot()
            text = site.step(kind, *words, status=1)
            contains(text, expected, "the message")
            equal(text.count("\n"), 1, f"lines of {text!r}")
            equal(site.snapshot(), before, "the files")

    refused("a key that others can read", lambda site: site.key.chmod(0o644), "redis.key: mode 0644: all users can read it")
    refused("a psk that its group can write", lambda site: site.psk.chmod(0o660), "site.psk: mode 0660", kind="psk")
    refused("a peers file that all can write", lambda site: site.peers.chmod(0o666), "peers: mode 0666: all users can write it")
    refused("a policy that all can write", lambda site: site.policy.chmod(0o666), "redis.conf: mode 0666: all users can write it")
    refused("a key that is a link", lambda site: (site.key.rename(site.folder / "real"), site.key.symlink_to("real")),
            "redis.key: expected a regular file, and no link to one")
    refused("a file beside the key that is no successor", lambda site: site.write(site.next(), command("genkey")),
            "neither it nor")
    refused("a successor that others can read", lambda site: site.write(site.next(), "", 0o644), "mode 0644")
    refused("two keys without --key", lambda site: (site.write(site.folder / "b.key", command("genkey")), site.write(
        site.policy, site.policy.read_text().replace("psk =", f"identity = {site.folder}/b.key\npsk =", 1))), "expected --key FILE")
    refused("a --key that is not the policy's", lambda site: None, "--key /none, expected a path", words=("--key", "/none", "make"))
    refused("a policy with a mistake", lambda site: site.write(site.policy, "[seal]\nfoo = 1\n"), "redis.conf:2:")
    refused("a policy without a psk", lambda site: site.write(site.policy, site.policy.read_text().replace(f"psk = {site.psk}\n", "")),
            "no psk, expected a policy with a line psk = FILE", kind="psk")

    with tap.case("root keeps the owner of a key that belongs to a service's user"):
        if os.geteuid() != 0:
            raise Skip("only root can give files away")
        site = Site()
        os.chown(site.key, 65534, 65534)
        for words in STEPS["identity"]:
            site.step("identity", *words)
            for path in (site.key, site.next()):
                if path.exists():
                    equal((path.stat().st_uid, path.stat().st_gid), (65534, 65534), f"owner of {path.name} after {words}")


check_steps()
check_others()
check_starts()
check_messages()
tap.finish()
