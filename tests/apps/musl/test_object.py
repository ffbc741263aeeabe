"""The shared object for programs of musl: what it needs and exports, and that musl's ld.so loads it without a word."""

import re

from lib import musl
from lib.process import ROOT, run
from lib.reach import Reach
from lib.tap import Tap, check, equal

# Functions of musl that reach a socket, and are not interposed: names of users by nscd's Unix socket, names of hosts by
# DNS, netlink, listen(2), the system log's Unix socket, and what only stands beside such a function in its code.
REACH_SOCKETS = set("""
    cuserid fgetgrent fgetpwent fgetspent getaddrinfo getgrent getgrgid getgrgid_r getgrnam getgrnam_r getgrouplist
    gethostbyaddr gethostbyaddr_r gethostbyname gethostbyname2 gethostbyname2_r gethostbyname_r getifaddrs getnameinfo
    getpwent getpwnam getpwnam_r getpwuid getpwuid_r getservbyname getservbyname_r getservbyport getservbyport_r glob glob64
    if_nameindex initgroups openlog res_mkquery res_query res_querydomain res_search res_send syslog vsyslog
    __res_state listen mq_getattr ulckpwdf
""".split())


def listed():
    """The names of shim/base/interposed.h without those that only glibc has."""
    text = (ROOT / "shim/base/interposed.h").read_text()
    for begin, end in (("#define PFSWRAP_GLIBC_CALLS", "#ifdef __GLIBC__"), ("#define PFSWRAP_COMPAT_CALLS", "/* The dynamic")):
        before, _, rest = text.partition(begin)
        text = before + rest[rest.index(end):]
    text = re.sub(r"#ifdef __GLIBC__.*?#else", "", text, flags=re.DOTALL)
    text = re.sub(r"#if defined\(__i386__\)\n#define PFSWRAP_TIME64.*?#else", "", text, flags=re.DOTALL)
    return set(re.findall(r"\bX\((\w+)\)", re.sub(r"#define \w+\(X\)", "", text)))


def symbols(path):
    """The dynamic symbols as (name, type, binding, section)."""
    rows = [line.split() for line in run(["readelf", "--wide", "--dyn-syms", path]).out.decode().splitlines()]
    return [(row[7].split("@")[0], row[3], row[4], row[6]) for row in rows if len(row) >= 8 and row[0][:-1].isdigit()]


def exported(path):
    return {name for name, _, _, section in symbols(path) if section not in ("UND", "ABS")}


def main():
    tap = Tap()
    if musl.missing():
        tap.result(True, "the object for musl", skip=musl.missing())
        tap.finish()
    dynamic = run(["readelf", "--wide", "--dynamic", musl.OBJECT]).out.decode()
    with tap.case("the object needs musl's libc and nothing else"):
        equal(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic), ["libc.so"], "NEEDED entries")
        equal(re.findall(r"\((RPATH|RUNPATH|TEXTREL)\)", dynamic), [], "entries")
        check("BIND_NOW" in dynamic, dynamic)
    with tap.case("the object exports exactly the functions of the list that are not glibc's"):
        names = listed()
        check(len(names) > 60 and "connect" in names and "__read_chk" not in names and "dlvsym" not in names, sorted(names))
        equal(exported(musl.OBJECT), names, "exported symbols")
        kinds = {(kind, binding) for _, kind, binding, section in symbols(musl.OBJECT) if section not in ("UND", "ABS")}
        equal(kinds, {("FUNC", "GLOBAL")}, "types and bindings")
    with tap.case("every function that the object needs is in musl 1.2.3"):
        weak = {name for name, _, binding, _ in symbols(musl.OBJECT) if binding == "WEAK"}
        needed = {name for name, _, _, section in symbols(musl.OBJECT) if section == "UND"} - {"", *weak}
        equal(sorted(needed - exported(musl.LOADER)), [], "missing functions")
        check(len(needed) > 50, f"expected more than {sorted(needed)}")
    with tap.case("musl's ld.so loads the object without a message, and a program that does nothing is as before"):
        program = musl.PROGRAMS["musl"] / "launcher/who"
        bare = run([program])
        equal((bare.status, bare.out, bare.err), (0, b"UNPROTECTED\n", b""), "bare")
        loaded = run([program], env={"LD_PRELOAD": str(musl.OBJECT)})
        equal((loaded.status, loaded.out), (0, b"PROTECTED\n"), f"{loaded!r}")
        equal(loaded.err, b"", "messages")
    with tap.case("every function of musl that reaches a socket is interposed, or has a reason"):
        libc = Reach(musl.LOADER)
        sockets = libc.reaching(("connect", "accept", "accept4", "listen", "send", "sendto", "recv", "recvfrom", "sendmsg",
                                 "recvmsg", "sendmmsg", "recvmmsg"))
        equal({"connect", "getaddrinfo", "syslog"} - sockets, set(), "not found")
        equal(sorted(sockets - listed() - REACH_SOCKETS), [], "functions that nobody has thought of")
    tap.finish()


main()
