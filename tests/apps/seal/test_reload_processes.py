"""Reloads in processes of all kinds: children of forks, programs that execute others, without rights, behind filters."""

import os
import subprocess

from lib.process import Process, no_namespaces, run, temporary_directory, wait_until
from lib.reload import Service, applied, refused_with, status
from lib.tap import Skip, Tap, check, equal
from lib.wrap import LAUNCHER

tap = Tap()


def check_auto():
    with tap.case("with reload = auto, a change is in force soon after it was made"):
        service = Service(reload="auto")
        service.any_clients()
        service.keep_peers("server", "first")
        first, second = service.client("first"), service.client("second")
        equal(first.ask("try"), "ok", "the first client")
        wait_until(lambda: second.ask("try").startswith("failed"), "the client that is not listed to be refused")
        service.keep_peers("server", "first", "second")
        wait_until(lambda: second.ask("try") == "ok", "the second client to be admitted")
        policy = service.server_wrap.policy
        whole = policy.read_text()
        policy.write_text(whole.replace("[end]", "nonsense\n[end]"))
        service.server_wrap.wait_event("reload", result="refused")
        policy.write_text(whole)
        equal(second.ask("try"), "ok", "after a mistake")


def check_children():
    with tap.case("children of a fork read the new state with their first connection, or when they are asked"):
        service = Service("fork")
        service.any_clients()
        service.keep_peers("server", "first", "second")
        first = service.client("first")
        equal(first.ask("open 2"), "open 2", "connections, each of a child")
        applied(service.reload())
        service.keep_peers("server", "first")
        service.reload()
        equal(first.ask("echo"), "echo 2", "connections of children")
        check(service.client("second").ask("try").startswith("failed"), "a child had the old state")


def check_all():
    with tap.case("reload --all asks every process, here those of a pid namespace"):
        if no_namespaces():
            raise Skip(no_namespaces())
        service = Service()
        service.server.stop()
        inner = Process(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
                         '"$@" & read line; exec "$0" reload --all', LAUNCHER, *service.server_argv()], stdin=subprocess.PIPE)
        inner.wait_for_port(service.port)
        equal(service.client().ask("open 1"), "open 1", "a connection")
        service.keep_peers("server", "first", "second")
        inner.popen.stdin.write(b"\n")
        inner.popen.stdin.flush()
        wait_until(lambda: "python3: reloaded, generation 2\n" in inner.text(), lambda: f"reloaded; it printed {inner.text()}")
        equal(inner.popen.wait(), 0, "exit status")


def check_forks():
    with tap.case("reloads while a server forks and executes programs for each line lose no connection"):
        service = Service("spawn", rekey=1)
        client, whole = service.client(), service.server_wrap.policy.read_text()
        equal(client.ask("open 4"), "open 4", "connections")
        for count in range(12):
            service.rewrite(service.server_wrap.policy, lambda _, number=count: whole.replace(
                "rekey = 1\n", f"rekey = {1 + number % 3}\n"))
            applied(service.reload()) if count > 0 else service.reload()
            equal((client.ask("echo"), client.ask("try")), ("echo 4", "ok"), f"connections after {count + 1} reloads")
        equal([event for event in service.server_wrap.events("closed") if event["end"] != "clean"], [], "lost connections")


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

    with tap.case("with reload = auto, a program behind a filter that forbids it goes on, and says so once"):
        service = Service("filter", reload="auto")
        client = service.client()
        equal(client.ask("open 1"), "open 1", "a connection")
        service.server_wrap.wait_event("reload", result="refused")
        check("system call filter" in status(service.server.pid)["problem"], f"a problem: {status(service.server.pid)}")
        service.keep_peers("server", "first")
        refused_with(service.reload(), "system call filter")
        equal((client.ask("try"), client.ask("echo")), ("ok", "echo 1"), "connections under the old state")
        equal(len(service.server_wrap.events("reload", result="refused")), 1, "events")


def check_full_disk():
    with tap.case("a policy that a full disk has cut off leaves the old one in force"):
        folder = temporary_directory()
        if os.geteuid() != 0 or run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", folder]).status != 0:
            raise Skip("a small file system needs root and mount(2)")
        try:
            service = Service()
            client, policy = service.client(), folder / "policy.conf"
            policy.touch(0o600)
            policy.write_text(service.server_wrap.policy.read_text())
            service.server.stop()
            service.server_wrap.policy = policy
            service.start()
            equal(client.ask("open 1"), "open 1", "a connection")
            whole = policy.read_text()
            longer = whole.replace("[seal]", "# a comment\n" * 2000 + "[seal]", 1)
            try:
                policy.write_text(longer)
                raise AssertionError("the disk was not full")
            except OSError:
                pass
            refused_with(service.reload(), f"{policy}")
            equal((client.ask("try"), client.ask("echo")), ("ok", "echo 1"), "connections under the old state")
            policy.write_text(whole)
            check("unchanged" in service.reload().text, "the old policy is there again")
            service.server.stop()
        finally:
            run(["umount", folder])


for each in (check_auto, check_children, check_all, check_forks, check_changed_processes, check_full_disk):
    each()
tap.finish()
