"""What makes ld.so ignore a preload, and start the program without it: `run` and each exec must refuse instead.

Each cause is shown first without the launcher: the program prints UNPROTECTED. Where a cause ends the program instead, the
test shows that, too.
"""

import errno
import os
import re
import shutil
import struct
import subprocess

from lib.process import BUILD, PROGRAMS, ROOT, run, temporary_directory
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import LAUNCHER, LIBRARY, Wrap

EXECUTE, WHO = PROGRAMS / "launcher/execute", PROGRAMS / "launcher/who"
CALLS = ("execve", "execv", "execvp", "execvpe", "execle", "fexecve", "execveat", "vfork", "posix_spawn", "posix_spawnp",
         "system", "popen")
CALL_FAILED = 100


def memory():
    """KiB that the library takes, all and writable, in whole pages."""
    whole = writable = 0
    text = run(["readelf", "--wide", "--program-headers", LIBRARY]).out.decode()
    for row in (line.split() for line in text.splitlines() if line.split()[:1] == ["LOAD"]):
        size = (int(row[2], 16) % 4096 + int(row[5], 16) + 4095) // 4096 * 4
        whole += size
        writable += size if "W" in "".join(row[6:-1]) else 0
    return whole, writable


def limited(option, kib, argv):
    return ["prlimit", f"--{option}={kib * 1024}", "--", *argv]


def words(result):
    return set(result.out.decode().split())


def below(option):
    """Limits up to above the library's size, in KiB."""
    size = memory()[option == "data"]
    return [*range(100, 3000, 300), *range(3000, size + 4000, 500)]


def limits(tap):
    for option, name in (("as", "RLIMIT_AS"), ("data", "RLIMIT_DATA")):
        with tap.case(f"{name}: no limit makes run start a program without the library"):
            found = {"bare": set(), "run": set()}
            wrap = Wrap()
            for kib in below(option):
                preload = [f"{key}={value}" for key, value in wrap.preload().items()]
                found["bare"] |= words(run(limited(option, kib, ["env", *preload, WHO])))
                result = run(limited(option, kib, wrap.argv([WHO])))
                found["run"] |= words(result)
                if result.status == 125 and name.encode() in result.err:
                    message = f"pfswrap: {name} leaves no room for {LIBRARY} in {WHO}, expected "
                    contains(result.err.decode(), message, "message")
                    equal(result.err.count(b"\n"), 1, f"{result!r}")
            if option == "as":
                equal("UNPROTECTED" in found["bare"], True, f"{found}: the cause must be there")
            equal(found["run"], {"PROTECTED"}, "what run started")
        with tap.case(f"{name}: the limit that run asks for is enough, or libc is the next that does not fit"):
            result = run(limited(option, memory()[option == "data"], Wrap().argv([WHO])))
            equal(result.status, 125, f"{result!r}")
            least = int(result.err.decode().split("expected ")[1].split()[0])
            again = run(limited(option, least, Wrap().argv([WHO])))
            check(again.status != 125 and words(again) <= {"PROTECTED"}, f"{again!r}")
        with tap.case(f"{name}: what a protected program executes under a limit of its own is refused with EACCES"):
            for call in CALLS:
                wrap = Wrap()
                result = run(wrap.argv([EXECUTE, call, "A=b", WHO, f"{option}={memory()[option == 'data']}"]))
                equal((result.status, words(result)), (CALL_FAILED + errno.EACCES, set()), f"{call}: {result!r}")
                event = wrap.wait_event("refused", rule="children")
                contains(event["reason"], f"{name} leaves no room", call)
        with tap.case(f"{name}: a limit that leaves room changes nothing"):
            wrap = Wrap(children="require")
            result = run(wrap.argv([EXECUTE, "execve", "A=b", WHO, f"{option}={memory()[0] + 20000}"]))
            equal(words(result), {"PROTECTED"}, f"{result!r}")
    with tap.case("with mode = audit the program is executed, and the log says that it would be refused"):
        wrap = Wrap(mode="audit")
        run(wrap.argv([EXECUTE, "execve", "A=b", WHO, f"as={memory()[0]}"]))
        contains(wrap.wait_event("would-refuse")["reason"], "RLIMIT_AS leaves no room", "reason")
    with tap.case("with children = allow no limit refuses an exec"):
        wrap = Wrap(children="allow")
        equal(words(run(wrap.argv([EXECUTE, "execve", "A=b", WHO, f"as={memory()[0]}"]))), {"UNPROTECTED"}, "output")


