"""Every public function of libc that opens a TCP connection or sends on a socket is interposed, or listed with a reason.

libc calls its own connect() and write() directly, so nobody interposes these calls. A new libc may have a new function that
makes them. libc_names.txt is the list.
"""

import platform
import re
from pathlib import Path

from lib.process import ROOT, run
from lib.reach import Reach
from lib.tap import Skip, Tap, equal

# x86-64: connect, accept, accept4, listen, sendto, recvfrom, sendmsg, recvmsg, sendmmsg, recvmmsg; write, writev.
SOCKET_CALLS = (42, 43, 288, 50, 44, 45, 46, 47, 307, 299)
WRITE_CALLS = (1, 20)
SOCKET_NAMES = ("connect", "accept", "accept4", "listen", "send", "sendto", "recv", "recvfrom", "sendmsg", "recvmsg", "sendmmsg",
                "recvmmsg")
WRITE_NAMES = ("write", "writev")
# At the end of a thread libc ends its SunRPC servers, over UDP. Whatever may end a thread reaches that.
ENDS = ("svc_unregister",)
# They call only connect() and the like of another library, by its dynamic symbol: those calls are interposed.
COMPANIONS = ("libresolv.so.2", "libnsl.so.2", "libtirpc.so.3", "libanl.so.1", "libnss_compat.so.2", "librt.so.1")


def interposed():
    source = (ROOT / "shim/base/interposed.h").read_text()
    return set(re.findall(r"\bX\((\w+)\)", re.sub(r"#define \w+\(X\)", "", source)))


def listed():
    lines = (ROOT / "tests/apps/project/libc_names.txt").read_text().splitlines()
    return [name for line in lines if not line.startswith("#") for name in line.split()]


def library(name):
    found = re.search(rf"{re.escape(name)} .*=> (\S+)", run(["ldconfig", "-p"]).out.decode())
    return Path(found[1]) if found else None


def public(names):
    return {name.partition("@")[0] for name in names if "GLIBC_PRIVATE" not in name}


def main():
    tap = Tap()
    with tap.case("every public function of libc that reaches a socket is interposed, or listed with a reason"):
        if platform.machine() != "x86_64":
            raise Skip("the walk reads x86-64 code")
        libc = Reach(library("libc.so.6"))
        sockets, writes = public(libc.reaching(SOCKET_NAMES, ENDS)), public(libc.direct(WRITE_NAMES))
        # The walk finds what is known, or it proves nothing.
        equal({"connect", "rcmd", "clnttcp_create", "svctcp_create", "getaddrinfo", "syslog"} - sockets, set(), "not found")
        equal({"rcmd_af", "svcfd_create", "_IO_file_write"} - writes, set(), "not found")
        equal(sorted((sockets | writes) - interposed() - set(listed())), [], "functions that nobody has thought of")
    with tap.case("no function is listed twice, or although it is interposed"):
        names = listed()
        equal(sorted(name for name in set(names) if names.count(name) > 1), [], "listed twice")
        equal(sorted(set(names) & interposed()), [], "listed and interposed")
    for name in COMPANIONS:
        with tap.case(f"{name} makes no system call on a socket by itself"):
            if platform.machine() != "x86_64" or library(name) is None:
                raise Skip(f"no {name} for x86-64 is installed")
            calls = set().union(set(), *Reach(library(name)).system_calls.values())
            equal(calls & {*SOCKET_CALLS, *WRITE_CALLS}, set(), "system calls")
    tap.finish()


main()
