"""pfswrap beside the programs that start containers' programs: init programs, supervisors, and programs that change the user.

Process 1 of a pid namespace is what an engine would start. The root has no network of its own, so the servers use free
ports. Each case says what becomes process 1, which processes have the library, and what a signal does.
"""
# timeout: 1200

import functools
import os
import signal
import socket

from lib.listening import listens
from lib.process import DEADLINE, ROOT, find, free_port, run, temporary_directory, wait_until
from lib.rootfs import Container, DebianRoot, children_of, name, require_containers, state
from lib.tap import Skip, Tap, check, contains, equal, lacks
from lib.wrap import LAUNCHER

USER = 1000
PFSWRAP, POLICY, LOG = "/pfswrap/bin/pfswrap", "/etc/pfswrap/policy.conf", "/var/log/audit.jsonl"
RUN = [PFSWRAP, "run", "--policy", POLICY, "--"]
tap = Tap()


@functools.lru_cache
def installed():
    """A folder with pfswrap, for all containers."""
    folder = temporary_directory()
    done = run(["make", "-s", "-C", ROOT, "install-base", f"DESTDIR={folder}", "PREFIX=/pfswrap"],
               env={"MAKEFLAGS": "", "MFLAGS": ""}, timeout=300)
    equal(done.status, 0, f"{done!r}")
    return folder / "pfswrap"


class Image:
    """A root with pfswrap in /pfswrap, and a policy. `redis` is the command of a server on a free port."""

    def __init__(self, policy=""):
        self.root, self.port = DebianRoot(), free_port()
        self.root.add_tree(installed(), "/pfswrap")
        self.root.write(POLICY, f"[policy]\nlog = {LOG}\n{policy}\n")
        self.root.folder_for("/var/log", mode=0o777)
        self.root.folder_for("/run", mode=0o777)
        self.redis = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", "/run",
                      "--protected-mode", "no"]

    def start(self, command, **options):
        return Container(self.root, command, **options).wait_for_port(self.port)

    def log(self):
        path = self.root.path(LOG)
        return path.read_text() if path.exists() else ""


def answers(port):
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(100) == b"+PONG\r\n"


def descendants(pid):
    found = []
    for child in children_of(pid):
        found += [child, *descendants(child)]
    return found


def server_of(container):
    """The id of redis-server in the container."""
    return wait_until(lambda: [pid for pid in [container.init, *descendants(container.init)] if name(pid) == "redis-server"],
                      lambda: f"redis-server; it printed: {container.text()[-1000:]}")[0]


def is_static(program):
    return b"not a dynamic executable" in run(["ldd", find(program)]).err or \
        b"statically linked" in run(["ldd", find(program)]).out


def need(*programs):
    for program in programs:
        if not find(program):
            raise Skip(f"no {program}: scripts/install-deps containers installs it")


def user_of(pid):
    return os.stat(f"/proc/{pid}").st_uid


def alone():
    with tap.case("pfswrap run leaves no process behind: process 1 is the server itself, and SIGTERM ends it as it does bare"):
        for command in ([], RUN):
            image = Image()
            with image.start([*command, *image.redis]) as container:
                equal((name(container.init), descendants(container.init)), ("redis-server", []), "process 1, its children")
                equal(container.preloaded(container.init), bool(command), "whether process 1 has the library")
                check(answers(image.port), "expected an answer")
                container.signal(signal.SIGTERM)
                equal(container.wait(), 0, f"status after SIGTERM with {command}")
    with tap.case("process 1 without a handler ignores SIGTERM, bare and under pfswrap: such a program needs an init"):
        for command in ([], RUN):
            image = Image()
            with Container(image.root, [*command, "sh", "-c", 'echo begun; sleep 1000; echo never']) as container:
                wait_until(lambda c=container: "begun" in c.text() and descendants(c.init), "the shell's child")
                container.signal(signal.SIGTERM)
                os.kill(descendants(container.init)[0], 0)
                check(container.running() and state(container.init) != "", "expected process 1 to run on")
                container.popen.kill()
    with tap.case("children that lose their parent stay zombies under a server that is process 1, bare and under pfswrap"):
        for command in ([], RUN):
            image = Image()
            with image.start([*command, "sh", "-c", '(sleep 1 &); exec "$@"', "sh", *image.redis]) as container:
                wait_until(lambda c=container: [pid for pid in children_of(c.init) if state(pid) == "Z"], "a zombie")


