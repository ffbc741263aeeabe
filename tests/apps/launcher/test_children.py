"""Programs that a wrapped program executes with an environment of its own, without pfswrap's variables."""

import errno
import os

from lib.process import BUILD, PROGRAMS, find, run, temporary_directory
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import LIBRARY, Wrap

PROGRAM = PROGRAMS / "launcher/execute"
CALLS = ["execve", "execvpe", "fexecve", "execveat", "execle", "vfork", "posix_spawn", "posix_spawnp", "execv", "execvp",
         "execl", "execlp", "system", "popen"]
CALL_FAILED = 100


def execute(wrap, call, *rest, environment="WORD=kept,OTHER=too"):
    return run(wrap.argv([PROGRAM, call, environment, find("env"), *rest]))


def variables(result):
    """What `env` printed of its environment."""
    return dict(line.split("=", 1) for line in result.out.decode().splitlines() if "=" in line)


def needs_root():
    if os.geteuid() != 0:
        raise Skip("changing users and roots needs root")


def open_to_all(wrap):
    """The shell of system() and popen() gives up the different user: its children then read the policy as the user nobody."""
    wrap.policy.chmod(0o644)
    wrap.log.touch()
    wrap.log.chmod(0o666)


def status_script():
    """A program that prints its status from /proc."""
    path = temporary_directory() / "status"
    path.write_text("#!/bin/cat /proc/self/status\n")
    path.chmod(0o755)
    return path


def ids(result):
    """The Uid and Gid lines of /proc/self/status: real, effective, saved, of the file system."""
    return [line.split() for line in result.out.decode().splitlines() if line.startswith(("Uid:", "Gid:"))]


