"""Sealed services under the settings of a systemd unit: sandboxes, limits, socket activation, Type=notify and forking."""

import os
import resource
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile
from pathlib import Path

from lib.confined import confined, members, numbers_of
from lib.journal import Journal
from lib.process import BUILD, DEADLINE, TREE, Process, find, free_port, run, temporary_directory, wait_until
from lib.seal import Keys, SealWrap, needs_seal
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import LAUNCHER

PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
DYNAMIC_USER = 61184  # the first of systemd's dynamic users
# Prints what the probe gives, then answers each connection.
SERVER = """
import mmap, os, resource, socket, sys, threading
try:
    print(eval(sys.argv[2]), flush=True)
except OSError as error:
    print(f"errno {error.errno}", flush=True)
def answer(connection):
    with connection:
        while data := connection.recv(100):
            connection.sendall(data)
listener = socket.socket(fileno=3) if sys.argv[1] == "inherited" else socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()
"""
CLIENT = """
import socket, sys
for _ in range(int(sys.argv[2])):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60) as connection:
        connection.sendall(b"ping")
        print(connection.recv(4).decode(), flush=True)
"""


class Place:
    """Keys, and a folder for logs that is not below /tmp: PrivateTmp= would hide it."""

    def __init__(self):
        self.keys = Keys("peer")
        self.folder = Path(tempfile.mkdtemp(prefix="settings-", dir=BUILD))
        self.folder.chmod(0o755)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def wrap(self, log=None, more="", **sides):
        """A policy whose files are in the folder: the log in a folder that every user may write to."""
        wrap = SealWrap(self.keys, **sides)
        inside = Path(tempfile.mkdtemp(dir=self.folder))
        (inside / "logs").mkdir()
        text = wrap.policy.read_text()
        for name in ("peer.key", "peers"):
            shutil.copy(self.keys.folder / name, inside / name)
        text = text.replace(str(self.keys.folder), str(inside)).replace(f"log = {wrap.log}", f"log = {log or inside / 'logs/log'}")
        wrap.policy, wrap.log = inside / "policy.conf", inside / "logs/log"
        wrap.policy.write_text(text.replace("[tls]", f"{more}\n[tls]", 1))
        return wrap

    @staticmethod
    def give(wrap, user):
        """Everything belongs to root; the key is a credential of that user: LoadCredential=."""
        for path in (wrap.policy.parent, wrap.policy.parent / "logs"):
            path.chmod(0o755)
        os.chown(wrap.policy.parent / "logs", user, user)  # LogsDirectory=
        os.chown(wrap.policy.parent / "peer.key", user, user)
        (wrap.policy.parent / "peer.key").chmod(0o400)
        for name in ("policy.conf", "peers"):
            (wrap.policy.parent / name).chmod(0o644)


def connect(place, port, count=3, prepare=None):
    """A sealed client; `prepare`: the settings for it, too."""
    wrap = place.wrap(connect=port)
    argv = wrap.argv([PYTHON, "-c", CLIENT, port, count])
    result = run(prepare(argv, wrap) if prepare else argv)
    equal((result.status, result.lines), (0, ["ping"] * count), f"{result!r}; log: {wrap.tail()}")


def prove(tap, place, sentence, prepare, probe, expected, client=True, count=3):
    """A server behind the settings that prepare(argv, wrap) applies, bare and sealed; then a client behind them."""
    with tap.case(sentence):
        needs_seal()
        port = free_port()
        wrap = place.wrap(listen=port)
        server = [PYTHON, "-c", SERVER, port, probe]
        with Process(prepare(server, wrap)).wait_for_port(port) as bare:
            equal(bare.text().strip(), expected, "what the setting does to a bare program")
        with Process(prepare(wrap.argv(server), wrap)).wait_for_port(port) as process:
            equal(process.text().strip(), expected, "what it does under pfswrap")
            connect(place, port, count)
            if client:
                connect(place, port, count, prepare)
        opened = wrap.events("opened", role="server", peer_name="peer")
        equal(len(opened), count * (2 if client else 1), f"sealed connections; log: {wrap.tail()}")


def calls(*forbidden):
    """SystemCallFilter=@system-service and ~SET for each of these."""
    allowed = members("@system-service")
    for name in forbidden:
        allowed -= members(name) - members("@default")
    # systemd adds what its own last steps need
    return numbers_of(allowed | {"execve", "rt_sigreturn", "restart_syscall", "exit_group"})


def needs_root():
    if os.geteuid() != 0:
        raise Skip("only root can apply this setting")


def needs_namespaces():
    needs_root()
    if run(["unshare", "-m", "true"]).status != 0:
        raise Skip("mount namespaces are not permitted here")


def in_namespace(script):
    """prepare() for a program in a mount namespace of its own; $1 of the script is the folder for logs."""
    return lambda argv, wrap: ["unshare", "-m", "sh", "-c", f'{script}\nshift; exec "$@"', "sh", wrap.policy.parent / "logs",
                               *argv]


