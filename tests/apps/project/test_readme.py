"""The README's "Seal a Redis between two machines in five commands", each command as it is written there.

A machine is a network namespace with its own /etc and with `make install` at its /usr/local; a link connects the two.
"""

import os
import re
import shutil

from lib.process import ROOT, Process, find, run, temporary_directory, wait_until
from lib.sniff import Sniffer
from lib.tap import Skip, Tap, check, equal

ETC = ["passwd", "group", "nsswitch.conf", "ld.so.cache", "ld.so.conf", "ld.so.conf.d"]
ADDRESSES = {"redis-1": "10.79.0.1", "app-1": "10.79.0.2"}
WORDS = [b"greeting", b"hello", b"+OK"]
POLICIES = "/usr/local/share/pfswrap/policy"
WRAPPED = f"pfswrap run --policy {POLICIES}/sealed-service.conf -- "
tap = Tap()


def commands():
    """The commands of the section, in their order."""
    section = (ROOT / "README.md").read_text().split("## Seal a Redis between two machines in five commands\n")[1]
    found = re.findall(r"^```\n(.*?)\n```$", section.split("\n## ")[0], re.M | re.S)
    equal(len(found), 5, "commands in the section")
    return found


def installed():
    folder = temporary_directory()
    result = run(["make", "-s", "-C", ROOT, "install", f"DESTDIR={folder}", "PREFIX=/usr/local"],
                 env={"MAKEFLAGS": "", "MFLAGS": ""}, timeout=120)
    equal(result.status, 0, f"status of {result!r}")
    return folder / "usr/local"


class Machine:
    """A machine with that name, until the script ends."""

    def __init__(self, name, local):
        self.name, self.folder = name, temporary_directory()
        etc = self.folder / "etc"
        etc.mkdir()
        for entry in ETC:
            path = os.path.join("/etc", entry)
            if os.path.isdir(path):
                shutil.copytree(path, etc / entry)
            elif os.path.exists(path):
                shutil.copy(path, etc / entry)
        (etc / "hosts").write_text("127.0.0.1 localhost\n" +
                                   "".join(f"{address} {host}\n" for host, address in ADDRESSES.items()))
        self.holder = Process(["unshare", "--mount", "--net", "sh", "-ec",
                               'mount --bind "$0" /etc; mount --bind "$1" /usr/local; ip link set lo up; echo up; '
                               "exec sleep 1000", etc, local])
        wait_until(lambda: "up" in self.holder.text() or not self.holder.running(), "the namespace")
        if not self.holder.running():
            raise Skip(f"no namespace can be made here: {self.holder.text()}")

    def argv(self, command):
        return ["nsenter", f"--target={self.holder.pid}", "--mount", "--net", f"--wd={self.folder}", "sh", "-c",
                command]

    def run(self, command, status=0):
        result = run(self.argv(command))
        equal(result.status, status, f"status on {self.name} of {result!r}")
        return result.out.decode()

    def start(self, command, until):
        """Starts a program; returns once it printed `until`. The shell executes it, so that it can be ended by its id."""
        process = Process(self.argv(f"exec {command}"))
        wait_until(lambda: until in process.text() or not process.running(), lambda: f"{until}: {process.text()}")
        check(process.running(), f"{command} on {self.name} ended: {process.text()}")
        return process


def join(one, other):
    """A link between two machines."""
    one.run(f"ip link add wire type veth peer name wire netns {other.holder.pid}")
    for machine in (one, other):
        machine.run(f"ip address add {ADDRESSES[machine.name]}/24 dev wire && ip link set wire up")


def captured(machine, action):
    """Which of the conversation's words are on the machine's wire while action() runs."""
    with Sniffer(6379, WORDS, interface="wire", namespace=f"/proc/{machine.holder.pid}/ns/net") as wire:
        action()
    check(wire.bytes() > 40, f"bytes on the wire: {wire.bytes()}")
    return wire.seen()


def keys(machines, command):
    with tap.case("README, 1 to 3: a key on each machine, its public key, and the peers file"):
        public = {}
        for name, machine in machines.items():
            machine.run(command[0])
            public[name] = machine.run(command[1]).strip()
            check(re.fullmatch(r"[A-Za-z0-9+/]{43}=", public[name]), f"a public key: {public[name]!r}")
            equal(machine.run("stat -c %a /etc/pfswrap/keys/service.key"), "600\n", "mode of the key")
        for machine in machines.values():
            machine.run(command[2].replace("KEY-OF-REDIS-1", public["redis-1"]).replace("KEY-OF-APP-1",
                                                                                        public["app-1"]))

    with tap.case("the two sealing policies are valid on both machines after that, and not before"):
        for policy in ("sealed-service", "sealed-migration"):
            for machine in machines.values():
                machine.run(f"pfswrap check {POLICIES}/{policy}.conf")
                machine.run("mv /etc/pfswrap/keys /etc/pfswrap/away")
                machine.run(f"pfswrap check {POLICIES}/{policy}.conf", status=1)
                machine.run("mv /etc/pfswrap/away /etc/pfswrap/keys")


def redis(machines, command):
    server, client = machines["redis-1"], machines["app-1"]
    ready = "Ready to accept connections"
    for line in command[3:]:
        check(line.startswith(WRAPPED), f"expected {WRAPPED} in front of {line}")
    bare = [line[len(WRAPPED):] for line in command]

    with tap.case("bare, every word of the conversation is on the wire"):
        with server.start(bare[3], ready):
            wire = captured(server, lambda: equal(client.run(bare[4]), "OK\n", "reply"))
        equal(wire, set(WORDS), "words on the wire")

    with tap.case("README, 4 and 5: server and client connect, and no word is on the wire"):
        with server.start(command[3], ready):
            def speak():
                equal(client.run(command[4]), "OK\n", "reply")
                equal(client.run(WRAPPED + "redis-cli -h redis-1 get greeting"), "hello\n", "the value")
            wire = captured(server, speak)
        equal(wire, set(), "words on the wire")

    with tap.case("a client without pfswrap and one with an unknown key are refused"):
        with server.start(command[3], ready):
            check("Error" in run(client.argv(f"{bare[4]} 2>&1")).text, "an error for the bare client")
            client.run("cp -a /etc/pfswrap /etc/pfswrap.good && pfswrap genkey > /etc/pfswrap/keys/service.key")
            check("OK" not in run(client.argv(f"{command[4]} 2>&1")).text, "an error for the unknown client")
            client.run("rm -r /etc/pfswrap && mv /etc/pfswrap.good /etc/pfswrap")
            equal(client.run(command[4]), "OK\n", "reply to the right client afterwards")

    with tap.case("with sealed-migration sealed and bare clients are served side by side"):
        with server.start(command[3].replace("sealed-service", "sealed-migration"), ready):
            equal(client.run(bare[4]), "OK\n", "reply to the bare client")
            wire = captured(server, lambda: equal(client.run(command[4]), "OK\n", "reply to the sealed client"))
        equal(wire, set(), "the sealed client's words on the wire")


def main():
    command = commands()
    if os.geteuid() != 0 or not all(map(find, ("unshare", "nsenter", "ip", "redis-server"))):
        with tap.case("the README's five commands"):
            raise Skip("needs root, unshare, nsenter, ip and redis-server")
        tap.finish()
    machines = {}
    with tap.case("two machines, pfswrap installed on both, a wire between them"):
        local = installed()
        for name in ADDRESSES:
            machines[name] = Machine(name, local)
        join(*machines.values())
    if len(machines) == 2:
        keys(machines, command)
        redis(machines, command)
    tap.finish()


main()