def main():
    tap = Tap()
    for call in CALLS:
        with tap.case(f"a program that {call} executes with another environment is protected by the same policy"):
            wrap = Wrap()
            result = execute(wrap, call)
            equal(result.status, 0, f"{result!r}")
            found = variables(result)
            equal(found.get("LD_PRELOAD"), str(LIBRARY), "LD_PRELOAD")
            equal(found.get("PFSWRAP_POLICY"), str(wrap.policy), "PFSWRAP_POLICY")
            equal((found.get("WORD"), found.get("OTHER")), ("kept", "too"), "the program's own variables")
            contains([event["program"] for event in wrap.events("policy")], "env", "programs that loaded the policy")

    for call in ("execl", "execle", "execlp"):
        with tap.case(f"{call} passes all arguments of its list"):
            found = variables(execute(Wrap(), call))  # env reads them as variables
            equal((found.get("FIRST"), found.get("SECOND")), ("1", "2"), "arguments")
    for before, after in (("{}", None), ("{}:libm.so.6", "libm.so.6"), ("libm.so.6 {}", "libm.so.6"),
                          ("libm.so.6:{} libdl.so.2", "libm.so.6:libdl.so.2"), (" ::{}:: ", None),
                          ("libm.so.6:::{}:  :libdl.so.2:", "libm.so.6:libdl.so.2"), ("{}:{}", None)):
        with tap.case(f"with children = allow LD_PRELOAD = {before.replace('{}', 'pfswrap')!r} becomes {after!r}"):
            wrap = Wrap(children="allow")
            given = {"LD_PRELOAD": before.replace("{}", str(LIBRARY)), "PFSWRAP_POLICY": str(wrap.policy)}
            found = variables(run(["sh", "-c", "env"], env=given))
            equal((found.get("LD_PRELOAD"), found.get("PFSWRAP_POLICY")), (after, None), "what the child got")
    with tap.case("with children = allow a library whose name has the same end as pfswrap's stays in LD_PRELOAD"):
        wrap = Wrap(children="allow")
        other = wrap.folder / "notlibpfswrap.so"
        other.symlink_to(BUILD / "tests" / "apps" / "plugins" / "opener.so")
        given = {"LD_PRELOAD": f"{LIBRARY}:{other}", "PFSWRAP_POLICY": str(wrap.policy)}
        equal(variables(run(["sh", "-c", "env"], env=given)).get("LD_PRELOAD"), str(other), "LD_PRELOAD")
    with tap.case("a program executed without any environment is protected"):
        wrap = Wrap()
        found = variables(execute(wrap, "empty"))
        equal(found, {"LD_PRELOAD": str(LIBRARY), "PFSWRAP_POLICY": str(wrap.policy)}, "environment")
    with tap.case("other preloaded libraries stay, after pfswrap's"):
        found = variables(execute(Wrap(), "execve", environment="LD_PRELOAD=libm.so.6 libdl.so.2,WORD=kept"))
        equal(found.get("LD_PRELOAD"), f"{LIBRARY}:libm.so.6 libdl.so.2", "LD_PRELOAD")
    with tap.case("an environment with pfswrap's variables is passed on unchanged"):
        wrap = Wrap()
        given = {"WORD": "kept", "PFSWRAP_POLICY": str(wrap.policy), "LD_PRELOAD": f"libm.so.6 {LIBRARY}"}
        text = ",".join(f"{name}={value}" for name, value in given.items())
        equal(variables(execute(wrap, "execve", environment=text)), given, "environment")
    with tap.case("a policy that the program sets for its child applies to the child"):
        wrap, other = Wrap(), Wrap()
        execute(wrap, "execve", environment=f"PFSWRAP_POLICY={other.policy}")
        contains([event["program"] for event in other.events("policy")], "env", "programs under the other policy")

    for call in ("execve", "execvp", "posix_spawn", "system"):
        with tap.case(f"with children = allow a program that {call} executes gets exactly the environment of the call"):
            result = execute(Wrap(children="allow"), call)
            found = variables(result)
            equal({name: found.get(name) for name in ("WORD", "OTHER", "LD_PRELOAD", "PFSWRAP_POLICY")},
                  {"WORD": "kept", "OTHER": "too", "LD_PRELOAD": None, "PFSWRAP_POLICY": None}, f"{result!r}")

    folder = temporary_directory()
    for call in ("execve", "execlp", "vfork", "posix_spawn", "system", "popen"):
        with tap.case(f"{call} fails in a chroot without pfswrap's library, and the log says why"):
            needs_root()
            wrap = Wrap()
            result = execute(wrap, call, folder)
            equal(result.status, CALL_FAILED + errno.EACCES, f"status of {result!r}")
            event = wrap.wait_event("refused")
            check("libpfswrap.so cannot be read" in event["reason"], f"expected the reason in {event}")
            equal(event.get("detail"), find("env"), f"the program that was to be executed in {event}")
    with tap.case("with mode = audit such a program is executed, and the log says that it would be refused"):
        needs_root()
        wrap = Wrap(mode="audit")
        equal(execute(wrap, "execve", folder).status, CALL_FAILED + errno.ENOENT, "status: the chroot is empty")
        wrap.wait_event("would-refuse")

    for half in ("real", "effective", "both"):
        for call in ("execve", "vfork", "execvp", "posix_spawn", "system", "popen"):
            with tap.case(f"{call} is refused after the {half} ids were given up, since ld.so would ignore the preload"):
                needs_root()
                wrap = Wrap()
                open_to_all(wrap)
                bare = run([PROGRAM, call, "WORD=kept", find("true"), half])
                wrapped = run(wrap.argv([PROGRAM, call, "WORD=kept", find("true"), half]))
                equal(bare.status, 0, f"bare: {bare!r}")
                check(wrapped.status != 0, f"wrapped: {wrapped!r}")
                event = wrap.wait_event("refused")
                check("user or group differ" in event["reason"], f"expected the reason in {event}")
    with tap.case("with mode = audit such a program is executed, with the same ids as bare"):
        needs_root()
        wrap, status = Wrap(mode="audit"), status_script()
        open_to_all(wrap)
        bare = run([PROGRAM, "execve", "WORD=kept", status, "effective"])
        wrapped = run(wrap.argv([PROGRAM, "execve", "WORD=kept", status, "effective"]))
        equal((bare.status, wrapped.status), (0, 0), f"{bare!r} {wrapped!r}")
        equal(ids(wrapped), ids(bare), "ids of the program executed")
        wrap.wait_event("would-refuse")
    tap.finish()


main()
