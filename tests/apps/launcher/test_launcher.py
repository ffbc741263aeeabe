"""The launcher: how programs are found and executed, and every refusal with its message and status.

Nothing here depends on TLS: other tests check what the library does once it is loaded.
"""

import os
import re
import shutil
import stat
import struct
import subprocess
from pathlib import Path

from lib.command import NOBODY, TRUE, as_nobody, environment, pfswrap, policy_file, refused, script
from lib.process import BUILD, ROOT, find, run, temporary_directory
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import LAUNCHER, LIBRARY, Wrap

MACHINES = {62: "x86-64", 183: "arm64", 243: "riscv64", 21: "ppc64", 22: "s390x"}  # elf(5), e_machine
tap = Tap()


def copy_of_true(name="program", mode=0o755):
    path = temporary_directory() / name
    shutil.copyfile(TRUE, path)
    path.chmod(mode)
    return path


def interpreter(path):
    """PT_INTERP of a 64-bit ELF file: its offset in the file, and its text."""
    data = Path(path).read_bytes()
    offset, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    for index in range(count):
        kind, _, at, _, _, length = struct.unpack_from("<IIQQQQ", data, offset + index * size)
        if kind == 3:
            return at, data[at:at + length].rstrip(b"\0").decode()
    raise AssertionError(f"{path} has no program interpreter")


def patched(offset, data):
    """A copy of true with other bytes at one offset."""
    path = copy_of_true()
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)
    return path


def static_program(flag="-static"):
    folder = temporary_directory()
    (folder / "main.c").write_text("int main(void) { return 0; }\n")
    subprocess.run([os.environ.get("CC", "gcc"), flag, "-o", folder / "static", folder / "main.c"], check=True)
    return folder / "static"


# --- how a program is executed ---

def executes_programs():
    with tap.case("the program gets the shim first in LD_PRELOAD, and the policy's path"):
        found = environment()
        equal(found.get("LD_PRELOAD"), str(LIBRARY), "LD_PRELOAD")
        policy = policy_file("")
        equal(environment("--policy", str(policy)).get("PFSWRAP_POLICY"), str(policy), "PFSWRAP_POLICY")
        equal(environment("--policy=builtin", "--").get("PFSWRAP_POLICY"), "builtin", "PFSWRAP_POLICY")

    with tap.case("a relative policy is passed on as an absolute path"):
        policy = policy_file("")
        found = environment("--policy", policy.name, cwd=policy.parent)
        equal(found.get("PFSWRAP_POLICY"), str(policy), "PFSWRAP_POLICY")

    with tap.case("an existing LD_PRELOAD stays, after the shim"):
        other = str(LIBRARY.parent / "no such other.so")
        found = environment(env={"LD_PRELOAD": other})
        equal(found.get("LD_PRELOAD"), f"{LIBRARY}:{other}", "LD_PRELOAD")

    with tap.case("a program run under pfswrap twice has the shim once"):
        result = pfswrap("run", LAUNCHER, "run", "env", "-0")
        contains(result.out.split(b"\0"), f"LD_PRELOAD={LIBRARY}".encode(), f"environment of {result!r}")

    with tap.case("no variable sets the library's path"):
        equal(environment(env={"PFSWRAP_LIBRARY": "/nowhere.so"}).get("LD_PRELOAD"), str(LIBRARY), "LD_PRELOAD")

    with tap.case("arguments with blanks, newlines, no bytes or unusual bytes arrive unchanged"):
        words = [b"a b", b"c\nd", b"", b"--policy", b"--", b"\xff\xfe", b"'\"$HOME*"]
        result = subprocess.run([LAUNCHER, "run", "--", "printf", r"%s\0", *words], capture_output=True, check=False)
        equal(result.stdout, b"".join(word + b"\0" for word in words), f"output of {result!r}")

    with tap.case("the exit status is the program's"):
        equal(pfswrap("run", "sh", "-c", "exit 7").status, 7, "status")

    with tap.case("the program keeps the name that it was called by"):
        folder = temporary_directory()
        (folder / "other-name").symlink_to("/bin/sh")
        result = pfswrap("run", "./other-name", "-c", "echo $0", cwd=folder)
        equal(result.out, b"./other-name\n", f"output of {result!r}")

    with tap.case("a program is found by a relative path and in PATH, after directories and files that cannot be run"):
        folder = temporary_directory()
        (folder / "one" / "tool").mkdir(parents=True)
        (folder / "two").mkdir()
        script("#!/bin/sh\n", "tool", folder / "two", 0o644)
        (folder / "three").mkdir()
        script("#!/bin/sh\necho three $1\n", "tool", folder / "three")
        path = f"{folder}/none:{folder}/one:{folder}/two:{folder}/three:{os.environ['PATH']}"
        equal(pfswrap("run", "tool", "x", env={"PATH": path}).out, b"three x\n", "by PATH")
        equal(pfswrap("run", "three/tool", "x", cwd=folder).out, b"three x\n", "by a relative path")
        equal(pfswrap("run", "tool", "x", env={"PATH": f":{os.environ['PATH']}"}, cwd=folder / "three").out,
              b"three x\n", "by an empty entry of PATH, the working directory")


