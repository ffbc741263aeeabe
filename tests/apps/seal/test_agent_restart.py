"""An agent that is away, stops, or starts again: open connections go on, and handshakes wait, or are refused."""

import os
import select
import signal
import socket
import threading
import time

from lib.agent import AgentService
from lib.process import wait_until
from lib.tap import Skip, Tap, check, equal

tap = Tap()
REASON = "agent: the key agent does not answer, or refuses"


def check_restart():
    with tap.case("the agent ends and starts again: open connections go on, handshakes in between wait"):
        service = AgentService()
        client = service.client()
        equal(client.ask("open 5"), "open 5", "connections")
        for _ in range(3):
            service.agent.restart()
            equal(client.ask("echo"), "echo 5", "open connections")
            equal(client.ask("try"), "ok", "a new connection")
        equal(service.server_wrap.events("refused"), [], "refusals")

    with tap.case("without an agent, open connections go on, and a handshake is refused after a time, never unsealed"):
        service.agent.kill()
        equal(client.ask("echo"), "echo 5", "open connections")
        begin = time.monotonic()
        check(client.ask("try").startswith("failed"), "a new connection")
        check(time.monotonic() - begin < 30, "the time that it takes")
        wait_until(lambda: client.wrap.events("refused", reason=REASON) + service.server_wrap.events("refused", reason=REASON),
                   "the reason in a log")
        equal(client.ask("echo"), "echo 5", "open connections")
        service.agent.start()
        wait_until(lambda: client.ask("try") == "ok", "handshakes with the new agent")

    with tap.case("an agent that stops answers nobody, and goes on"):
        os.kill(service.agent.process.pid, signal.SIGSTOP)
        check(client.ask("try").startswith("failed"), "a new connection")
        equal(client.ask("echo"), "echo 5", "open connections")
        os.kill(service.agent.process.pid, signal.SIGCONT)
        wait_until(lambda: client.ask("try") == "ok", "handshakes")


def check_activation():
    with tap.case("a socket of systemd outlives the agent: handshakes wait in it while there is no agent"):
        service = AgentService()
        client = service.client()
        equal(client.ask("open 2"), "open 2", "connections")
        service.agent.kill(signal.SIGTERM)
        check(not service.agent.socket.exists(), "an agent that ends removes its socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(str(service.agent.socket))
            listener.listen(64)
            done = []
            waiting = threading.Thread(target=lambda: done.append(client.ask("try")))
            waiting.start()
            wait_until(lambda: select.select([listener], [], [], 0)[0], "a question in the socket's queue")
            begin = time.monotonic()
            service.agent.start_activated(listener)
            waiting.join()
            if done != ["ok"] and time.monotonic() - begin > 1:
                raise Skip("the agent needed more than a second to start on this busy machine")
            equal(done, ["ok"], f"a connection; the agent printed {service.agent.process.text()}")
            equal(client.ask("echo"), "echo 2", "open connections")
            service.agent.kill(signal.SIGTERM)
            check(service.agent.socket.exists(), "a socket of systemd is left alone")


def check_load():
    with tap.case("the agent is killed and starts again five times under load: no connection is lost"):
        service = AgentService()
        client = service.client()
        done = []
        load = threading.Thread(target=lambda: done.append(client.ask("open 100")))
        load.start()
        longest = 0
        for _ in range(5):
            begin = time.monotonic()
            service.agent.restart()
            longest = max(longest, time.monotonic() - begin)
            wait_until(lambda: service.agent.answered("server") > 5 or done, "some handshakes")
        load.join()
        if longest > 1 and done != ["open 100"]:
            raise Skip(f"the agent was away for {longest:.1f} s on this busy machine, and handshakes wait for 2")
        equal(done, ["open 100"], "connections")
        equal(client.ask("echo"), "echo 100", "lines that came back")


def main():
    check_restart()
    check_activation()
    check_load()
    tap.finish()


main()
