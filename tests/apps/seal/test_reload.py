"""A policy, peers and keys that change while the programs run: `pfswrap reload` and `reload = auto`."""

import os
import pathlib
import shutil
import subprocess
import sys

from lib import certs
from lib.process import Process, free_port, run, wait_until
from lib.reload import PROGRAMS, Service
from lib.tap import Skip, Tap, check, equal
from lib.wrap import LAUNCHER, LIBRARY, Wrap

tap = Tap()


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
        service.server_wrap.wait_event("closed", reason="the client's key is not among the peers")


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
        policy.write_text(whole[:whole.index("seal = require") + len("seal = req")])
        refused_with(service.reload(), f"{policy}:", "expected off, require or prefer")
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
        policy.write_text(whole.replace("[seal]", "groups = X25519\n[seal]", 1))
        refused_with(service.reload(), "[tls] groups differs", "expected a restart")
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
    for how, word in (("drop", "Permission denied"), ("chroot", "root directory"), ("filter", "system call filter")):
        with tap.case(f"a process that cannot open the files any more says so, and keeps its state ({how})"):
            if how != "filter" and os.geteuid() != 0:
                raise Skip("only root can change its user and its root directory")
            service = Service(how)
            client = service.client()
            equal(client.ask("open 1"), "open 1", "a connection")
            service.keep_peers("server", "first")
            refused_with(service.reload(), word)
            equal((client.ask("try"), client.ask("echo")), ("ok", "echo 1"), "connections under the old state")


def check_tls():
    with tap.case("a version that the policy no longer allows is refused after a reload, by a server that was started before"):
        port, pair = free_port(), certs.server("p256")
        wrap = Wrap(tls={"min-version": "1.2"})
        policy = wrap.policy.read_text().replace("[policy]\n", "[policy]\nreload = request\n", 1)
        wrap.policy.write_text(policy)
        server = Process(wrap.argv(["openssl", "s_server", "-accept", str(port), "-cert", pair.cert, "-key", pair.key, "-quiet"]))
        server.wait_for_port(port)

        def connects(version):
            result = run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", version], data=b"")
            return b"Cipher is ECDHE" in result.out or b"Cipher is TLS" in result.out

        check(connects("-tls1_2"), "TLS 1.2 was refused before the reload")
        for minimum, expected in (("1.3", False), ("1.2", True)):
            wrap.policy.write_text(policy.replace("min-version = 1.2", f"min-version = {minimum}"))
            result = run([LAUNCHER, "reload", server.pid])
            check(result.status == 0 and "reloaded" in result.text, f"the reload: {result!r}")
            equal((connects("-tls1_2"), connects("-tls1_3")), (expected, True), f"TLS 1.2 and 1.3, with {minimum}")


def check_upgrade():
    with tap.case("while the object is replaced on disk, a program goes on with the old one, and reloads"):
        service = Service()
        folder = service.keys.folder
        copies = [folder / "libpfswrap.so", folder / "next.so"]
        for copy in copies:
            shutil.copy(LIBRARY, copy)
        service.server.stop()
        preload = {**service.server_wrap.preload(), "LD_PRELOAD": str(copies[0])}
        server = Process([sys.executable, PROGRAMS / "reload_server.py", service.port], env=preload)
        server.wait_for_port(service.port)
        client = service.client()
        equal(client.ask("open 2"), "open 2", "connections")
        os.rename(copies[1], copies[0])

        def mapped(pid):
            return [line.split(None, 5)[5] for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
                    if str(copies[0]) in line]

        check(all("(deleted)" in line for line in mapped(server.pid)) and mapped(server.pid), "the old object is mapped")
        service.keep_peers("server", "first")
        service.server_wrap.policy.write_text(service.server_wrap.policy.read_text().replace("first, second", "first"))
        result = service.reload(server.pid)
        check(result.status == 0 and "reloaded" in result.text, f"the reload: {result!r}")
        equal((client.ask("try"), client.ask("echo")), ("ok", "echo 2"), "connections to the old one")
        newer = Process([sys.executable, PROGRAMS / "reload_client.py", service.port], stdin=subprocess.PIPE,
                        env={"LD_PRELOAD": str(copies[0]), "PFSWRAP_POLICY": str(client.wrap.policy)})
        wait_until(lambda: mapped(newer.pid), "the new object in a new process")
        check(not any("(deleted)" in line for line in mapped(newer.pid)), "a new process has the new object")
        newer.popen.stdin.write(b"try\n")
        newer.popen.stdin.flush()
        wait_until(lambda: newer.text() == "ok\n", lambda: f"ok; it printed {newer.text()}")
        service.server_wrap.policy.write_text(service.server_wrap.policy.read_text() + "key-of-a-newer-build = 1\n")
        refused_with(service.reload(server.pid), "key-of-a-newer-build")


for each in (check_tls, check_upgrade, check_peers, check_identity, check_errors, check_auto, check_children, check_changed_processes):
    each()
tap.finish()