def executes_scripts():
    with tap.case("scripts run: by #!, by env, by env -S, and by sh without #!"):
        for first in ("#!/bin/sh -e", "#! /usr/bin/env sh", "#!/usr/bin/env -S A=b sh -e", ""):
            path = script(f"{first}\necho \"$0|$1|$2|$LD_PRELOAD\"\n")
            result = pfswrap("run", path, "a b", "c")
            equal(result.out.decode(), f"{path}|a b|c|{LIBRARY}\n", f"output under {first!r}, {result!r}")

    with tap.case("a script whose interpreter is a script runs"):
        inner = script("#!/bin/sh\necho inner $1 $2\n")
        outer = script(f"#!{inner} option\n")
        equal(pfswrap("run", outer, "x").out.decode(), f"inner option {outer}\n", "output")


def finds_itself():
    with tap.case("the launcher works through symbolic links, by sh, by PATH and from any directory"):
        folder = temporary_directory()
        (folder / "pfswrap").symlink_to(LAUNCHER)
        (folder / "again").symlink_to("pfswrap")
        for words, options in (([folder / "pfswrap"], {}), (["./again"], {"cwd": folder}), (["sh", LAUNCHER], {}),
                               (["./scripts/pfswrap"], {"cwd": Path(LAUNCHER).parents[1]}),
                               (["./pfswrap"], {"cwd": Path(LAUNCHER).parent}),
                               (["pfswrap"], {"env": {"PATH": f"{folder}:{os.environ['PATH']}"}})):
            if words == ["pfswrap"]:
                words = ["sh", "-c", "exec pfswrap \"$@\"", "sh"]
            result = run([*words, "run", "sh", "-c", "echo $LD_PRELOAD"], **options)
            equal(result.out.decode(), f"{LIBRARY}\n", f"output of {result!r}")

    with tap.case("a launcher without its other files says what is missing"):
        folder = temporary_directory()
        shutil.copy(LAUNCHER, folder / "pfswrap")
        result = run([folder / "pfswrap", "run", "true"])
        refused(result, 125, f"pfswrap-tool is neither in {folder}/../build nor in {folder}/../libexec/pfswrap: expected "
                             "'make' or 'make install' to have put it there")


# --- what is refused ---

