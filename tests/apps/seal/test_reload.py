"""A policy, peers and keys that change while the programs run: `pfswrap reload` and `reload = auto`."""

import os

from lib.process import run
from lib.reload import Service, applied, refused_with, status
from lib.tap import Tap, check, equal
from lib.wrap import LAUNCHER

tap = Tap()


def check_peers():
    with tap.case("a peer that is added is admitted after a reload, and one that is removed is refused"):
        service = Service()
        service.any_clients()
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
        equal(first.ask("echo"), "echo 3", "open connections of a removed peer go on until revocation-delay")
        result = service.reload()
        check(result.status == 0 and "unchanged, generation 4" in result.text, f"a reload without a change: {result!r}")
        equal(len(service.server_wrap.events("reload", result="applied")), 3, "events of reloads")

    with tap.case("with on-removal = now, the open connections of a removed peer end at once"):
        service = Service(on_removal="now")
        service.any_clients()
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
        number = len(whole.splitlines())
        policy.write_text(whole.replace("[end]", "seal = perhaps\n[end]"))
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
        service.keys.peers.write_text(service.keys.peers.read_text().rstrip("\n").removesuffix("broken").rstrip("\n"))
        refused_with(service.reload(), f"{service.keys.peers}: the last line has no end")
        equal((client.ask("try"), client.ask("echo")), ("ok", "echo 1"), "connections under the old state")

    with tap.case("a policy that is cut off, at whatever line, leaves the old state in force"):
        service = Service()
        client, policy = service.client(), service.server_wrap.policy
        lines = policy.read_text().splitlines(True)
        equal(client.ask("open 1"), "open 1", "a connection")
        for count in range(len(lines)):
            policy.write_text("".join(lines[:count]))
            refused_with(service.reload(), f"{policy}")
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
        policy.write_text(whole.replace(
            "[end]", "[connect other]\naddress = 192.0.2.1:1\nseal = require\nlayer = tls\npeer = server\n[end]"))
        refused_with(service.reload(), "layer = tls")

    with tap.case("a process with reload = off, and one that is not protected, are not reached, and the command says so"):
        service = Service(reload="off")
        refused_with(service.reload(), "reload = request or auto")
        refused_with(service.reload(os.getpid()), "is under pfswrap")
        refused_with(service.reload("no-such-program"), "no-such-program is under pfswrap")
        equal(run([LAUNCHER, "reload"]).status, 2, "status without an argument")


def check_status():
    with tap.case("status says which state is in force, and since a mistake, which file and line; rules keep their counts"):
        service = Service().any_clients()
        client, policy, pid = service.client(), service.server_wrap.policy, service.server.pid
        equal(client.ask("open 2"), "open 2", "connections")
        applied(service.reload())
        whole = policy.read_text()
        equal((status(pid)["policy_state"], status(pid)["problem"]), ("current", None), "state and problem")
        policy.write_text(whole.replace("[end]", "nonsense = 1\n[end]"))
        refused_with(service.reload(), "nonsense")
        equal(status(pid)["policy_state"], "changed", "state after a mistake")
        line = f"{policy}:{len(whole.splitlines())}: "
        check(status(pid)["problem"].startswith(line), f"a problem at {line} expected: {status(pid)['problem']}")
        check("CHANGED" in run([LAUNCHER, "status", pid]).text and line in run([LAUNCHER, "status", pid]).text, "the text")
        policy.write_text(whole)
        check("unchanged" in service.reload().text, "nothing has changed")
        equal((status(pid)["policy_state"], status(pid)["problem"]), ("current", None), "state when the mistake is gone")
        before = {rule["rule"]: rule for rule in status(pid)["rules"]}
        policy.write_text(whole.replace("[listen test]", "[listen first]\naddress = 192.0.2.1:1\nseal = require\n[listen test]"))
        applied(service.reload())
        equal(client.ask("echo"), "echo 2", "open connections")
        after = {rule["rule"]: rule for rule in status(pid)["rules"]}
        equal(sorted(after), ["first", "test"], "rules")
        check(after["test"]["sent_bytes"] > before["test"]["sent_bytes"] > 0, f"bytes of the rule: {before}, {after}")
        equal((after["first"]["sent_bytes"], after["test"]["connections"]), (0, 2), "the new rule, and the old one")
        policy.write_text(whole.replace("[listen test]", "[listen other]"))
        applied(service.reload())
        now = {rule["rule"]: rule for rule in status(pid)["rules"]}
        equal([now[name]["removed"] for name in ("first", "test", "other")], [True, True, False], "rules that are gone")
        equal(client.ask("try"), "ok", "a connection under the new rule")
        equal((status(pid)["policy_state"], now["test"]["connections"]), ("current", 2), "the new state")
        policy.unlink()
        refused_with(service.reload(), f"{policy}: cannot be opened")
        equal(status(pid)["policy_state"], "removed", "state without the file")
        equal((client.ask("try"), client.ask("echo")), ("ok", "echo 2"), "connections without the file")


for each in (check_peers, check_identity, check_errors, check_status):
    each()
tap.finish()
