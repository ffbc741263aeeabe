"""`pfswrap rotate` for keys that `pfswrap agent` has: every step, twice, while a server and its clients run."""

from lib.agent import Rotation
from lib.reload import Client, reloads
from lib.rotate import STEPS
from lib.seal import Keys, SealWrap, command
from lib.tap import Tap, check, equal

tap = Tap()


def client_of(keys, port, identity, **settings):
    """A client that can be asked to read its files again: it has the peers file that the step announce changes."""
    wrap = SealWrap(keys, identity=identity, connect=port, peer="server", **settings)
    reloads(wrap)
    return Client(wrap, port)


def public(path):
    return command("pubkey", data=path.read_bytes()).strip()


def check_identity():
    with tap.case("an identity: clients that have either public key connect, before and after each step"):
        rotation = Rotation("identity")
        service, old, before = rotation.service, public(rotation.file), rotation.files()
        client = service.client(reload="request")
        equal(client.ask("open 3"), "open 3", "connections")
        check(f"agent: agent:server, in {rotation.agent.configuration}" in rotation.step(), "what is printed without a step")
        equal(rotation.files(), before, "the files after only looking")
        for words in STEPS["identity"]:
            first = rotation.step(*words)
            done = rotation.files()
            check("already" in rotation.step(*words), f"the second {words}")
            equal(rotation.files(), done, f"the files after the second {words}")
            equal((client.ask("try"), client.ask("echo")), ("ok", "echo 3"), f"a client after {words}: {first}")
            check("missing:" not in rotation.step(), f"after {words}")
        new = public(rotation.file)
        check(new != old and not rotation.next.exists(), "the key has been replaced")
        equal(rotation.files()[rotation.agent.configuration], before[rotation.agent.configuration], "the agent's configuration")
        equal(rotation.files()[rotation.policy], before[rotation.policy], "the policy")
        check(new in service.keys.peers.read_text() and old not in service.keys.peers.read_text(), "the peers file")

    with tap.case("a client that has the old public key only is served until the step retire"):
        rotation = Rotation("identity")
        service, others = rotation.service, Keys("second")
        others.peers.write_text(others.peers.read_text() + f"server {public(rotation.file)}\n")
        with service.keys.peers.open("a") as file:
            file.write(others.peers.read_text().splitlines()[0].replace("second", "first") + "\n")
        equal(service.reload().status, 0, "the reload")
        far = client_of(others, service.port, "second")
        for words in STEPS["identity"]:
            equal(far.ask("try"), "ok", f"before {words}")
            rotation.step(*words)
        check(far.ask("try").startswith("failed"), "after the step retire")


def check_psk():
    with tap.case("a psk: a client that has it in a file connects with the old one until retire, and with the new one from make on"):
        rotation = Rotation("psk")
        service, old, new = rotation.service, rotation.file.read_text(), Keys().path("new")
        other = Keys().path("old")

        def client(path, text):
            path.touch(0o600)
            path.write_text(text)
            return client_of(service.keys, service.port, "first", psk=path)

        far = client(other, old)
        for words in STEPS["identity"]:
            equal(far.ask("try"), "ok", f"before {words}")
            rotation.step(*words)
            if words == ("make",):
                near = client(new, rotation.next.read_text())
            equal(near.ask("try"), "ok", f"after {words}")
        check(far.ask("try").startswith("failed"), "after the step retire")


check_identity()
check_psk()
tap.finish()