def refuses_programs():
    with tap.case("a program that is not there is 127, also an empty name"):
        path = {"PATH": "/usr/bin:/no/such:/bin"}  # a directory that may not be entered makes it 126, as in env(1)
        refused(pfswrap("run", "no-such-program", env=path), 127, "no-such-program: No such file or directory")
        refused(pfswrap("run", "/no/such"), 127, "/no/such: No such file or directory")
        refused(pfswrap("run", ""), 127, ": No such file or directory")
        refused(pfswrap("run", "no\nsuch", env=path), 127, "no?such: No such file or directory")

    with tap.case("a program that cannot be executed is 126"):
        folder = temporary_directory()
        refused(pfswrap("run", folder), 126, f"{folder}: Is a directory")
        path = script("#!/bin/sh\n", mode=0o644)
        refused(pfswrap("run", path), 126, f"{path}: Permission denied")
        path = temporary_directory() / "data"
        path.write_bytes(b"\x00\x01\x02\x03")
        path.chmod(0o755)
        refused(pfswrap("run", path), 126, f"{path} is neither an ELF program nor a script")
        path.write_bytes(Path(TRUE).read_bytes()[:100])
        refused(pfswrap("run", path), 126, f"{path} is neither an ELF program nor a script")

    with tap.case("a static program is refused"):
        for flag in ("-static", "-static-pie"):
            path = static_program(flag)
            refused(pfswrap("run", path), 125, f"{path} is statically linked, expected a dynamic program: nothing can be "
                                               "preloaded into it")

    with tap.case("a program that gains privileges is refused, for every user"):
        for mode, words in ((0o4755, "set-user-ID"), (0o2755, "set-group-ID")):
            path = copy_of_true(mode=mode)
            equal(stat.S_IMODE(path.stat().st_mode), mode, "mode of the copy")
            refused(pfswrap("run", path), 125, f"{path} is {words}, expected a program without privileges of its own: "
                                               "LD_PRELOAD has no effect on this one")
        equal(pfswrap("run", copy_of_true(mode=0o2745)).status, 0, "status with a set-group-ID bit without execution")

    with tap.case("a program with file capabilities is refused"):
        path = copy_of_true()
        try:  # VFS_CAP_REVISION_2 and the effective bit, CAP_NET_BIND_SERVICE permitted: linux/capability.h
            os.setxattr(path, "security.capability", struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0))
        except OSError as error:
            raise Skip(f"file capabilities cannot be given here: {error}") from None
        refused(pfswrap("run", path), 125, f"{path} is given file capabilities, expected a program without privileges of "
                                           "its own: LD_PRELOAD has no effect on this one")


def for_musl():
    """A program with the loader of musl, the name of its object, and the loader."""
    offset, own = interpreter(TRUE)
    machine = "aarch64" if "aarch64" in own else "x86_64"
    musl = f"/lib/ld-musl-{machine}.so.1"
    return patched(offset, musl.encode().ljust(len(own) + 1, b"\0")), f"{machine}-musl", musl


def tree_without_objects():
    """A build tree with this machine's object only."""
    tree = temporary_directory()
    shutil.copy(LIBRARY, tree)
    shutil.copy(BUILD / "pfswrap-tool", tree)
    return tree


def refuses_foreign_programs():
    with tap.case("a program for another machine or word size is refused"):
        own = struct.unpack_from("<H", Path(TRUE).read_bytes(), 18)[0]
        other = 243  # RISC-V
        path = patched(18, struct.pack("<H", other))
        refused(pfswrap("run", path), 125, f"{path} is a program for {MACHINES[other]}, expected {MACHINES[own]}, for which "
                                           "libpfswrap.so was built")
        if own == 62:
            path = patched(4, b"\x01")
            refused(pfswrap("run", path), 125, f"{path} is a program for x32, expected x86-64, for which libpfswrap.so was "
                                               "built")

    with tap.case("a program of another libc is refused"):
        offset, own = interpreter(TRUE)
        other = "/lib/ld-other.so.1"
        path = patched(offset, other.encode().ljust(len(own) + 1, b"\0"))
        refused(pfswrap("run", path), 125, f"{path} is loaded by {other}, expected the ld.so of a supported libc, such as {own}")

    with tap.case("a program whose object is not installed is refused, and the object is named"):
        path, name, musl = for_musl()
        tree = tree_without_objects()
        needed = tree / name / "libpfswrap.so"
        refused(pfswrap("run", path, launcher=tree / "pfswrap-tool"), 125,
                f"{path} is loaded by {musl} and needs {needed}: No such file or directory, expected the object for {name}")

    with tap.case("a child whose object is not installed is logged, or refused with children = require"):
        path, name, _ = for_musl()
        tree = tree_without_objects()
        for children, kind in (("protect", "unprotected"), ("require", "refused")):
            wrap = Wrap(children=children)
            run([tree / "pfswrap-tool", "run", "--policy", wrap.policy, "sh", "-c", f"exec {path}"])
            event = wrap.wait_event(kind, detail=str(path))
            equal(event["reason"], f"the program needs {name}/libpfswrap.so, which is not installed beside libpfswrap.so",
                  "reason")