def inits():
    for program, words in (("tini", ["--"]), ("tini-static", ["--"]), ("dumb-init", ["--"]), ("catatonit", ["--"])):
        with tap.case(f"{program} outside (the order to use): it reaps, passes SIGTERM on, and the server has the library"):
            need(program)
            image = Image()
            with image.start([program, *words, *RUN, "sh", "-c", '(sleep 1 &); exec "$@"', "sh", *image.redis]) as container:
                server = server_of(container)
                check(server != container.init and container.preloaded(server), "expected a child with the library")
                equal(container.preloaded(container.init), False, f"whether {program} has the library")
                wait_until(lambda c=container: "sleep" not in map(name, children_of(c.init)), "no zombie")
                container.signal(signal.SIGTERM)
                equal(container.wait(), 0, "status after SIGTERM")
        static = find(program) and is_static(program)
        with tap.case(f"{program} inside pfswrap run " + ("is static: refused" if static else "works as well")):
            need(program)
            image = Image()
            if static:
                done = image.root.run([*RUN, program, *words, *image.redis])
                equal(done.status, 125, f"{done!r}")
                contains(done.text, "statically linked", "the refusal")
                continue
            with image.start([*RUN, program, *words, *image.redis]) as container:
                check(container.preloaded(container.init) and container.preloaded(server_of(container)),
                      "expected the library in both")
                container.signal(signal.SIGTERM)
                equal(container.wait(), 0, "status after SIGTERM")


def users():
    with tap.case("gosu inside pfswrap run is refused: it is static, as most Go programs are"):
        need("gosu")
        image = Image()
        done = image.root.run([*RUN, "gosu", "server", *image.redis])
        equal(done.status, 125, f"{done!r}")
        contains(done.text, "gosu is statically linked", "the refusal")
    with tap.case("gosu outside (the order to use): process 1 is the server, with the library, as the user"):
        need("gosu")
        image = Image()
        with image.start(["gosu", "server", *RUN, *image.redis]) as container:
            equal((name(container.init), user_of(container.init)), ("redis-server", USER), "process 1 and its user")
            check(container.preloaded(container.init), "expected the library")
    script = '#!/bin/sh\nset -e\nexec gosu server "$@"\n'
    with tap.case("an entry point that executes gosu: the server has the library, and the log says that gosu had not"):
        need("gosu")
        image = Image()
        image.root.write("/entrypoint.sh", script, 0o755)
        with image.start([*RUN, "/entrypoint.sh", *image.redis]) as container:
            equal((name(container.init), user_of(container.init)), ("redis-server", USER), "process 1 and its user")
            check(container.preloaded(container.init), "expected the library")
            contains(image.log(), '"event":"unprotected"', "the log")
            contains(image.log(), "gosu", "the log")
    with tap.case("the same with children = require: gosu is not executed"):
        need("gosu")
        image = Image(policy="children = require")
        image.root.write("/entrypoint.sh", script, 0o755)
        done = image.root.run([*RUN, "/entrypoint.sh", *image.redis])
        equal(done.status, 126, f"{done!r}")
        contains(image.log(), '"event":"refused"', "the log")
    with tap.case("setpriv (as su-exec, a C program with a shared libc) works inside and outside"):
        become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
        for command in ([*RUN, *become], [*become, *RUN]):
            image = Image()
            with image.start([*command, *image.redis]) as container:
                equal((name(container.init), user_of(container.init)), ("redis-server", USER), "process 1 and its user")
                check(container.preloaded(container.init), f"expected the library with {command}")


