"""A file system without room, under each file that a reload or a rotation writes: the old state stays in force, and is whole."""

import contextlib
import os

from lib.process import run, temporary_directory
from lib.reload import Service, applied, refused_with, status
from lib.rotate import STEPS, Site
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import LAUNCHER

tap = Tap()


class SmallDisk:
    """A file system of 64 KiB. `full()`: nothing more fits on it meanwhile."""

    def __enter__(self):
        self.folder = temporary_directory()
        if os.geteuid() != 0 or run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", self.folder]).status != 0:
            raise Skip("a small file system needs root and mount(2)")
        return self

    def __exit__(self, *_):
        run(["umount", "-l", self.folder])

    @contextlib.contextmanager
    def full(self):
        rest = self.folder / "rest"
        with rest.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        yield
        rest.unlink()


def check_state():
    with tap.case("peers-state on a full disk: a newer signed file is refused, and taken when there is room"), SmallDisk() as disk:
        service, secret = Service(), disk.folder / "secret"
        service.server.stop()
        keys, policy = service.keys, service.server_wrap.policy
        mine, state = keys.folder / "peers.server", disk.folder / "state"
        public = run([LAUNCHER, "peers", "keygen", secret]).out.decode().splitlines()[1]

        def sign(*names):
            service.keep_peers(*names)
            equal(run([LAUNCHER, "peers", "sign", "--key", secret, mine]).status, 0, "peers sign")

        sign("server", "first")
        policy.write_text(policy.read_text().replace("clients = first, second\n", "").replace(
            f"peers = {mine}\n", f"peers = {mine}\npeers-signer = {public}\npeers-state = {state}\n"))
        service.start()
        first, second = service.client("first"), service.client("second")
        equal(first.ask("open 2"), "open 2", "connections")
        before = state.read_text()
        state.unlink()
        sign("server", "first", "second")
        with disk.full():
            refused_with(service.reload(), f"peers-state {state}", "No space left on device")
            equal((first.ask("try"), first.ask("echo")), ("ok", "echo 2"), "the state before")
            check(second.ask("try").startswith("failed"), "a peer of the new file")
        applied(service.reload())
        equal(second.ask("try"), "ok", "a peer of the new file")
        check(state.read_text() != before and state.read_text().startswith("pfswrap peers serial=2 "), state.read_text())


def check_log():
    with tap.case("an audit log on a full disk: a reload is applied all the same, and status counts the lines that were lost"), \
            SmallDisk() as disk:
        service = Service()
        service.server.stop()
        policy, log = service.server_wrap.policy, disk.folder / "audit.jsonl"
        policy.write_text(policy.read_text().replace(f"log = {service.server_wrap.log}", f"log = {log}"))
        service.any_clients()
        service.start()
        client = service.client()
        equal(client.ask("open 2"), "open 2", "connections")
        with disk.full():
            for number in range(60):  # the log's last page may still have room
                service.keep_peers("server", "first", *(["second"] if number % 2 == 0 else []))
                applied(service.reload())
            check(service.client("second").ask("try").startswith("failed"), "the state of the last reload")
            equal((client.ask("try"), client.ask("echo")), ("ok", "echo 2"), "the first client")
            lost = status(service.server.pid)
        service.keep_peers("server", "first", "second")
        applied(service.reload())
        equal(client.ask("echo"), "echo 2", "the open connections")
        contains(log.read_text(), '"event":"lost"', "the log")
        check('"lost"' in repr(lost).replace("'", '"'), f"status: {lost}")


def check_rotate():
    with tap.case("a rotation on a full disk changes nothing, leaves nothing behind, and goes on when there is room"), SmallDisk() as disk:
        for kind in STEPS:
            site, refused = Site(folder=disk.folder / kind), 0
            for words in STEPS[kind]:
                before = site.snapshot()
                with disk.full():
                    result = run(site.argv(kind, *words))
                    after = site.snapshot()
                    if result.status != 0:
                        contains(result.text, "No space left on device", f"{words}")
                        equal(after, before, f"the files after {words}")
                    equal([name for name in after if name.endswith(".rotate")], [], f"files that are left by {words}")
                    refused += result.status != 0
                site.step(kind, *words)
            equal(run([LAUNCHER, "check", site.policy]).status, 0, "the policy in the end")
            check(refused >= 2, f"only {refused} steps for a {kind} were refused")


for each in (check_state, check_log, check_rotate):
    each()
tap.finish()
