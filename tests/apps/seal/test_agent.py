"""Identities that `pfswrap agent` has: every pattern, and every kind of process."""

import os
import time

from lib.agent import AgentService
from lib.process import PYTHON, run
from lib.reload import applied, refused_with
from lib.seal import Keys, make_psk
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
                settings["psk"] = make_psk(Keys())
            service = AgentService(**settings)
            client = service.client(**settings)
            equal(client.ask("open 3"), "open 3", "connections")
            equal(client.ask("echo"), "echo 3", "lines that came back")
            equal(service.server_wrap.wait_event("opened")["pattern"], pattern, "the pattern")
            check(service.agent.answered("server") >= 3 and service.agent.answered("first") >= 3, service.agent.status())


def check_processes():
    for how in ("poll", "fork", "spawn", "drop", "chroot", "closeall"):
        with tap.case(f"a server of the kind {how} handshakes with the agent's key"):
            if how in ("drop", "chroot") and os.geteuid() != 0:
                raise Skip("only root can change the user or the root directory")
            service = AgentService(how)
            client = service.client()
            equal(client.ask("open 5"), "open 5", "connections")
            equal(client.ask("echo"), "echo 5", "lines that came back")
            equal(service.server_wrap.events("refused"), [], "refusals")


def check_children():
    with tap.case("a program that is executed as a user who may not use the identity starts without keys"):
        if os.geteuid() != 0:
            raise Skip("only root can change the user")
        service = AgentService()
        wrap = service.wrap("first", connect=service.port, peer="server")
        os.chmod(wrap.policy, 0o644)
        os.chmod(service.keys.peers, 0o644)
        as_nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        done = run(wrap.argv([*as_nobody, *PYTHON, "-c", DIAL, service.port]))
        check(done.status == 0 and "refused" in done.text, f"{done!r}")
        equal(service.server_wrap.events("opened"), [], "connections")


DIAL = """
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1]))).sendall(b"line")
    print("sealed, or worse")
except OSError as error:
    print(f"refused: {error}")
"""


def check_dates():
    with tap.case("the date of the agent's key counts for max-key-age, and a reload brings a new key"):
        service = AgentService(max_key_age="90d", expired="refuse")
        client = service.client()
        equal(client.ask("open 1"), "open 1", "connections")
        path = service.keys.path("server")
        path.write_text(path.read_text().splitlines()[0] + "\n# created 2020-01-01T00:00:00Z\n")
        service.agent.reload()
        applied(service.reload())
        event = service.server_wrap.wait_event("expired", kind_="identity", file="agent:server")
        equal((event["created"], event["key"]), ("2020-01-01T00:00:00Z", service.keys.public("server")), "the event")
        check(client.ask("try").startswith("failed"), "a connection with an expired key")
        path.write_text(path.read_text().splitlines()[0] + "\n# created " + time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) + "\n")
        service.agent.reload()
        applied(service.reload())
        equal(client.ask("try"), "ok", "a connection with a key of today")
        equal(client.ask("echo"), "echo 1", "the open connection")

    with tap.case("a reload without an agent leaves everything in force, and says why"):
        service.agent.kill()
        refused_with(service.reload(), "identity agent:server", "no agent is running")
        equal(client.ask("echo"), "echo 1", "the open connection")

    with tap.case("a program does not start without an agent"):
        refused = run(service.server_argv())
        check(refused.status == 125 and "no agent is running" in refused.text, f"{refused!r}")


def main():
    check_patterns()
    check_children()
    check_dates()
    check_processes()
    tap.finish()


main()
