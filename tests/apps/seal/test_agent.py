"""Identities that `pfswrap agent` has: every pattern, and every kind of process."""

import os

from lib.agent import AgentService
from lib.process import run
from lib.seal import Keys, command
from lib.tap import Skip, Tap, check, equal
from lib.wrap import LAUNCHER

tap = Tap()


def check_patterns():
    for pattern in ("IK", "IKpsk2", "IKhfs", "IKhfs+psk2"):
        with tap.case(f"{pattern}: server and client have their identities from the agent"):
            hybrid, psk = "hfs" in pattern, "psk" in pattern
            if hybrid and "ML-KEM" not in run([LAUNCHER, "version"]).text:
                raise Skip("this build has no ML-KEM")
            settings = {"post_quantum": "require"} if hybrid else {}
            if psk:
                path = Keys().path("psk")
                path.touch(0o600)
                path.write_text(command("genpsk"))
                settings["psk"] = path
            service = AgentService(**settings)
            client = service.client(**settings)
            equal(client.ask("open 3"), "open 3", "connections")
            equal(client.ask("echo"), "echo 3", "lines that came back")
            equal(service.server_wrap.wait_event("opened")["pattern"], pattern, "the pattern")
            check(service.agent.answered("server") >= 3 and service.agent.answered("first") >= 3, service.agent.status())


def check_processes():
    for how in ("poll", "fork", "spawn", "drop", "chroot"):
        with tap.case(f"a server of the kind {how} handshakes with the agent's key"):
            if how in ("drop", "chroot") and os.geteuid() != 0:
                raise Skip("only root can change the user or the root directory")
            service = AgentService(how)
            client = service.client()
            equal(client.ask("open 5"), "open 5", "connections")
            equal(client.ask("echo"), "echo 5", "lines that came back")
            equal(service.server_wrap.events("refused"), [], "refusals")


def main():
    check_patterns()
    check_processes()
    tap.finish()


main()
