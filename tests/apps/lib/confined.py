"""Settings of a systemd service without systemd: a program that applies them to itself as systemd.exec(5) says, then executes.

    argv = confined(["server"], filter_allow=system_call_sets("@system-service"), nofile=64)
"""

import ctypes
import fcntl
import functools
import json
import os
import re
import resource
import struct
import sys
from pathlib import Path

ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
LOAD, EQUAL, SET, AND, RETURN = 0x20, 0x15, 0x45, 0x54, 0x06
EPERM, EAFNOSUPPORT = 1, 97


def confined(argv, **settings):
    """The command line that executes `argv` behind these settings (see apply())."""
    python = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
    return [python, str(Path(__file__).resolve()), json.dumps(settings), *map(str, argv)]


@functools.lru_cache(maxsize=1)
def sets():
    """{"@set": its entries} of this machine's systemd."""
    from lib.process import find, run
    from lib.tap import Skip
    if not find("systemd-analyze"):
        raise Skip("systemd-analyze is not installed")
    found, name = {}, None
    for line in run(["systemd-analyze", "syscall-filter", "--no-pager"]).out.decode().splitlines():
        if line.startswith("@"):
            name = line.strip()
            found[name] = []
        elif line.startswith("#"):
            name = None
        elif name and re.fullmatch(r"\s+@?[\w-]+", line):
            found[name].append(line.strip())
    return found


def members(name):
    """The system calls of a set, those of the sets in it included."""
    calls = set()
    for entry in sets()[name]:
        calls |= members(entry) if entry.startswith("@") else {entry}
    return calls


def numbers_of(names):
    from lib.filters import numbers
    return sorted(numbers()[name] for name in names if name in numbers())


def step(code, value, yes=0, no=0):
    return struct.pack("HBBI", code, yes, no, value)


def install(*steps):
    """seccomp(2); without no_new_privs, as systemd does it for services that have CAP_SYS_ADMIN."""
    code = b"".join(steps)
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 and libc.prctl(38, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if libc.prctl(22, 2, program, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def restrict_families(socket_call, families):
    """RestrictAddressFamilies=: only socket(2) is filtered, by its first argument."""
    tests = [step(EQUAL, family, yes=len(families) - i) for i, family in enumerate(families)]
    install(step(LOAD, 0), step(EQUAL, socket_call, no=len(families) + 2), step(LOAD, 16), *tests,
            step(RETURN, ERRNO | EAFNOSUPPORT), step(RETURN, ALLOW))


def deny_write_execute(mmap, mprotect, pkey_mprotect):
    """MemoryDenyWriteExecute=: no mapping that is writable and executable, and none becomes executable."""
    install(step(LOAD, 0), step(EQUAL, mmap, no=4), step(LOAD, 32), step(AND, 6), step(EQUAL, 6, no=1),
            step(RETURN, ERRNO | EPERM), step(LOAD, 0), step(EQUAL, mprotect, yes=1), step(EQUAL, pkey_mprotect, no=3),
            step(LOAD, 32), step(SET, 4, no=1), step(RETURN, ERRNO | EPERM), step(RETURN, ALLOW))


def allow_calls(calls, action):
    tests = [part for call in calls for part in (step(EQUAL, call, no=1), step(RETURN, ALLOW))]
    install(step(LOAD, 0), *tests, step(RETURN, action))


def apply(nofile=None, user=None, no_new_privileges=False, families=None, write_execute=None, calls=None, kill=False,
          environment=None, sockets=()):
    """
    nofile: LimitNOFILE=. user: as DynamicUser= chooses one. families: [the number of socket(2), allowed family, ...].
    write_execute: the numbers of mmap, mprotect, pkey_mprotect. calls: the numbers that SystemCallFilter= allows; kill:
    others end the process, otherwise they fail. sockets: inherited listening sockets (sd_listen_fds(3)).
    """
    if sockets:
        high = [fcntl.fcntl(number, fcntl.F_DUPFD, 100) for number in sockets]
        for i, number in enumerate(high):
            os.dup2(number, 3 + i, inheritable=True)
        os.environ.update({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(sockets))})
    if nofile:
        resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))
    if user:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    if no_new_privileges:
        ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
    if families:
        restrict_families(families[0], families[1:])
    if write_execute:
        deny_write_execute(*write_execute)
    if calls:
        allow_calls(calls, KILL if kill else ERRNO | EPERM)


if __name__ == "__main__":
    apply(**json.loads(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
