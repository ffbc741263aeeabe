"""A policy, peers and keys that change while the programs run: `pfswrap reload` and `reload = auto`."""

import os
import subprocess
import sys

from lib.process import ROOT, Process, free_port, run, wait_until
from lib.seal import Keys, SealWrap, needs_seal
from lib.tap import Skip, Tap, check, equal
from lib.wrap import LAUNCHER

PROGRAMS = ROOT / "tests/apps/programs/seal"
tap = Tap()


class Client:
    """reload_client.py under a policy."""

    def __init__(self, wrap, port):
        self.process = Process(wrap.argv([sys.executable, PROGRAMS / "reload_client.py", port]), stdin=subprocess.PIPE)
        self.answers = 0

    def ask(self, line):
        self.process.popen.stdin.write(f"{line}\n".encode())
        self.process.popen.stdin.flush()
        self.answers += 1
        wait_until(lambda: self.process.text().count("\n") >= self.answers,
                   lambda: f"an answer to {line}; the client printed {self.process.text()[-500:]}")
        return self.process.text().splitlines()[self.answers - 1]


class Service:
    """A server and its clients, each with keys and a policy of its own: what one of them reads, the others do not."""

    def __init__(self, how="thread", reload="request", server=None, **settings):
        needs_seal()
        self.port, self.keys = free_port(), Keys("server", "first", "second")
        self.how = how
        self.server_wrap = self.wrap("server", reload, listen=self.port, clients="first, second", **settings)
        self.server = Process(self.server_wrap.argv(
            server or [sys.executable, PROGRAMS / "reload_server.py", self.port, how])).wait_for_port(self.port)

    def wrap(self, identity, reload="off", keys=None, **settings):
        wrap = SealWrap(keys or self.keys, identity=identity, **settings)
        wrap.policy.write_text(wrap.policy.read_text().replace("[policy]\n", f"[policy]\nreload = {reload}\n", 1))
        return wrap

    def client(self, identity="first", reload="off", **settings):
        return Client(self.wrap(identity, reload, connect=self.port, peer="server", **settings), self.port)

    def reload(self, *arguments):
        return run([LAUNCHER, "reload", *(arguments or [self.server.pid])])

    def rewrite(self, path, change):
        """Replaces the file by rename, as an operator should."""
        new = path.with_name(path.name + ".new")
        new.touch(0o600)
        new.write_text(change(path.read_text()))
        os.rename(new, path)

    def keep_peers(self, *names):
        """The server's own peers file from now on: these names of the clients' one."""
        mine = self.keys.folder / "peers.server"
        lines = [line for line in self.keys.peers.read_text().splitlines(True) if line.split()[0] in names]
        mine.touch(0o600)
        new = mine.with_name("peers.new")
        new.touch(0o600)
        new.write_text("".join(lines))
        os.rename(new, mine)
        self.server_wrap.policy.write_text(self.server_wrap.policy.read_text().replace(
            f"peers = {self.keys.peers}\n", f"peers = {mine}\n"))
        return mine


def refused_with(result, *words):
    equal(result.status, 1, f"status of {result!r}")
    for word in words:
        check(word in result.text, f"expected {word!r} in {result.text!r}")


def any_clients(service):
    """The rule without names, so that the peers file alone decides."""
    service.rewrite(service.server_wrap.policy, lambda text: text.replace("clients = first, second\n", ""))


def check_peers():
    with tap.case("a peer that is added is admitted after a reload, and one that is removed is refused"):
        service = Service()
        any_clients(service)
        service.keep_peers("server", "first")
        first, second = service.client("first"), service.client("second")
        equal(first.ask("open 3"), "open 3", "first connections")
        equal(service.reload().status, 0, "the reload")
        check(second.ask("try").startswith("failed"), "a client that is not in the peers file was admitted")
        service.keep_peers("server", "first", "second")
        result = service.reload()
        equal(result.status, 0, f"the reload: {result!r}")
        check("reloaded, generation 3" in result.text, f"generation 3 expected: {result.text}")
        equal(second.ask("try"), "ok", "the client that was added")
        service.keep_peers("server", "second")
        equal(service.reload().status, 0, "the reload")
        check(first.ask("try").startswith("failed"), "a client that was removed was admitted")
        equal(first.ask("echo"), "echo 3", "open connections of a removed peer go on until their next re-handshake")
        result = service.reload()
        check(result.status == 0 and "unchanged, generation 4" in result.text, f"a reload without a change: {result!r}")
        equal(len(service.server_wrap.events("reload", result="applied")), 3, "events of reloads")

    with tap.case("with on-removal = now, the open connections of a removed peer end at once"):
        service = Service(on_removal="now")
        any_clients(service)
        service.keep_peers("server", "first", "second")
        first, second = service.client("first"), service.client("second")
        equal((first.ask("open 2"), second.ask("open 2")), ("open 2", "open 2"), "connections")
        service.reload()
        service.keep_peers("server", "second")
        result = service.reload()
        check("2 connections ended" in result.text, f"expected 2 connections ended: {result!r}")
        equal((first.ask("echo"), second.ask("echo")), ("echo 0", "echo 2"), "who goes on")
        service.server_wrap.wait_event("closed", reason="the client's static key is not in the keyring")