def prove_filters(tap, place):
    inet = numbers_of(["socket"]) + [socket.AF_INET, socket.AF_INET6]
    prove(tap, place, "RestrictAddressFamilies=AF_INET AF_INET6", lambda argv, _: confined(argv, families=inet),
          "socket.socket(socket.AF_UNIX)", "errno 97")
    prove(tap, place, "MemoryDenyWriteExecute=yes",
          lambda argv, _: confined(argv, write_execute=numbers_of(["mmap"]) + numbers_of(["mprotect"]) +
                                   numbers_of(["pkey_mprotect"])), "mmap.mmap(-1, 4096, prot=7)", "errno 1")
    try:
        allowed, fewer = calls(), calls("@privileged", "@resources")
    except Skip as reason:
        for sentence in ("SystemCallFilter=@system-service", "SystemCallFilter=@system-service, ~@privileged ~@resources"):
            tap.result(True, sentence, skip=reason)
        return
    prove(tap, place, "SystemCallFilter=@system-service, SystemCallErrorNumber=EPERM",
          lambda argv, _: confined(argv, calls=allowed), "os.chroot('/')", "errno 1")
    prove(tap, place, "SystemCallFilter=@system-service, ~@privileged ~@resources, SystemCallErrorNumber=EPERM",
          lambda argv, _: confined(argv, calls=fewer), "os.setpriority(0, 0, 5)", "errno 1")
    prove(tap, place, "SystemCallFilter=@system-service, ~@privileged ~@resources, which ends the process for other calls",
          lambda argv, _: confined(argv, calls=fewer, kill=True), "1 + 1", "2")
    prove(tap, place, "NoNewPrivileges=yes with all of these filters",
          lambda argv, _: confined(argv, calls=fewer, no_new_privileges=True, families=inet),
          "[line for line in open('/proc/self/status') if line.startswith('NoNewPrivs')][0].split()[1]", "1")


def prove_limits(tap, place):
    highest = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for limit in sorted({64, 256, 1024, highest, 1000000}):
        with tap.case(f"LimitNOFILE={limit}"):
            if limit > highest and run(confined(["true"], nofile=limit)).status != 0:
                raise Skip(f"this machine allows at most {highest}, and not to raise that")
            needs_seal()
            port = free_port()
            wrap = place.wrap(listen=port)
            server = [PYTHON, "-c", SERVER, port, "resource.getrlimit(resource.RLIMIT_NOFILE)"]
            with Process(confined(wrap.argv(server), nofile=limit)).wait_for_port(port) as process:
                equal(process.text().strip(), str((limit, limit)), "the limit")
                connect(place, port, 100)
                connect(place, port, 20, lambda argv, _: confined(argv, nofile=limit))
            equal(len(wrap.events("opened")), 120, f"connections; log: {wrap.tail()}")


def prove_mounts(tap, place):
    with tap.case("what these settings need is permitted here"):
        needs_namespaces()
    if os.geteuid() != 0 or run(["unshare", "-m", "true"]).status != 0:
        return
    strict = 'mount --bind "$1" "$1" && mount -o bind,remount,ro / || exit 70'
    prove(tap, place, "ProtectSystem=strict with ReadWritePaths= for the log", in_namespace(strict),
          "open('/usr/written', 'w')", "errno 30")
    marker = temporary_directory() / "marker"
    marker.touch()
    if any(path.is_relative_to(hidden) for path in (TREE, BUILD) for hidden in ("/tmp", "/var/tmp")):
        tap.result(True, "PrivateTmp=yes", skip="pfswrap's tree is below /tmp or /var/tmp, which this setting hides")
    else:
        prove(tap, place, "PrivateTmp=yes", in_namespace("mount -t tmpfs tmpfs /tmp && mount -t tmpfs tmpfs /var/tmp || exit 70"),
              f"os.path.exists({str(marker)!r})", "False")
    if run(confined(["test", "-x", LAUNCHER, "-a", "-x", place.folder, "-a", "-x", PYTHON], user=DYNAMIC_USER)).status != 0:
        tap.result(True, "DynamicUser=yes", skip="other users cannot reach the build tree, or Python")
        return

    def dynamic(argv, wrap):
        place.give(wrap, DYNAMIC_USER)
        return confined(argv, user=DYNAMIC_USER, no_new_privileges=True)
    def ambient(argv, wrap):
        place.give(wrap, DYNAMIC_USER)
        capability = "+net_bind_service"
        return ["setpriv", f"--reuid={DYNAMIC_USER}", f"--regid={DYNAMIC_USER}", "--clear-groups", f"--inh-caps={capability}",
                f"--ambient-caps={capability}", *argv]
    prove(tap, place, "AmbientCapabilities=CAP_NET_BIND_SERVICE with User=", ambient,
          "[line for line in open('/proc/self/status') if line.startswith('CapEff')][0].split()[1]", f"{1 << 10:016x}")
    prove(tap, place, "DynamicUser=yes with LoadCredential= and LogsDirectory=", dynamic, "os.getuid()", str(DYNAMIC_USER))