def installed():
    """An installed tree of its own; the launcher and the library in it."""
    prefix = temporary_directory()
    for folder in ("bin", "libexec/pfswrap", "lib/pfswrap"):
        (prefix / folder).mkdir(parents=True)
    shutil.copy(ROOT / "scripts/pfswrap", prefix / "bin")
    shutil.copy(BUILD / "pfswrap-tool", prefix / "libexec/pfswrap")
    shutil.copy(LIBRARY, prefix / "lib/pfswrap")
    return prefix / "bin/pfswrap", prefix / "lib/pfswrap/libpfswrap.so"


def preloaded(library):
    """The program with that library, without the launcher."""
    return run([WHO], env={"LD_PRELOAD": str(library), "PFSWRAP_POLICY": "builtin"})


def in_namespace(script):
    """A script in a mount namespace of its own."""
    if os.getuid() != 0 or run(["unshare", "--mount", "true"]).status != 0:
        raise Skip("a mount namespace needs root")
    return run(["unshare", "--mount", "sh", "-c", script])


def no_exec(tap):
    def mount(library):
        folder = library.parent
        return f"mount --bind {folder} {folder} && mount -o remount,bind,noexec {folder}"

    with tap.case("a library on a noexec mount: run refuses with 125"):
        launcher, library = installed()
        bare = in_namespace(f"{mount(library)} && LD_PRELOAD={library} PFSWRAP_POLICY=builtin {WHO}")
        equal(words(bare), {"UNPROTECTED"}, f"{bare!r}")
        result = in_namespace(f"{mount(library)} && {launcher} run --policy builtin {WHO}")
        equal((result.status, result.out), (125, b""), f"{result!r}")
        equal(result.err.decode(), f"pfswrap: {library} must not be executed here, expected a file system without noexec: "
                                   "ld.so would ignore it\n", "message")
    with tap.case("a mount that becomes noexec while a protected program runs: its execs are refused"):
        launcher, library = installed()
        wrap = Wrap()
        folder = library.parent
        result = in_namespace(f"mount --bind {folder} {folder} && {launcher} run --policy {wrap.policy} -- sh -c "
                              f"'{WHO}; mount -o remount,bind,noexec {folder}; {WHO}'")
        equal(words(result), {"PROTECTED"}, f"{result!r}")
        contains(wrap.wait_event("refused", detail=str(WHO))["reason"], "must not be executed here (noexec)", "reason")


def hidden(tap):
    with tap.case("a library that a mount hides while a protected program runs: its execs are refused"):
        launcher, library = installed()
        wrap = Wrap()
        script = f"{WHO}; mount -t tmpfs none {library.parent}; {WHO}"
        result = in_namespace(f"{launcher} run --policy {wrap.policy} -- sh -c '{script}'")
        equal(words(result), {"PROTECTED"}, f"{result!r}")
        contains(wrap.wait_event("refused", detail=str(WHO))["reason"], "libpfswrap.so cannot be read from here", "reason")


def change(library, kind):
    data = bytearray(library.read_bytes())
    if kind == "for another machine":
        struct.pack_into("<H", data, 18, 243)
    elif kind == "for another word size":
        data[4] = 1
    elif kind == "cut":
        data = data[:100000]
    elif kind == "empty":
        data = b""
    else:
        data = b"no ELF file, but long enough to be one" * 100
    library.unlink()
    library.write_bytes(data)