def refuses_scripts():
    with tap.case("a script is refused if its interpreter is, also through env and another script"):
        static = static_program()
        reason = f"{static} is statically linked, expected a dynamic program: nothing can be preloaded into it"
        direct = script(f"#!{static}\n")
        refused(pfswrap("run", direct), 125, reason)
        refused(pfswrap("run", script(f"#!{direct}\n")), 125, reason)
        path = f"{static.parent}:{os.environ['PATH']}"
        refused(pfswrap("run", script("#!/usr/bin/env static\n"), env={"PATH": path}), 125, reason)
        privileged = copy_of_true(mode=0o4755)
        refused(pfswrap("run", script(f"#!{privileged}\n")), 125,
                f"{privileged} is set-user-ID, expected a program without privileges of its own: LD_PRELOAD has no effect "
                "on this one")

    with tap.case("a script whose env may remove the preload is refused"):
        for rest in ("-S -i sh", "-i", "-S LD_PRELOAD= sh", "-S PATH=/x sh", "-S PFSWRAP_POLICY=builtin sh",
                     "-S 'sh' -e", "-uLD_PRELOAD"):
            path = script(f"#!/usr/bin/env {rest}\n")
            refused(pfswrap("run", path), 125, f"{path} is run by /usr/bin/env {rest}, expected env and the name of an "
                                               "interpreter only")

    with tap.case("a script through env is refused where children = allow would not protect its interpreter"):
        policy, path = policy_file("[policy]\nchildren = allow\n"), script("#!/usr/bin/env sh\n")
        refused(pfswrap("run", "--policy", policy, path), 125,
                f"{path} is run through env, which children = allow leaves unprotected, expected children = protect in "
                f"{policy}")
        equal(pfswrap("run", "--policy", policy, script("#!/bin/sh\n")).status, 0, "status without env")

    with tap.case("a script whose interpreter is missing is 127, one that has an endless chain is 126"):
        path = script("#!/no/such -x\n")
        refused(pfswrap("run", path), 127, f"{path}: its interpreter /no/such: No such file or directory")
        path = script("#!/bin/sh\r\n")
        refused(pfswrap("run", path), 127, f"{path}: its interpreter /bin/sh?: No such file or directory")
        path = script("")
        path.write_text(f"#!{path}\n")
        refused(pfswrap("run", path), 126, f"{path} has too long a chain of script interpreters, expected at most 7")


def refuses_users():
    with tap.case("a program that can be executed but not read is refused"):
        path = copy_of_true(mode=0o711)
        refused(as_nobody("run", path), 125, f"{path} cannot be read (Permission denied), expected a program that pfswrap can "
                                             "read to find out whether it can be protected")

    with tap.case("a policy of another user is refused"):
        path = policy_file("", 0o644)
        if os.geteuid() == 0:
            os.chown(path, 12345, 12345)
        refused(as_nobody("run", "--policy", path, "true"), 125,
                f"{path}: owned by user 12345, expected user {NOBODY} or root, or a read-only mount")

    with tap.case("a caller whose real and effective users differ is refused"):
        if os.geteuid() != 0 or not find("setpriv"):
            raise Skip("only root with setpriv can have two users")
        # Without the script, since dash would give up the effective user.
        result = run(["setpriv", f"--ruid={NOBODY}", BUILD / "pfswrap-tool", "run", "true"])
        refused(result, 125, "real and effective user or group differ, expected them equal: LD_PRELOAD would be ignored")


