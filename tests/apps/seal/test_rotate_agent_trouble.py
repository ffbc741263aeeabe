"""`pfswrap rotate` for keys that `pfswrap agent` has: without the agent, with mistakes in its configuration, and interrupted."""

import os
import shutil
import signal

from lib.agent import Agent, Rotation
from lib.process import BUILD, run, wait_until
from lib.rotate import STEPS
from lib.seal import Keys
from lib.tap import Skip, Tap, check, equal

CHANGES = ("write", "fsync", "renameat,renameat2", "unlinkat")
tap = Tap()


def check_trouble():
    with tap.case("without the agent, a step changes what it can, says who has not read it, and goes on later"):
        rotation = Rotation("identity")
        rotation.agent.kill()
        text = rotation.step("make", status=1)
        check("the agent does not read" in text and "no agent is running" in text, text)
        check(f"missing: the agent at {rotation.agent.socket}" in rotation.step(), "what is printed without a step")
        rotation.step("announce", status=1)
        rotation.step("--others-ready", "switch", status=1)
        check("# replaces" not in rotation.file.read_text(), "switched without the agent")
        rotation.agent.start()
        for words in STEPS["psk"]:
            rotation.step(*words)

    with tap.case("a configuration that the agent does not accept is named, and the next step waits"):
        rotation = Rotation("identity")
        rotation.step("make")
        rotation.step("announce")
        whole = rotation.agent.configuration.read_text()
        rotation.agent.configuration.write_text(whole + "nonsense\n")
        text = rotation.step("--others-ready", "switch", status=1)
        check("its configuration has a mistake" in text, text)
        wait_until(lambda: "the keys stay as they were" in rotation.agent.process.text(), "the agent's own line")
        rotation.agent.configuration.write_text(whole)
        rotation.step("--others-ready", "switch")

    with tap.case("another configuration, a section that is not there and several keys are refused with one line"):
        rotation = Rotation("identity")
        keys = Keys("a", "b")
        for text, expected in ((f"[identity other]\nkey = {rotation.file}\n", "no such section, expected a section [identity server]"),
                               (f"[psk server]\nkey = {rotation.file}\n", "no such section"),
                               ("[identity server]\nusers = 0\n", "no key, expected a section [identity server] with a line key = FILE"),
                               (f"[identity server]\nkey = {keys.path('a')}\nkey = {keys.path('b')}\n", "2 different keys of agent:server")):
            rotation.agent.configuration.write_text(text)
            refused = rotation.step("make", status=1)
            check(expected in refused and refused.count("\n") == 1, f"expected {expected!r} in {refused!r}")
        rotation.agent.configuration.unlink()
        check("expected the configuration of the agent that has agent:server" in rotation.step("make", status=1), "without the file")

    with tap.case("pfswrap agent --reload reads the keys again, and says so if it cannot"):
        keys = Keys("one", "two")
        agent = Agent([("one", keys.path("one"), [])])
        agent.write([("two", keys.path("two"), [])])
        equal(run(agent.argv("--reload")).status, 0, "status")
        check("identity two " in agent.status(), agent.status())
        agent.kill(signal.SIGTERM)
        done = run(agent.argv("--reload"))
        check(done.status == 1 and "no agent is running" in done.text, f"{done!r}")
        if os.geteuid() == 0:
            agent.start()
            for path in (agent.folder, agent.configuration, keys.folder):
                os.chown(path, 65534, 65534)
            os.chown(keys.path("two"), 65534, 65534)
            done = run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *agent.argv("--reload")])
            check(done.status == 1 and "expected root or the agent's user" in done.text, f"{done!r}")


def check_interruptions():
    with tap.case("each step may be killed before any change that it makes, and run again"):
        if not shutil.which("strace"):
            raise Skip("strace is not installed")
        rotation = Rotation("psk")
        client, killed = rotation.service.client(reload="request"), 0
        equal(client.ask("try"), "ok", "a client")
        for words in STEPS["psk"]:
            for call in CHANGES:
                killed += interrupted(rotation, words, call)
            rotation.step(*words)
            equal(client.ask("try"), "ok", f"a client after {words}")
        check(killed >= 8, f"only {killed} interruptions")


def interrupted(rotation, words, call):
    """Kills the step before its first call of this kind, and looks whether the agent could start with what is there."""
    before = rotation.files()
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when=1"]
    result = run(["strace", "-o", "/dev/null", *inject, *rotation.argv(*words, launcher=BUILD / "pfswrap-tool")])
    if result.status == 0:
        return 0
    check(result.status in (-9, 137), f"strace: {result!r}")
    checked = run(rotation.agent.argv("--check"))
    equal(checked.status, 0, f"the agent's files, killed before {call} of {words}: {checked!r}")
    if before == rotation.files():
        return 1
    rotation.step(*words)
    return 1


check_trouble()
check_interruptions()
tap.finish()
