"""`pfswrap rotate` while a Redis and its clients run: no connection is lost, and no command fails."""

import subprocess

from lib.legacy import require_programs
from lib.process import PYTHON, ROOT, Process, free_port, run, temporary_directory, wait_until
from lib.reload import applied, reloads
from lib.seal import Keys, SealWrap, command, needs_seal
from lib.tap import Tap, check, contains, equal
from lib.wrap import LAUNCHER

LOAD = ROOT / "tests/apps/programs/seal/redis_load.py"
HELD = 60
tap = Tap()


def rotate(kind, wrap, *words):
    """A step of a rotation that succeeds. Returns what it prints."""
    *options, step = words
    result = run([LAUNCHER, "rotate", kind, *options, wrap.policy, step])
    equal(result.status, 0, f"status of {result!r}")
    return result.text


def line_for_others(text):
    """The line that the command prints behind `others:`, for the peers files of other machines."""
    lines = text.splitlines()
    return lines[next(i for i, line in enumerate(lines) if line.startswith("others: ")) + 1]


class Machine:
    """A policy with a peers file and perhaps a psk of its own."""

    def __init__(self, keys, name, psk=None, **settings):
        self.folder = temporary_directory()
        self.peers = self.folder / "peers"
        self.peers.write_text(keys.peers.read_text())
        self.peers.chmod(0o600)
        self.psk = self.folder / "site.psk"
        if psk:
            self.psk.touch(0o600)
            self.psk.write_text(psk)
            settings["psk"] = self.psk
        self.wrap = SealWrap(keys, identity=name, **settings)
        text = reloads(self.wrap).replace(f"peers = {keys.peers}\n", f"peers = {self.peers}\n")
        self.wrap.policy.write_text(text)
        self.before = text
        self.process = None

    def change_peers(self, change):
        new = self.folder / "peers.new"
        new.touch(0o600)
        new.write_text(change(self.peers.read_text()))
        new.rename(self.peers)
        applied(run([LAUNCHER, "reload", self.process.pid]))


class Redis:
    """A redis-server and its clients, on two machines as far as files go."""

    def __init__(self, psk=None):
        require_programs("redis-server")
        needs_seal()
        port, keys = free_port(), Keys("redis-1", "app-1")
        self.server = Machine(keys, "redis-1", psk, listen=port, clients="app-1")
        self.client = Machine(keys, "app-1", psk, connect=port, peer="redis-1")
        self.server.process = Process(self.server.wrap.argv(
            ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", self.server.folder, "--save", "", "--daemonize", "no"]
        )).wait_for_port(port)
        self.client.process = Process(self.client.wrap.argv([*PYTHON, LOAD, port, HELD]), stdin=subprocess.PIPE)
        self.let_work()

    def rounds(self):
        return self.client.process.text().count("rounds ")

    def let_work(self):
        """Waits until new connections have been made and the old ones have been used."""
        enough = self.rounds() + 3
        wait_until(lambda: self.rounds() >= enough or not self.client.process.running(),
                   lambda: f"more rounds; {self.client.process.text()[-500:]}")
        check(self.client.process.running(), f"the clients: {self.client.process.text()[-2000:]}\n{self.server.wrap.tail()}")

    def finish(self):
        self.client.process.popen.stdin.close()
        equal(self.client.process.wait(), 0, f"status of the clients: {self.client.process.text()[-2000:]}")
        rounds = self.rounds() - 1
        contains(self.client.process.text(), f"ok rounds {rounds}", "what the clients print at the end")
        for machine in (self.server, self.client):
            equal(machine.wrap.events("refused"), [], "refusals")
            equal([event for event in machine.wrap.events("closed") if event["end"] != "clean"], [], "connections lost")
            equal(machine.wrap.policy.read_text(), machine.before, "the policy, which is as it was before")
        wait_until(lambda: len(self.server.wrap.events("closed")) == rounds + HELD, "the end of each connection")


def rotate_identity(redis, machine, other):
    """All steps for the identity of `machine`, with a peer `other` that has it in its peers file."""
    text = rotate("identity", machine.wrap, "make")
    contains(text, f"{machine.process.pid} ", "the process that has read the files again")
    redis.let_work()
    line = line_for_others(rotate("identity", machine.wrap, "announce"))
    name = line.split()[0]
    old = next(listed for listed in machine.peers.read_text().splitlines() if listed.startswith(f"{name} "))
    redis.let_work()
    other.change_peers(lambda peers: peers.replace(old + "\n", f"{old}\n{line}\n"))
    redis.let_work()
    equal(line_for_others(rotate("identity", machine.wrap, "--others-ready", "switch")), old, "the line to remove")
    redis.let_work()
    other.change_peers(lambda peers: peers.replace(old + "\n", ""))
    redis.let_work()
    rotate("identity", machine.wrap, "--others-ready", "retire")
    redis.let_work()
    contains(machine.peers.read_text(), line + "\n", "this machine's peers file")
    check(old not in machine.peers.read_text(), "this machine's peers file has the old key")


with tap.case(f"the identities of a Redis and of its clients are replaced under {HELD} connections and new ones"):
    service = Redis()
    rotate_identity(service, service.server, service.client)
    rotate_identity(service, service.client, service.server)
    service.finish()
    keys = {event["key"] for event in service.server.wrap.events("opened") if "key" in event}
    check(len(keys) in (0, 2), f"keys of the client in the log: {keys}")

with tap.case("the psk of a Redis and its clients is replaced on both machines under load"):
    service = Redis(command("genpsk"))
    server, client = service.server, service.client
    text = rotate("psk", server.wrap, "make")
    contains(text, f"copy {server.psk}.next", "what is to be done on other machines")
    service.let_work()
    (client.folder / "site.psk.next").touch(0o600)
    (client.folder / "site.psk.next").write_text((server.folder / "site.psk.next").read_text())
    contains(rotate("psk", client.wrap, "make"), "is there already, and is taken", "the same psk")
    service.let_work()
    for place in (server, client):
        rotate("psk", place.wrap, "--others-ready", "switch")
        service.let_work()
    for place in (server, client):
        rotate("psk", place.wrap, "--others-ready", "retire")
        service.let_work()
    equal(server.psk.read_text(), client.psk.read_text(), "the psk of both")
    service.finish()
tap.finish()