def refuses_policies():
    cases = [
        ("a policy that is not there", None, "cannot be opened: No such file or directory, expected a policy file"),
        ("a policy with an error", "[tls]\ngroups = ffdhe2048\n",
         ":2: group ffdhe2048 is finite-field Diffie-Hellman (RFC 7919), which pfswrap never allows, expected an ECDHE "
         "group such as X25519, P-256 or X25519MLKEM768"),
        ("a policy whose ca-file cannot be read", "[tls]\nverify-server = require\nca-file = /no/ca.pem\n",
         ": ca-file /no/ca.pem cannot be read: No such file or directory"),
    ]
    for what, text, message in cases:
        with tap.case(f"{what} is refused"):
            path = policy_file(text or "")
            if text is None:
                path.unlink()
            separator = "" if message.startswith(":") else ": "
            refused(pfswrap("run", "--policy", path, "true"), 125, f"{path}{separator}{message}")
            refused(pfswrap("run", "true", env={"PFSWRAP_POLICY": str(path)}), 125, f"{path}{separator}{message}")

    with tap.case("a policy that others can write is refused"):
        path = policy_file("", 0o666)
        refused(pfswrap("run", "--policy", path, "true"), 125,
                f"{path}: mode 0666: all users can write it, expected nobody but its owner and root (chmod go-w, or a read-only mount)")

    with tap.case("--policy comes before PFSWRAP_POLICY"):
        path = policy_file("")
        found = environment("--policy", path, env={"PFSWRAP_POLICY": "/no/such.conf"})
        equal(found.get("PFSWRAP_POLICY"), str(path), "PFSWRAP_POLICY")


def refuses_command_lines():
    usage = "expected pfswrap run [--policy FILE] [--argv0 NAME] [--] PROGRAM [ARG...]"
    with tap.case("a wrong command line of run is 125"):
        refused(pfswrap("run"), 125, f"run lacks a PROGRAM, {usage}")
        refused(pfswrap("run", "--"), 125, f"run lacks a PROGRAM, {usage}")
        refused(pfswrap("run", "--polcy", "x", "true"), 125, f"unknown option --polcy of run, {usage}")
        refused(pfswrap("run", "--policy"), 125, f"--policy lacks a FILE, {usage}")
        refused(pfswrap("run", "--policy=", "true"), 125, f"--policy is empty, {usage}")

    with tap.case("an unknown command is 2 and lists the commands"):
        names = re.findall(r"^    X\((\w+)\)", (ROOT / "tools/commands.h").read_text(), re.MULTILINE)
        check({"run", "check", "version"} <= set(names), f"commands in tools/commands.h: {names}")
        refused(pfswrap("start"), 2, f"unknown command start, expected {', '.join(names)}, or help")

    with tap.case("requested help goes to stdout, other help to stderr"):
        asked = pfswrap("help")
        equal((asked.status, asked.err), (0, b""), f"status and stderr of {asked!r}")
        check(asked.out.startswith(b"usage: pfswrap COMMAND"), f"expected the usage, found {asked.out!r}")
        equal(pfswrap("--help").out, asked.out, "--help")
        bare = pfswrap()
        equal((bare.status, bare.out, bare.err), (2, b"", asked.out), "without a command")


for part in (executes_programs, executes_scripts, finds_itself, refuses_programs, refuses_foreign_programs, refuses_scripts,
             refuses_users, refuses_policies, refuses_command_lines):
    part()
tap.finish()
