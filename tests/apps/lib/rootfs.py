"""Containers without an engine: a root file system, and programs that run in it as process 1 of a pid namespace.

A Rootfs has what a distroless image has: the programs that a test puts into it, their shared libraries, users, and no
shell, no /tmp and no package manager. Container runs a command in it with chroot(1) and unshare(1), with the capabilities
that container engines leave by default. Only root can do this. The network is that of the machine, so tests use free ports.
"""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from lib.process import Process, find, run, temporary_directory, wait_until
from lib.tap import skip_all

# The default of container engines (capabilities(7)).
CAPABILITIES = ("-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,"
                "+sys_chroot,+mknod,+audit_write,+setfcap")
USERS = "root:x:0:0::/:/none\nserver:x:1000:1000::/:/none\nnobody:x:65534:65534::/:/none\n"
GROUPS = "root:x:0:\nserver:x:1000:\nnogroup:x:65534:\n"
# $1: the root, $2: ro or rw, then pairs of a source and a path in the root until --, then the command that enters.
# A source is a folder; with a suffix it is :ro or :noexec.
ENTER = r"""
set -e
root=$1 access=$2; shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
while [ "$1" != -- ]; do
    options= source=$1
    case $source in *:ro) options=ro source=${source%:ro} ;; *:noexec) options=ro,noexec source=${source%:noexec} ;; esac
    mount --bind "$source" "$root$2"
    [ -z "$options" ] || mount -o "remount,bind,$options" "$root$2"
    shift 2
done
shift
[ "$access" != ro ] || mount -o remount,bind,ro "$root"
exec "$@"
"""


def require_containers():
    """Skips the script where this process cannot make namespaces and mounts."""
    if os.geteuid() != 0:
        skip_all("only root can make containers of its own")
    for command in ("unshare", "setpriv", "chroot", "ldd"):
        if not find(command):
            skip_all(f"no {command}")
    probe = run(["unshare", "--mount", "--pid", "--fork", "sh", "-c", "mount --make-rprivate / && mount -t proc proc /proc"])
    if probe.status != 0:
        skip_all(f"this process cannot make mounts: {probe.text}")


class Rootfs:
    """A root file system; paths are those that a program in it sees."""

    def __init__(self, *programs, folder=None):
        self.folder = Path(folder or temporary_directory())
        for path in ("proc", "dev", "etc", "run", "var/log"):
            (self.folder / path).mkdir(parents=True, exist_ok=True)
        self.write("/etc/passwd", USERS)
        self.write("/etc/group", GROUPS)
        self.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
        for program in programs:
            self.add_program(program)

    def path(self, path):
        return self.folder / str(path).lstrip("/")

    def write(self, path, content, mode=0o644):
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        target.chmod(mode)
        return target

    def folder_for(self, path, owner=0, mode=0o755):
        target = self.path(path)
        target.mkdir(parents=True, exist_ok=True)
        os.chown(target, owner, owner)
        target.chmod(mode)
        return target

    def add_file(self, path, at=None):
        target = self.path(at or path)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(os.path.realpath(path), target)

    def add_program(self, name, at=None):
        """A program of this machine and the libraries that ldd(1) lists for it. Returns its path in the root."""
        path = find(name) or str(name)
        self.add_file(path, at)
        listing = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/\S+) \(0x", listing):
            self.add_file(library)
        return at or path

    def add_tree(self, path, at=None):
        shutil.copytree(path, self.path(at or path), symlinks=True, dirs_exist_ok=True)

    def argv(self, command, user=0, group=None, groups=(), read_only=False, mounts=(), no_new_privileges=True, network=None):
        """The command line that runs `command` in the root. `mounts` are pairs as ENTER takes them; `network` is a Network."""
        group = user if group is None else group
        words = [str(word) for pair in mounts for word in pair]
        for _, path in mounts:
            if not self.path(path).exists():  # a file that is mounted on a file is there
                self.path(path).mkdir(parents=True)
        return [*(network.enter() if network else []), "unshare", "--mount", "--pid", "--fork", "--kill-child",
                "sh", "-c", ENTER, "sh", str(self.folder), "ro" if read_only else "rw", *words, "--",
                "setpriv", f"--bounding-set={CAPABILITIES}", *(["--no-new-privs"] if no_new_privileges else []),
                "chroot", f"--userspec=+{user}:+{group}", f"--groups={','.join(f'+{each}' for each in groups)}", str(self.folder), *map(str, command)]

    def run(self, command, env=None, data=b"", **options):
        return run(self.argv(command, **options), data=data, env=environment(env))


def environment(env):
    return dict({"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/"}, **(env or {}))


class DebianRoot(Rootfs):
    """A root with this machine's /usr, mounted read-only, and an /etc and users of its own. /run can be written."""

    def __init__(self):
        super().__init__()
        for name in ("bin", "sbin", "lib", "lib64"):
            self.path(name).symlink_to(f"usr/{name}")
        for name in ("usr", "tmp"):
            self.path(name).mkdir()
        for name in ("ld.so.cache", "alternatives"):
            source = Path("/etc", name)
            if source.is_dir():
                self.add_tree(source, source)
            elif source.exists():
                self.add_file(source)

    def argv(self, command, mounts=(), **options):
        return super().argv(command, mounts=[("/usr:ro", "/usr"), *mounts], **options)


class Network:
    """A network namespace with nothing but a loopback: what the containers of a pod share."""

    def __init__(self):
        self.holder = Process(["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep 3600"])
        wait_until(lambda: "up" in self.holder.text(), lambda: f"a network namespace: {self.holder.text()}")

    def enter(self):
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]

    def listens(self, port):
        lines = [line for table in ("tcp", "tcp6") for line in
                 Path(f"/proc/{self.holder.pid}/net/{table}").read_text().splitlines()[1:]]
        return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines)

    def run(self, command, data=b""):
        return run([*self.enter(), *command], data=data)


def children_of(pid):
    """The ids of the processes whose parent is `pid`; also those that have ended and that it has not reaped."""
    return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def state(pid):
    """The letter of proc(5) for the state of a process, or "" if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def name(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


class Container(Process):
    """A command that runs as process 1 of its pid namespace."""

    def __init__(self, root, command, env=None, **options):
        super().__init__(root.argv(command, **options), env=environment(env))

    @property
    def init(self):
        """The id, on this machine, of process 1 in the container."""
        return wait_until(lambda: children_of(self.pid), lambda: f"process 1; it printed: {self.text()}")[0]

    def preloaded(self, pid):
        return "libpfswrap.so" in Path(f"/proc/{pid}/maps").read_text()

    def signal(self, number):
        os.kill(self.init, number)

    def stop(self, seconds=10):
        """SIGTERM to process 1, then SIGKILL. Returns the exit status: 128 and the signal if a signal ended it."""
        if self.running():
            try:
                self.signal(signal.SIGTERM)
                self.popen.wait(seconds)
            except (subprocess.TimeoutExpired, OSError, AssertionError):
                self.popen.kill()  # --kill-child ends process 1, and that the others
                self.popen.wait()
        return self.popen.returncode