def check_identity():
    with tap.case("a server's identity is rotated without a restart, and its open connections go on"):
        service = Service()
        client = service.client()
        equal(client.ask("open 2"), "open 2", "connections")
        public = service.keys.make("next", listed=False)
        service.rewrite(service.keys.path("server"), lambda _: service.keys.path("next").read_text())
        equal(service.reload().status, 0, "the reload of the server")
        check(client.ask("try").startswith("failed"), "a client that expects the old key connected")
        equal(client.ask("echo"), "echo 2", "open connections")
        service.rewrite(service.keys.peers, lambda text: "".join(
            f"server {public}\n" if line.startswith("server ") else line for line in text.splitlines(True)))
        equal(service.client("first").ask("try"), "ok", "a client that knows the new key")


def check_errors():
    with tap.case("a file with a mistake leaves the old state in force: status 1, FILE:LINE, an event"):
        service = Service()
        client, policy = service.client(), service.server_wrap.policy
        equal(client.ask("open 1"), "open 1", "a connection")
        whole = policy.read_text()
        number = len(whole.splitlines()) + 1
        policy.write_text(whole + "seal = perhaps\n")
        refused_with(service.reload(), f"{policy}:", "perhaps" if "seal" not in whole.split("[listen")[1] else "seal")
        service.server_wrap.wait_event("reload", result="refused", generation=1)
        equal(client.ask("try"), "ok", f"a connection under the old state ({number} lines)")
        policy.write_text(whole[:whole.rindex("seal = require") + 9])
        refused_with(service.reload(), f"{policy}:")
        policy.write_text("")
        refused_with(service.reload(), f"{policy}: ", "empty")
        os.rename(policy, f"{policy}.away")
        refused_with(service.reload(), f"{policy}: cannot be opened")
        os.rename(f"{policy}.away", policy)
        policy.write_text(whole)
        service.keys.peers.write_text(service.keys.peers.read_text() + "broken\n")
        refused_with(service.reload(), f"{service.keys.peers}:4: ")
        equal((client.ask("try"), client.ask("echo")), ("ok", "echo 1"), "connections under the old state")

    with tap.case("what cannot change while a program runs is refused by name"):
        service = Service()
        policy = service.server_wrap.policy
        equal(service.client().ask("try"), "ok", "a connection")
        whole = policy.read_text()
        for key, before, after in (("mode", "mode = enforce", "mode = audit"), ("log", "log = /", "log = /tmp/"),
                                   ("children", "children = protect", "children = allow"),
                                   ("reload", "reload = request", "reload = auto")):
            policy.write_text(whole.replace(before, after, 1))
            refused_with(service.reload(), f"[policy] {key} differs", "expected a restart")
        policy.write_text(whole + "[connect other]\naddress = 192.0.2.1:1\nseal = require\nlayer = tls\npeer = server\n")
        refused_with(service.reload(), "layer = tls")

    with tap.case("a process with reload = off, and one that is not protected, are not reached, and the command says so"):
        service = Service(reload="off")
        refused_with(service.reload(), "reload = request or auto")
        refused_with(service.reload(os.getpid()), "cannot be asked")
        refused_with(service.reload("no-such-program"), "no process is called")
        equal(run([LAUNCHER, "reload"]).status, 2, "status without an argument")


def check_auto():
    with tap.case("with reload = auto, a change is in force soon after it was made"):
        service = Service(reload="auto")
        any_clients(service)
        service.keep_peers("server", "first")
        first, second = service.client("first"), service.client("second")
        equal(first.ask("try"), "ok", "the first client")
        check(second.ask("try").startswith("failed"), "a client that is not listed was admitted")
        service.keep_peers("server", "first", "second")
        wait_until(lambda: second.ask("try") == "ok", "the second client to be admitted")
        policy = service.server_wrap.policy
        whole = policy.read_text()
        policy.write_text(whole + "nonsense\n")
        service.server_wrap.wait_event("reload", result="refused")
        policy.write_text(whole)
        equal(second.ask("try"), "ok", "after a mistake")


def check_children():
    with tap.case("children of a fork read the new state with their first connection, or when they are asked"):
        service = Service("fork")
        any_clients(service)
        service.keep_peers("server", "first", "second")
        first = service.client("first")
        equal(first.ask("open 2"), "open 2", "connections, each of a child")
        result = service.reload("--all")
        check("reloaded" in result.text, f"the parent reloads: {result!r}")
        service.keep_peers("server", "first")
        service.reload()
        equal(first.ask("echo"), "echo 2", "connections of children")
        check(service.client("second").ask("try").startswith("failed"), "a child had the old state")


def check_changed_processes():
    for how, word in (("drop", "Permission denied"), ("chroot", "root directory")):
        with tap.case(f"a process that cannot open the files any more says so, and keeps its state ({how})"):
            if os.geteuid() != 0:
                raise Skip("only root can change its user and its root directory")
            service = Service(how)
            client = service.client()
            equal(client.ask("open 1"), "open 1", "a connection")
            service.keep_peers("server", "first")
            refused_with(service.reload(), word)
            equal((client.ask("try"), client.ask("echo")), ("ok", "echo 1"), "connections under the old state")


for each in (check_peers, check_identity, check_errors, check_auto, check_children, check_changed_processes):
    each()
tap.finish()