def prove_journal(tap, place):
    for families, status in (([socket.AF_INET], 125), ([socket.AF_INET, socket.AF_UNIX], 0)):
        with tap.case(f"log = journald under RestrictAddressFamilies=AF_INET{' AF_UNIX' if status == 0 else ''}: "
                      f"{'entries arrive' if status == 0 else 'log-failure = refuse does not start the program'}"):
            journal = Journal()
            wrap = place.wrap(log=f"journald:{journal.path}", more="log-failure = refuse", connect=1)
            result = run(confined(wrap.argv(["true"]), families=numbers_of(["socket"]) + families))
            equal(result.status, status, f"{result!r}")
            equal(len(journal.events("policy")), 0 if status else 1, "entries")
            if status:
                contains(result.err.decode(), "Address family not supported by protocol", "the reason")


def prove_types(tap, place):
    with tap.case("socket activation: an inherited listening socket is sealed, and LISTEN_PID is the program's"):
        needs_seal()
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        wrap = place.wrap(listen=port)
        argv = confined(wrap.argv([PYTHON, "-c", SERVER, "inherited",
                                   "os.environ['LISTEN_PID'] == str(os.getpid())"]),
                        sockets=[listener.fileno()])
        # The connection for which systemd starts the service waits in the socket's queue before that.
        first = Process(place.wrap(connect=port).argv([PYTHON, "-c", CLIENT, port, 1]))
        check(select.select([listener], [], [], DEADLINE)[0], "a connection in the queue")
        with Process(argv, pass_fds=(listener.fileno(),)) as process:
            equal((first.wait(), first.text()), (0, "ping\n"), "the client that connected first")
            connect(place, port)
            wait_until(lambda: process.text().strip() == "True", lambda: f"LISTEN_PID; printed {process.text()!r}")
            equal(len(wrap.events("opened", role="server")), 4, f"sealed connections; log: {wrap.tail()}")
            with socket.create_connection(("127.0.0.1", port)) as plain:
                plain.sendall(b"ping")
                plain.settimeout(DEADLINE)
                check(plain.recv(4) != b"ping", "an answer without the seal")
        listener.close()
    with tap.case("Type=notify: READY=1 comes from the process that systemd started (redis with libsystemd)"):
        needs_seal()
        if not find("redis-server"):
            raise Skip("redis-server is not installed")
        if os.environ.get("PFSWRAP_SANITIZED") == "address":
            raise Skip("AddressSanitizer's runtime cannot start in redis-server")
        port, notify = free_port(), temporary_directory() / "notify"
        wrap = place.wrap(listen=port)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            receiver.settimeout(DEADLINE)
            receiver.bind(str(notify))
            argv = wrap.argv(["redis-server", "--supervised", "systemd", "--port", port, "--save", ""])
            with Process(argv, env={"NOTIFY_SOCKET": str(notify)}, cwd=place.folder) as process:
                text, pid = b"", None
                while b"READY=1" not in text:
                    text, control, _, _ = receiver.recvmsg(4096, 256)
                    pid = struct.unpack("3i", control[0][2])[0]
                equal(pid, process.pid, "the sender")
                client = place.wrap(connect=port)
                result = run(client.argv(["redis-cli", "-h", "127.0.0.1", "-p", port, "ping"]))
                equal(result.out, b"PONG\n", f"{result!r}")
        check(wrap.events("opened", role="server"), f"sealed connections; log: {wrap.tail()}")
    with tap.case("Type=forking: nginx forks twice, its PIDFile names the master, and the workers seal"):
        needs_seal()
        if not find("nginx"):
            raise Skip("nginx is not installed")
        port, folder = free_port(), Path(tempfile.mkdtemp(dir=place.folder))
        (folder / "nginx.conf").write_text(f"daemon on; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
                                           f"http {{ access_log off; server {{ listen 127.0.0.1:{port}; return 200 'answer'; }} }}")
        wrap = place.wrap(listen=port)
        place.give(wrap, 0)
        result = run(wrap.argv(["nginx", "-p", folder, "-c", folder / "nginx.conf"]))
        equal(result.status, 0, f"{result!r}")
        pid = int((folder / "pid").read_text())
        try:
            contains(Path(f"/proc/{pid}/maps").read_text(), "/libpfswrap.so", "what the master has mapped")
            client = place.wrap(connect=port)
            answer = run(client.argv(["curl", "-sS", f"http://127.0.0.1:{port}/"]))
            equal(answer.out, b"answer", f"{answer!r}; log: {wrap.tail()}")
        finally:
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not Path(f"/proc/{pid}").exists() or
                       Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] == "Z", "the end of nginx")
        check(wrap.events("opened", role="server"), f"sealed connections; log: {wrap.tail()}")


def main():
    tap = Tap()
    place = Place()
    try:
        prove_filters(tap, place)
        prove_limits(tap, place)
        prove_mounts(tap, place)
        prove_journal(tap, place)
        prove_types(tap, place)
    finally:
        place.remove()
    tap.finish()


main()
