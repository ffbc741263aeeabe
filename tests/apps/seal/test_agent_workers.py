"""Programs whose identity `pfswrap agent` has: their memory, what a handshake costs, and new keys after a change of user."""

import base64
import os
import re
import signal
import subprocess

from lib.agent import Agent, AgentService
from lib.memory import places
from lib.process import BUILD, PYTHON, Process, find, free_port, run, temporary_directory, wait_until
from lib.reload import PROGRAMS, Client, Service
from lib.renewal import HOUR, Clock
from lib.seal import Keys, SealWrap
from lib.tap import Skip, Tap, check, equal

tap = Tap()
BENCH = BUILD / "tests" / "bench"


def workers(pid):
    """The process, and its children."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [pid, *map(int, file.read().split())]


def found(service, client, needle):
    """How many places of the needle there are in each process of the service, with connections open."""
    equal(client.ask("open 3"), "open 3", "connections")
    return [len(places(pid, needle)) for pid in workers(service.server.pid)]


def check_memory():
    try:
        with open(f"/proc/{os.getppid()}/mem", "rb"):
            pass
    except PermissionError:
        with tap.case("the agent's keys are in no worker's memory"):
            raise Skip("another process's memory cannot be read here")
        return
    for how, count in (("thread", 1), ("fork", 4)):
        with tap.case(f"{how}: with a file as identity, the search finds the secret in each worker"):
            service = Service(how)
            places_in = found(service, service.client(), secret_of(service))
            check(len(places_in) == count and all(places_in), f"places in each process: {places_in}")
        with tap.case(f"{how}: with the agent, the secret is in no worker, but in the agent"):
            service = AgentService(how)
            client = service.client()
            secret = secret_of(service)
            equal(found(service, client, secret), [0] * count, "places in each process")
            equal(len(places(client.process.pid, base64.b64decode(first_line(service, "first")))), 0, "places in the client")
            equal(len(places(service.agent.process.pid, secret)), 1, "places in the agent")


def first_line(service, name):
    return service.keys.path(name).read_text().splitlines()[0]


def secret_of(service):
    return base64.b64decode(first_line(service, "server"))


def check_renewal():
    with tap.case("a server that has given up its user renews its keys with the agent, which that user may not use"):
        if os.geteuid() != 0:
            raise Skip("only root can change the user")
        clock = Clock()
        os.chmod(clock.path, 0o644)
        service = AgentService.__new__(AgentService)
        service.site, service.agent, service.allowed, service.port, service.keys = None, None, [], free_port(), Keys("server", "first", "second")
        wraps = {"server": service.wrap("server", listen=service.port, clients="first, second"),
                 "first": service.wrap("first", connect=service.port, peer="server")}
        server = Process([*PYTHON, PROGRAMS / "reload_server.py", service.port, "drop"], env=clock.environment(wraps["server"]))
        server.wait_for_port(service.port)
        client = ClockedClient(wraps["first"], service.port, clock)
        equal(client.ask("open 1"), "open 1", "connections")
        before = service.agent.answered("server")
        clock.set(HOUR + 60)
        for step in range(4):
            equal(client.ask("echo"), "echo 1", "lines that came back")
            clock.set(HOUR + 61 + step)
        client.ask("close")
        closed = wraps["server"].wait_event("closed")
        equal((closed["rehandshakes"], closed["end"]), (1, "clean"), f"what the server logged: {closed}")
        check(service.agent.answered("server") > before, "the agent was asked")


def check_putting_off():
    with tap.case("a re-handshake that is due while the agent is away is put off: the connection goes on, and renews its keys later"):
        clock = Clock()
        service = AgentService()
        service.server.stop()
        wraps = {"server": service.wrap("server", listen=service.port, clients="first"),
                 "first": service.wrap("first", connect=service.port, peer="server")}
        server = Process([*PYTHON, PROGRAMS / "reload_server.py", service.port], env=clock.environment(wraps["server"]))
        server.wait_for_port(service.port)
        client = ClockedClient(wraps["first"], service.port, clock)
        equal(client.ask("open 2"), "open 2", "connections, after which the result for two static keys is kept")
        service.agent.kill()
        clock.set(HOUR + 60)
        equal([client.ask("echo") for _ in range(3)], ["echo 2"] * 3, "lines that came back without the agent")
        service.agent.start()

        def has_renewed():
            clock.set(clock.ahead + 5)
            equal(client.ask("echo"), "echo 2", "lines that came back with the agent")
            return service.agent.answered("server") >= 2

        wait_until(has_renewed, lambda: f"the agent to be asked for both connections: {service.agent.status()}")
        for _ in range(3):
            has_renewed()
        client.ask("close")
        wait_until(lambda: len(wraps["server"].events("closed")) == 2, lambda: f"both ends: {wraps['server'].tail()}")
        for closed in wraps["server"].events("closed"):
            check(closed["rehandshakes"] >= 1 and closed["end"] == "clean", f"what the server logged: {closed}")


class ClockedClient(Client):
    """A client by the test's clock."""

    def __init__(self, wrap, port, clock):
        self.wrap, self.answers = wrap, 0
        self.process = Process([*PYTHON, PROGRAMS / "reload_client.py", port], env=clock.environment(wrap), stdin=subprocess.PIPE)


def calls(keys, agent, number):
    """{side: calls on sockets to the agent} of so many connections, each used once."""
    port, folder = free_port(), temporary_directory()
    wraps = {"server": SealWrap(keys, "server", listen=port), "client": SealWrap(keys, "client", connect=port, peer="server")}
    for name, wrap in wraps.items():
        wrap.policy.write_text(wrap.policy.read_text().replace(
            f"identity = {keys.path(name)}\n", f"identity = agent:{name}\nagent-socket = {agent.socket}\n"))

    def traced(side, *argv):
        environment = [f"-E{name}={value}" for name, value in wraps[side].preload().items()]
        return ["strace", "-f", "-yy", "-e", "trace=network", "-o", folder / side, *environment, *argv]

    server = Process(traced("server", BENCH / "sockets_ping", "serve", port)).wait_for_port(port)
    done = run(traced("client", BENCH / "sockets_open", "times", port, number))
    equal(done.status, 0, f"status of the client: {done!r}")
    os.kill(workers(server.pid)[1], signal.SIGTERM)
    server.wait()
    return {side: len(re.findall(r"^\d+ +\w+\(\d+<UNIX", (folder / side).read_text(), re.MULTILINE)) for side in wraps}


def check_cost():
    with tap.case("a handshake costs one question to the agent on each side: two system calls more"):
        if not find("strace"):
            raise Skip("strace is not installed")
        keys = Keys("server", "client")
        agent = Agent([(name, keys.path(name), []) for name in ("server", "client")])
        before = {name: agent.answered(name) for name in ("server", "client")}
        fewer, more = calls(keys, agent, 10), calls(keys, agent, 40)
        for name, count in before.items():
            equal(agent.answered(name) - count, 52, f"results for the {name}: one for each connection, and ss once in a process")
        equal({side: more[side] - fewer[side] for side in more}, {"server": 60, "client": 60}, "calls of 30 connections")
        check(0 < fewer["server"] <= 40 and 0 < fewer["client"] <= 40, f"calls of 10 connections and a start: {fewer}")


def main():
    check_memory()
    check_renewal()
    check_putting_off()
    check_cost()
    tap.finish()


main()
