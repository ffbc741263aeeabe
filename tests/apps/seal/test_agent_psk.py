"""Psks that `pfswrap agent` has: beside programs with the file, while they are replaced, and in no memory but the agent's."""

import base64
import os

from lib.agent import Agent, AgentService
from lib.memory import places
from lib.reload import Client, Service, applied
from lib.seal import Keys, SealWrap, make_psk
from lib.tap import Skip, Tap, check, equal

tap = Tap()


def check_patterns():
    with tap.case("IKpsk2: server and clients have the psk from the agent, too, and one with the file connects to them"):
        path = make_psk(Keys())
        service = AgentService(site=path, rekey=1)
        client = service.client()
        equal(client.ask("open 3"), "open 3", "connections")
        equal(client.ask("echo"), "echo 3", "lines that came back")
        equal(service.server_wrap.wait_event("opened")["pattern"], "IKpsk2", "the pattern")
        equal(service.agent.answered("site", "psk"), 6, f"one result for each side of a connection: {service.agent.status()}")
        wrap = SealWrap(service.keys, identity="second", connect=service.port, peer="server", psk=path)
        equal(Client(wrap, service.port).ask("open 1"), "open 1", "a client with the file")

    with tap.case("a client without the psk is refused, and so is one whose agent has another psk of this name"):
        bare = SealWrap(service.keys, identity="second", connect=service.port, peer="server")
        check(Client(bare, service.port).ask("try").startswith("failed"), "a client without a psk")
        other = Agent([("first", service.keys.path("first"), []), ("psk site", make_psk(Keys()), [])])
        wrap = service.wrap("first", connect=service.port, peer="server")
        wrap.policy.write_text(wrap.policy.read_text().replace(str(service.agent.socket), str(other.socket)))
        check(Client(wrap, service.port).ask("try").startswith("failed"), "a client with another psk")
        equal(client.ask("echo"), "echo 3", "the open connections")

    with tap.case("while a psk is replaced, both are accepted: the agent names all keys of a section, the first one is used"):
        new = make_psk(Keys())
        service.agent.configuration.write_text(service.agent.configuration.read_text().replace(
            f"key = {path}\n", f"key = {path}\nkey = {new}\n"))
        service.agent.reload()
        applied(service.reload())
        wrap = SealWrap(service.keys, identity="second", connect=service.port, peer="server", psk=new)
        equal((Client(wrap, service.port).ask("try"), client.ask("try")), ("ok", "ok"), "with the new and with the old psk")
        service.agent.configuration.write_text(service.agent.configuration.read_text().replace(f"key = {path}\n", ""))
        service.agent.reload()
        applied(service.reload())
        equal(Client(wrap, service.port).ask("try"), "ok", "with the new psk only")
        check(client.ask("try").startswith("failed"), "with the psk that the agent does not have any more")

    with tap.case("a client without an identity: NKpsk2 with the agent's psk"):
        service = AgentService(site=path)
        service.rewrite(service.server_wrap.policy, lambda text: text.replace("clients = first, second", "clients = any"))
        applied(service.reload())
        wrap = SealWrap(service.keys, connect=service.port, peer="server", psk="agent:site", agent_socket=service.agent.socket)
        wrap.policy.write_text(wrap.policy.read_text().replace(f"identity = {service.keys.path('peer')}\n", ""))
        equal(Client(wrap, service.port).ask("try"), "ok", "a connection")
        equal(service.server_wrap.wait_event("opened")["pattern"], "NKpsk2", "the pattern")


def check_memory():
    with tap.case("the psk is in the memory of a program that has the file, and of none that has the agent"):
        try:
            with open(f"/proc/{os.getppid()}/mem", "rb"):
                pass
        except PermissionError:
            raise Skip("another process's memory cannot be read here") from None
        path = make_psk(Keys())
        secret = base64.b64decode(path.read_text().splitlines()[0])
        for service, expected in ((Service(psk=path), True), (AgentService(site=path), False)):
            psk = {} if service.__class__ is AgentService else {"psk": path}
            client = service.client(**psk)
            equal(client.ask("open 2"), "open 2", "connections")
            for process in (service.server, client.process):
                equal(bool(places(process.pid, secret)), expected, f"the psk in memory, with {psk}")
        equal(len(places(service.agent.process.pid, secret)), 1, "places in the agent")


check_patterns()
check_memory()
tap.finish()
