"""The Ansible role of examples/fleet/: clean, run twice without a change, and what it lays starts a sealed service.

Ansible runs with a local connection into roots of the test, one for each machine of the inventory.
"""
# timeout: 1800

import json
import re

import yaml

from lib.process import ROOT, find, run, temporary_directory, wait_until
from lib.rootfs import Container, DebianRoot, Network, require_containers
from lib.tap import Tap, check, contains, equal, skip_all

FLEET = ROOT / "examples/fleet"
MACHINES = ("redis-1", "app-1")
PORT = 6379
tap = Tap()


class Fleet:
    """Roots of the machines, an archive of pfswrap, and runs of the playbook."""

    def __init__(self):
        self.folder = temporary_directory()
        self.roots = {name: DebianRoot() for name in MACHINES}
        done = run(["make", "-s", "-C", ROOT, "install-base", f"DESTDIR={self.folder}/stage", "PREFIX=/usr/local"],
                   env={"MAKEFLAGS": "", "MFLAGS": ""}, timeout=300)
        equal(done.status, 0, f"{done!r}")
        self.archive = self.folder / "pfswrap.tar.gz"
        equal(run(["tar", "-C", self.folder / "stage/usr/local", "-czf", self.archive, "."]).status, 0, "status of tar")
        # A root of the test has no syslog, and the policy refuses to run without its log.
        inventory = yaml.safe_load((FLEET / "inventory.yml").read_text())
        policy = inventory["pfswrap"]["vars"]["pfswrap_policy"].replace("log = syslog", "log = stderr")
        self.settings = {"pfswrap_policy": policy, "pfswrap_archive": str(self.archive), "ansible_connection": "local", "ansible_become": False,
                         "ansible_python_interpreter": "/usr/bin/python3", "pfswrap_user": "nobody", "pfswrap_group": "nogroup",
                         "pfswrap_prefix": "/opt/pfswrap",  # /usr is this machine's
                         "roots": {name: str(root.folder) for name, root in self.roots.items()},
                         "pfswrap_root": "{{ roots[inventory_hostname] }}"}

    def play(self, *options, **settings):
        return run(["ansible-playbook", "-i", FLEET / "inventory.yml", FLEET / "site.yml", *options,
                    "-e", json.dumps({**self.settings, **settings})], timeout=600, cwd=FLEET,
                   env={"ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCAL_TEMP": str(self.folder / "ansible"), "HOME": str(self.folder),
                        "ANSIBLE_NOCOWS": "1"})


def recap(done):
    """{machine: {"ok": 9, "changed": 8, "failed": 0, ...}} of the last lines."""
    found = {}
    for machine, counts in re.findall(r"^(\S+)\s*:\s*(ok=.*)$", done.text, re.MULTILINE):
        found[machine] = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", counts)}
    return found


def lints():
    with tap.case("ansible-lint finds nothing in the role and the playbook"):
        done = run(["ansible-lint", "--offline", "--nocolor", "-q", "-p"], cwd=FLEET, timeout=300,
                   env={"HOME": str(temporary_directory())})
        equal((done.status, done.out), (0, b""), f"{done!r}")
    with tap.case("ansible-lint sees the role: it finds a task without a name in a copy"):
        copy = temporary_directory()
        run(["cp", "-r", f"{FLEET}/.", copy])
        with (copy / "roles/pfswrap/tasks/main.yml").open("a") as file:
            file.write("\n- ansible.builtin.command: true\n")
        done = run(["ansible-lint", "--offline", "--nocolor", "-q", "-p"], cwd=copy, timeout=300, env={"HOME": str(copy)})
        check(done.status != 0 and b"tasks/main.yml" in done.out, f"{done!r}")
    with tap.case("ansible-playbook --syntax-check"):
        done = run(["ansible-playbook", "--syntax-check", "-i", FLEET / "inventory.yml", FLEET / "site.yml"], cwd=FLEET,
                   env={"HOME": str(temporary_directory())})
        equal(done.status, 0, f"{done!r}")


def plays(fleet):
    peers = {}
    with tap.case("the first run makes a key on each machine and shows the lines for pfswrap_peers"):
        done = fleet.play()
        equal(done.status, 0, f"{done!r}")
        for machine, root in fleet.roots.items():
            key = root.path("/etc/pfswrap/keys/service.key")
            status = key.stat()
            equal((status.st_mode & 0o7777, status.st_uid), (0o400, 65534), f"mode and owner of {machine}'s key")
            peers[machine] = re.search(rf"{machine}: ([A-Za-z0-9+/=]{{44}})", done.text)[1]
        check(peers["redis-1"] != peers["app-1"], "expected a key for each machine")
    with tap.case("the second run, with these lines in the inventory, changes only the peers; the third changes nothing"):
        done = fleet.play(pfswrap_peers=peers)
        equal({name: counts["changed"] for name, counts in recap(done).items()}, {name: 1 for name in MACHINES},
              f"changes in {done!r}")
        done = fleet.play(pfswrap_peers=peers)
        equal({name: (counts["changed"], counts["failed"]) for name, counts in recap(done).items()},
              {name: (0, 0) for name in MACHINES}, f"changes in {done!r}")
    with tap.case("a policy with an error fails before it reaches its place"):
        before = fleet.roots["app-1"].path("/etc/pfswrap/default.conf").read_bytes()
        done = fleet.play(pfswrap_peers=peers, pfswrap_policy="[policy]\nmode = strict\n")
        check(done.status != 0, f"{done!r}")
        contains(done.text, "expected enforce or audit", "the message")
        equal(fleet.roots["app-1"].path("/etc/pfswrap/default.conf").read_bytes(), before, "the policy")
    return peers


def command_of(root, service):
    """The words of the drop-in's last ExecStart=. The first one must be empty: it clears the unit's own."""
    text = root.path(f"/etc/systemd/system/{service}.service.d/pfswrap.conf").read_text()
    lines = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    equal((len(lines), lines[0]), (2, ""), f"ExecStart lines of {text!r}")
    return lines[1].split()


def starts(fleet):
    network, server, client = Network(), fleet.roots["redis-1"], fleet.roots["app-1"]
    server.write("/etc/redis/redis.conf", f"port {PORT}\nsave \"\"\ndir /run\nprotected-mode no\n")
    server.folder_for("/run", mode=0o777)
    with tap.case("the drop-in's command starts the service, sealed, as its user; the other machine reaches it with its key"), \
            Container(server, command_of(server, "redis-server"), user=65534, network=network) as container:
        wait_until(lambda: network.listens(PORT) or not container.running(), container.text)
        check(container.running() and container.preloaded(container.init), f"the server: {container.text()}")
        line = command_of(client, "app")
        line = [*line[:line.index("--") + 1], "redis-cli", "ping"]
        done = client.run(line, user=65534, network=network)
        equal(done.out, b"PONG\n", f"{done!r}")
        done = client.run(["redis-cli", "ping"], user=65534, network=network)
        check(b"PONG" not in done.out, f"without pfswrap: {done!r}")


def main():
    require_containers()
    for command in ("ansible-playbook", "ansible-lint", "redis-server"):
        if not find(command):
            skip_all(f"no {command}: scripts/install-deps containers installs it")
    lints()
    fleet = Fleet()
    plays(fleet)
    starts(fleet)
    tap.finish()


main()