def broken(tap):
    for kind in ("for another machine", "for another word size", "cut", "empty", "text"):
        with tap.case(f"a library that is {kind}: run and each exec refuse"):
            launcher, library = installed()
            wrap = Wrap()
            script = f"import os, subprocess; input(); print(subprocess.run(['{WHO}'], check=False).returncode)"
            child = subprocess.Popen([launcher, "run", "--policy", wrap.policy, "--", "python3", "-c", script],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            wrap.wait_event("policy")
            change(library, kind)
            bare = preloaded(library)
            check(words(bare) <= {"UNPROTECTED"}, f"{bare!r}")
            check("UNPROTECTED" in words(bare) or kind == "cut", f"the cause must be there: {bare!r}")
            out, error = child.communicate(b"\n", 60)
            check(b"PROTECTED" not in out and b"PermissionError" in error, f"{out} {error}")
            contains(wrap.wait_event("refused", detail=str(WHO))["reason"], "no shared object that can be mapped", kind)
            result = run([launcher, "run", "--policy", "builtin", WHO])
            equal((result.status, result.out, result.err.count(b"\n")), (125, b"", 1), f"{result!r}")
    with tap.case("a library that the new user may not read: the exec is refused"):
        if os.getuid() != 0:
            raise Skip("needs root")
        launcher, library = installed()
        wrap = Wrap()
        wrap.policy.chmod(0o644)
        library.chmod(0o700)
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        bare = run([*nobody, "env", f"LD_PRELOAD={library}", "PFSWRAP_POLICY=builtin", WHO])
        equal(words(bare), {"UNPROTECTED"}, f"{bare!r}")
        result = run([launcher, "run", "--policy", wrap.policy, "--", *nobody, WHO])
        equal(words(result), set(), f"{result!r}")
        contains(wrap.wait_event("refused")["reason"], "libpfswrap.so cannot be read from here", "reason")


def hash_of(name):
    """The hash of a version's name (System V gABI)."""
    value = 0
    for byte in name:
        value = (value << 4) + byte
        value = (value ^ (value & 0xF0000000) >> 24) & 0x0FFFFFFF
    return struct.pack("<I", value)


def fatal(tap):
    with tap.case("a library that needs a newer libc: ld.so ends the program"):
        launcher, library = installed()
        data = library.read_bytes()
        old = max(re.findall(rb"\0(GLIBC_2\.\d+)(?=\0)", data), key=lambda name: int(name[8:]))
        new = old.replace(b"_2.", b"_9.")
        for before, after in ((b"\0" + old + b"\0", b"\0" + new + b"\0"), (hash_of(old), hash_of(new))):
            check(before in data, f"{old} is not needed")
            data = data.replace(before, after, 1)
        library.unlink()
        library.write_bytes(data)
        for result in (preloaded(library), run([launcher, "run", "--policy", "builtin", WHO])):
            check(result.status not in (0, None) and result.out == b"", f"{result!r}")
            contains(result.err.decode(), new.decode(), "message")
    with tap.case("LD_LIBRARY_PATH with a libc that lacks what the library needs: ld.so ends the program"):
        folder = temporary_directory()
        (folder / "libc.c").write_text("int nothing;\n")
        subprocess.run([os.environ.get("CC", "gcc"), "-shared", "-nostdlib", "-Wl,-soname,libc.so.6",
                        "-o", folder / "libc.so.6", folder / "libc.c"], check=True)
        result = run([LAUNCHER, "run", "--policy", "builtin", WHO], env={"LD_LIBRARY_PATH": str(folder)})
        check(result.status not in (0, None) and result.out == b"", f"{result!r}")


def main():
    tap = Tap()
    limits(tap)
    no_exec(tap)
    hidden(tap)
    broken(tap)
    fatal(tap)
    tap.finish()


main()
