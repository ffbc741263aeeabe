"""Programs that cannot be preloaded, executed by a wrapped one: static, for another machine, or with privileges."""

import json
import os
import shutil
import struct
import subprocess

from lib.process import PROGRAMS, run, temporary_directory
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import LAUNCHER, Wrap

PROGRAM = PROGRAMS / "launcher/execute"
CALLS = ["execve", "execvpe", "execle", "vfork", "posix_spawn", "execv", "execl", "fexecve"]
SOURCE = '#include <unistd.h>\nint main(void) { return write(1, "it runs\\n", 8) != 8; }\n'


GO_NOTE = """__asm__(".section .note.go.buildid,\\"a\\",@note\\n.long 4, 4, 4\\n.ascii \\"Go\\\\0\\\\0abcd\\"");\n"""


def build(name="program", flags=(), source=SOURCE):
    folder = temporary_directory()
    (folder / f"{name}.c").write_text(source)
    subprocess.run([os.environ.get("CC", "gcc"), "-o", folder / name, folder / f"{name}.c", *flags], check=True)
    return folder / name


def privileged():
    if os.getuid() != 0:
        raise Skip("a set-user-ID program of another user needs root")
    program = build()
    os.chown(program, 65534, 65534)
    program.chmod(0o4755)
    return program


def foreign():
    program = build()
    data = bytearray(program.read_bytes())
    struct.pack_into("<H", data, 18, 243)
    program.write_bytes(data)
    return program


def go_program():
    """The note that Go's linker makes. Go programs make their own system calls, even if they link libc."""
    return build(source=SOURCE + GO_NOTE)


def go_program_without_note():
    """As `go build -ldflags=-buildid=` makes it; strip(1) leaves the section."""
    program = build()
    subprocess.run(["objcopy", "--add-section", f".go.buildinfo={program}.c", program], check=True)
    return program


def for_another_loader():
    loader = temporary_directory() / "ld-other.so.1"
    header = subprocess.run(["readelf", "-lW", "/bin/true"], capture_output=True, text=True, check=True).stdout
    shutil.copy(header.split("interpreter: ")[1].split("]")[0], loader)
    return build(flags=[f"-Wl,--dynamic-linker={loader}"])


def script():
    program = temporary_directory() / "script"
    program.write_text(f"#! {build(flags=['-static'])} word\n")
    program.chmod(0o755)
    return program


KINDS = {
    "a static program": (lambda: build(flags=["-static"]), "is statically linked", True),
    "a static PIE": (lambda: build(flags=["-static-pie"]), "is statically linked", True),
    "a set-user-ID program": (privileged, "privileges of its own", True),
    "a program for another machine": (foreign, "for another machine", False),
    "a Go program": (go_program, "is a Go program", True),
    "a Go program without its note": (go_program_without_note, "is a Go program", True),
    "a program for another ld.so": (for_another_loader, "another ld.so", True),
    "a script whose interpreter is static": (script, "is statically linked", True),
}


def children(policy, mode="enforce"):
    return Wrap(mode=mode, children=policy)


def execute(wrap, program, call="execve"):
    return run(wrap.argv([PROGRAM, call, "WORD=kept", program]))


def main():
    tap = Tap()
    for words, (make, reason, runs) in KINDS.items():
        with tap.case(f"{words} runs with children = protect, and is logged"):
            wrap, program = children("protect"), make()
            result = execute(wrap, program)
            equal(b"it runs" in result.out, runs, f"{result!r}")
            event = wrap.wait_event("unprotected")
            equal((event["rule"], event["detail"]), ("children", str(program)), f"{event}")
            contains(event["reason"], reason, "reason")
        with tap.case(f"{words} is refused with children = require, unless mode = audit"):
            wrap, program = children("require"), make()
            result = execute(wrap, program)
            check(result.status != 0 and b"it runs" not in result.out, f"{result!r}")
            contains(wrap.wait_event("refused")["reason"], reason, "reason")
            wrap = children("require", "audit")
            equal(b"it runs" in execute(wrap, program).out, runs, "output")
            contains(wrap.wait_event("would-refuse")["reason"], reason, "reason")
    with tap.case("run refuses Go programs, however they are linked, and explain says why"):
        for program in (go_program(), go_program_without_note()):
            equal(subprocess.run([program], capture_output=True, check=True).stdout, b"it runs\n", "bare")
            result = run([LAUNCHER, "run", program])
            equal((result.status, result.out, result.err.count(b"\n")), (125, b"", 1), f"{result!r}")
            contains(result.err.decode(), f"{program} is a Go program, expected one", "message")
            found = json.loads(run([LAUNCHER, "explain", "--json", program]).out)
            equal((found["runtime"], found["verdict"], found["kind"]), ("Go", "refused", "dynamic"), f"{found}")
            equal((found["wire_plane"], found["seal_plane"]), (False, False), f"{found}")
    with tap.case("a program that is not a Go program, but contains Go's words, runs"):
        program = build(source=SOURCE + r'const char words[] = "\xff Go buildinf:.go.buildinfo";')
        equal(execute(children("require"), program).out, b"it runs\n", "output")
        equal(run([LAUNCHER, "run", program]).out, b"it runs\n", "output of run")
    with tap.case("no call executes a static program with children = require"):
        program = build(flags=["-static"])
        for call in CALLS:
            wrap = children("require")
            check(b"it runs" not in execute(wrap, program, call).out, call)
            equal(len(wrap.events("refused")), 1, f"events of {call}: {wrap.tail()}")
    with tap.case("a shell's children and names in PATH are checked as well"):
        program = build("unusual-name", ["-static"])
        path = f"PATH={program.parent}:/usr/bin:/bin"
        for call in (["sh", "-c", f"{program}; exit 0"], ["env", path, "unusual-name"]):
            wrap = children("require")
            check(b"it runs" not in run(wrap.argv(call)).out, f"{call}")
            contains(wrap.wait_event("refused")["reason"], "is statically linked", "reason")
    with tap.case("an ordinary program makes no event under any policy, and children = allow makes none for any program"):
        for policy in ("protect", "require"):
            wrap = children(policy)
            equal(execute(wrap, build()).out, b"it runs\n", policy)
            equal(wrap.events("unprotected") + wrap.events("refused"), [], policy)
        wrap = children("allow")
        equal(execute(wrap, build(flags=["-static"])).out, b"it runs\n", "allow")
        equal(wrap.events("unprotected"), [], "allow")
    tap.finish()


main()
