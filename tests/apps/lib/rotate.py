"""The files of a machine for tests of `pfswrap rotate`, and the steps of a rotation."""

from lib.process import run, temporary_directory
from lib.seal import command
from lib.tap import equal
from lib.wrap import LAUNCHER


class Site:
    """The files of a machine: a policy, an identity, a psk and a peers file."""

    def __init__(self, extra="", folder=None):
        self.folder = folder or temporary_directory()
        self.folder.mkdir(exist_ok=True)
        self.policy, self.peers = self.folder / "redis.conf", self.folder / "peers"
        self.key, self.psk = self.folder / "redis.key", self.folder / "site.psk"
        self.write(self.key, command("genkey"))
        self.write(self.psk, command("genpsk"))
        self.old = self.public()
        self.write(self.peers, f"# all machines\napp-1 {self.public_of(command('genkey'))}\nredis-1 {self.old}\n# the end\n", 0o644)
        self.write(self.policy, f"""# our Redis
[seal]
identity = {self.key} ; mine
psk = {self.psk}
peers = {self.peers}
{extra}
[listen redis]
address = 127.0.0.1:6379
seal = require
""", 0o640)

    def write(self, path, text, mode=0o600):
        path.touch(mode)
        path.chmod(mode)
        path.write_text(text)

    def public_of(self, secret):
        return command("pubkey", data=secret.encode()).strip()

    def public(self, path=None):
        return self.public_of((path or self.key).read_text())

    def next(self, kind="identity"):
        path = self.file(kind)
        return path.with_name(path.name + ".next")

    def file(self, kind):
        return self.key if kind == "identity" else self.psk

    def argv(self, kind, *words):
        *options, step = words
        return [LAUNCHER, "rotate", kind, *options, self.policy, *([step] if step else [])]

    def step(self, kind, *words, status=0):
        result = run(self.argv(kind, *words))
        equal(result.status, status, f"status of {result!r}")
        return result.text

    def snapshot(self):
        """The content, owner and mode of each file."""
        return {path.name: (path.read_text(), path.stat().st_mode, path.stat().st_uid, path.stat().st_gid)
                for path in self.folder.iterdir()}


STEPS = {
    "identity": [("make",), ("announce",), ("--others-ready", "switch"), ("--others-ready", "retire")],
    "psk": [("make",), ("announce",), ("--others-ready", "switch"), ("--others-ready", "retire")],
}
