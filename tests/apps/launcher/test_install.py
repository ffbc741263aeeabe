"""`pfswrap install DIR`: a copy of an installation, made by the command itself, where there is no shell and no cp(1)."""

import os
import stat

from lib.process import ROOT, find, run, temporary_directory
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import LAUNCHER

FILES = ["bin/pfswrap", "lib/pfswrap/libpfswrap.so", "libexec/pfswrap/pfswrap-tool", "share/pfswrap/policy/strict.conf"]
USER = 1000
tap = Tap()


def installed():
    folder = temporary_directory()
    done = run(["make", "-s", "-C", ROOT, "install-base", f"DESTDIR={folder}", "PREFIX=/usr"],
               env={"MAKEFLAGS": "", "MFLAGS": ""}, timeout=300)
    equal(done.status, 0, f"{done!r}")
    return folder / "usr"


def refused(result, status, *words):
    equal(result.status, status, f"status of {result!r}")
    equal(len(result.text.splitlines()), 1, f"lines of {result!r}")
    for word in ("pfswrap: ", *words):
        contains(result.text, word, "the message")


def copies(prefix, command):
    target = temporary_directory() / "volume"
    with tap.case("it copies the command, the library and the policies; the copy runs programs and installs itself"):
        result = run([*command, target])
        equal(result.status, 0, f"{result!r}")
        equal(result.text.splitlines()[0].split(": ")[1], f"{target}/bin/pfswrap run -- PROGRAM", "what it prints")
        for name in FILES:
            check((target / name).read_bytes() == (prefix / name).read_bytes(), f"{name} differs")
        maps = run([target / "bin/pfswrap", "run", "--", "cat", "/proc/self/maps"])
        contains(maps.text, f"{target}/lib/pfswrap/libpfswrap.so", "libraries of the program")
        again = temporary_directory()
        equal(run([target / "bin/pfswrap", "install", f"{again}/"]).status, 0, "status of the copy's install")
        check((again / FILES[1]).exists(), "expected the library in the copy of the copy")
    with tap.case("under a umask of 077 every user can read the copy, and nobody else can write it"):
        target = temporary_directory() / "volume"
        result = run(["sh", "-c", 'umask 077 && exec "$@"', "sh", *command, target])
        equal(result.status, 0, f"{result!r}")
        for path in [target, *target.rglob("*")]:
            mode = path.lstat().st_mode
            check(stat.S_ISLNK(mode) or mode & 0o044 == 0o044 and mode & 0o022 == 0, f"{path} has mode {mode:o}")
            check(not stat.S_ISDIR(mode) or mode & 0o011 == 0o011, f"{path} has mode {mode:o}")
    with tap.case("an older copy is replaced under running programs, and what else is there stays"):
        library, other = target / FILES[1], target / "lib/other"
        other.write_text("kept")
        library.write_bytes(b"old")
        with open(library, "rb") as mapped:
            equal(run([*command, target]).status, 0, "status")
            equal(mapped.read(), b"old", "what a program has that opened the old library")
        check(library.read_bytes() == (prefix / FILES[1]).read_bytes(), "expected the new library")
        equal(other.read_text(), "kept", "another file")
        equal([str(path) for path in target.rglob(".*")], [], "temporary files")


def refusals(prefix, command):
    with tap.case("a build tree is not copied, and the message says what to use"):
        refused(run([LAUNCHER, "install", temporary_directory()]), 1, "not an installed pfswrap", "make install")
    with tap.case("a wrong command line ends with status 2"):
        for words, message in (([], "lacks a DIR"), (["a", "b"], "takes one DIR"), (["--force"], "unknown option --force"),
                               (["/tmp/a b"], "expected a path without blanks")):
            refused(run([*command, *words]), 2, message)
    with tap.case("a folder whose parent does not exist, and a file, are named"):
        refused(run([*command, "/nonexistent/folder"]), 1, "/nonexistent/folder: No such file or directory")
        refused(run([*command, prefix / FILES[1]]), 1, f"{FILES[1]}: Not a directory")
    with tap.case("a link in the target is not followed"):
        target, elsewhere = temporary_directory(), temporary_directory()
        (target / "lib").symlink_to(elsewhere)
        refused(run([*command, target]), 1, f"{target}/lib: ")
        equal(list(elsewhere.iterdir()), [], "what is behind the link")
    with tap.case("a folder that others can write is refused"):
        target = temporary_directory()
        (target / "lib/pfswrap").mkdir(parents=True)
        (target / "lib/pfswrap").chmod(0o777)
        refused(run([*command, target]), 1, f"{target}/lib/pfswrap: writable by others")


def as_root(command):
    target = temporary_directory()
    user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    if os.geteuid() != 0 or not find("setpriv"):
        raise Skip("only root with setpriv can become another user")
    refused(run([*user, *command, target]), 1, f"{target}/lib: Permission denied", f"that user {USER} can write")
    os.chown(target, USER, USER)
    equal(run([*user, *command, target]).status, 0, "status in a folder of its own")
    os.chown(target / "lib/pfswrap", USER + 1, USER)
    refused(run([*user, *command, target]), 1, f"owned by user {USER + 1}, expected root or user {USER}")


def full(prefix, command):
    target = temporary_directory()
    half = os.path.getsize(prefix / "lib/pfswrap/libpfswrap.so") // 2
    script = f"mount --make-rprivate / && mount -t tmpfs -o size={half} none '{target}' && \"$@\"; s=$?; ls -A '{target}/lib/pfswrap'; exit $s"
    if os.geteuid() != 0 or run(["unshare", "--mount", "sh", "-c", "mount --make-rprivate /"]).status != 0:
        raise Skip("this process cannot make mounts")
    result = run(["unshare", "--mount", "sh", "-c", script, "sh", *command, target])
    equal(result.status, 1, f"{result!r}")
    equal(result.out, b"", "files of the library's folder")
    contains(result.text, "libpfswrap.so: No space left on device", "the message")


def main():
    prefix = installed()
    command = [prefix / "bin/pfswrap", "install"]
    copies(prefix, command)
    refusals(prefix, command)
    with tap.case("a user who may not write there is told so; a folder of another user is refused"):
        as_root(command)
    with tap.case("on a full disk there is no half of a library"):
        full(prefix, command)
    tap.finish()


main()
