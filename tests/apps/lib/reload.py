"""A sealed echo server and its clients, each with a policy of its own that changes while they run.

The programs are programs/seal/reload_server.py and reload_client.py.
"""

import json
import os
import subprocess

from lib.process import PYTHON, ROOT, Process, free_port, run, wait_until
from lib.seal import Keys, SealWrap, needs_seal
from lib.tap import check, equal
from lib.wrap import LAUNCHER

PROGRAMS = ROOT / "tests/apps/programs/seal"


def refused_with(result, *words):
    equal(result.status, 1, f"status of {result!r}")
    for word in words:
        check(word in result.text, f"expected {word!r} in {result.text!r}")


def applied(result):
    check(result.status == 0 and "reloaded" in result.text, f"the reload: {result!r}")


def reloads(wrap, reload="request"):
    """The policy with this `reload`, and the end that it needs then. Returns its text."""
    text = wrap.policy.read_text().replace("[policy]\n", f"[policy]\nreload = {reload}\n", 1)
    wrap.policy.write_text(text + "[end]\n")
    return wrap.policy.read_text()


def status(pid):
    """What `pfswrap status --json` says about the process."""
    return json.loads(run([LAUNCHER, "status", "--json", pid]).text)


class Client:
    """reload_client.py under a policy."""

    def __init__(self, wrap, port):
        self.wrap = wrap
        self.process = Process(wrap.argv([*PYTHON, PROGRAMS / "reload_client.py", port]), stdin=subprocess.PIPE)
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

    def __init__(self, how="thread", reload="request", **settings):
        needs_seal()
        self.port, self.keys = free_port(), Keys("server", "first", "second")
        self.how = how
        self.server_wrap = self.wrap("server", reload, listen=self.port, clients="first, second", **settings)
        self.start()

    def server_argv(self):
        return self.server_wrap.argv([*PYTHON, PROGRAMS / "reload_server.py", self.port, self.how])

    def start(self):
        self.server = Process(self.server_argv()).wait_for_port(self.port)

    def wrap(self, identity, reload="off", keys=None, **settings):
        wrap = SealWrap(keys or self.keys, identity=identity, **settings)
        reloads(wrap, reload)
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

    def any_clients(self):
        """The server's rule without names, so that the peers file alone decides."""
        self.rewrite(self.server_wrap.policy, lambda text: text.replace("clients = first, second\n", ""))
        return self

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