def keys():
    """Where the user changes decides who must be able to read the key."""
    def sealed(owner):
        image = Image()
        secret = run([LAUNCHER, "genkey"]).out
        key = image.root.write("/etc/pfswrap/service.key", secret, 0o400)
        os.chown(key, owner, owner)
        image.root.write("/etc/pfswrap/peers", b"self " + run([LAUNCHER, "pubkey"], data=secret).out)
        image.root.write(POLICY, f"[policy]\nlog = {LOG}\n[seal]\nidentity = /etc/pfswrap/service.key\n"
                                 "peers = /etc/pfswrap/peers\n"
                                 f"[listen redis]\naddress = 127.0.0.1:{image.port}\nseal = require\n"
                                 f"[connect redis]\naddress = 127.0.0.1:{image.port}\nseal = require\npeer = self\n")
        return image, image.root.run([*RUN, "redis-cli", "--version"], user=USER)

    def ping(image, user):
        return image.root.run([*RUN, "redis-cli", "-p", str(image.port), "ping"], user=user)
    become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    with tap.case("user first, pfswrap run second, a key of the user: sealed connections work"):
        image, _ = sealed(USER)
        with image.start([*become, *RUN, *image.redis]):
            equal(ping(image, USER).out, b"PONG\n", "answer")
    with tap.case("user first, but a key that only root can read: refused before the server starts, with the reason"):
        image, probe = sealed(0)
        equal(probe.status, 125, f"{probe!r}")
        contains(probe.text, "service.key", "the refusal")
    with tap.case("pfswrap run first, a key of root, then another user: the server starts without its key and refuses sealing"):
        image, _ = sealed(0)
        with image.start([*RUN, *become, *image.redis]):
            done = ping(image, 0)
            lacks(done.text, "PONG", "answer")
            contains(image.log(), '"event":"refused"', "the log")


def supervisors():
    with tap.case("s6: a run script with s6-setuidgid and pfswrap run; it is restarted with the library; SIGTERM ends all"):
        need("s6-svscan", "s6-setuidgid")
        image = Image()
        supervised(image, ["s6-svscan", "/run/service"], "s6-setuidgid server", signal.SIGTERM)
    with tap.case("s6-svscan inside pfswrap run: a run script that empties the environment, as s6-overlay does, is protected"):
        need("s6-svscan", "execlineb")
        image = Image()
        server = " ".join(word or '""' for word in image.redis)
        image.root.write("/run/service/redis/run", f"#!/bin/execlineb -P\nemptyenv\n/usr/bin/{server}\n", 0o755)
        with image.start([*RUN, "s6-svscan", "/run/service"]) as container:
            check(container.preloaded(server_of(container)), "expected the library")
    with tap.case("runit: a run script with chpst and pfswrap run; it is restarted with the library; SIGHUP ends all"):
        need("runsvdir", "chpst")
        image = Image()
        supervised(image, ["runsvdir", "/run/service"], "chpst -u server", signal.SIGHUP)
    with tap.case("supervisord: pfswrap run in command=; it is restarted with the library; SIGTERM ends all"):
        need("supervisord")
        image = Image()
        supervisord(image, [*RUN, *image.redis], [])
    with tap.case("supervisord inside pfswrap run: its programs are protected without a change"):
        need("supervisord")
        image = Image()
        supervisord(image, image.redis, RUN)


def quoted(words):
    return " ".join(word if word else "''" for word in words)


def check_restarted(image, container, server):
    def others():
        return [pid for pid in descendants(container.init) if pid != server and name(pid) == "redis-server"]
    wait_until(lambda: others() and listens(image.port), "another server on the port")
    check(container.preloaded(others()[0]), "expected the library after the restart")


def supervised(image, command, become, number):
    image.root.write("/run/service/redis/run", f"#!/bin/sh\nexec {become} {quoted([*RUN, *image.redis])}\n", 0o755)
    with image.start(command) as container:
        server = server_of(container)
        equal(user_of(server), USER, "user")
        check(container.preloaded(server), "expected the library")
        os.kill(server, signal.SIGKILL)
        check_restarted(image, container, server)
        container.signal(number)
        container.wait()


def supervisord(image, program, before):
    image.root.write("/etc/supervisord.conf", "[supervisord]\nnodaemon=true\nuser=root\nlogfile=/dev/null\n"
                     "logfile_maxbytes=0\npidfile=/run/supervisord.pid\n[program:redis]\nuser=server\n"
                     f"command={quoted(program)}\n")
    with image.start([*before, "supervisord", "-c", "/etc/supervisord.conf"]) as container:
        server = server_of(container)
        equal(user_of(server), USER, "user")
        check(container.preloaded(server), "expected the library")
        os.kill(server, signal.SIGKILL)
        check_restarted(image, container, server)
        container.signal(signal.SIGTERM)
        equal(container.wait(), 0, "status after SIGTERM")


def main():
    require_containers()
    alone()
    inits()
    users()
    keys()
    supervisors()
    tap.finish()


main()
