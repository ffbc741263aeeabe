"""Sealed C programs of musl and of glibc work together, and programs of one C library execute programs of the other."""

from lib import musl
from lib.musl import PROGRAMS, two_ends
from lib.process import free_port, run
from lib.seal import Keys, SealWrap, check_wire, look, look_case, needs_seal, story
from lib.tap import Tap, check, contains, equal
from lib.wrap import Wrap

PAIRS = (("musl", "musl"), ("musl", "glibc"), ("glibc", "musl"))

# One for each way in which a program moves or waits for bytes.
SCENARIOS = (("sock_blocking", "ping_pong", "bytes go to and fro by read and write"),
             ("sock_blocking", "vectors", "readv, writev, recvmsg and sendmsg"),
             ("sock_blocking", "half_close_by_client", "a half-closed connection"),
             ("sock_calls", "many", "sendmmsg, recvmmsg, preadv2 and pwritev2"),
             ("sock_by_number", "by_number", "syscall()"),
             ("sock_timeouts", "receive_timeout", "SO_RCVTIMEO"),
             ("sock_sending", "sendfile", "sendfile"),
             ("sock_sending", "aio", "POSIX aio is refused"),
             ("sock_splice", "into_large", "splice into a pipe"),
             ("sock_stdio", "streams", "streams of stdio, which musl writes past every wrapper"),
             ("sock_poll", "loop_poll", "an event loop with poll"),
             ("sock_poll", "loop_select", "an event loop with select"),
             ("sock_epoll", "edge", "epoll, edge-triggered"))

CALLS = ("execve", "execvpe", "fexecve", "execveat", "execle", "vfork", "posix_spawn", "posix_spawnp", "execv", "execvp",
         "execl", "execlp", "system", "popen")


def peers(tap):
    keys = Keys("peer")
    for program, scenario, sentence in SCENARIOS:
        for server, client in PAIRS:
            with tap.case(f"{sentence}: the server is a program of {server}, the client one of {client}"):
                needs_seal()
                two_ends(keys, program, scenario, server, client)


def children(tap):
    """Each program that is executed is protected by the object for its C library."""
    for parent, child in (("musl", "glibc"), ("glibc", "musl"), ("musl", "musl")):
        for call in CALLS:
            with tap.case(f"a program of {parent} executes one of {child} by {call}, and it is protected"):
                wrap = Wrap()
                who = PROGRAMS[child] / "launcher/who"
                result = run(wrap.argv([PROGRAMS[parent] / "launcher/execute", call, "WORD=kept", who]))
                equal((result.status, result.out, result.err), (0, b"PROTECTED\n", b""), f"{result!r}")
                contains([event["program"] for event in wrap.events("policy")], "who", "programs that loaded the policy")
    with tap.case("a script between them changes nothing"):
        wrap = Wrap()
        script = wrap.folder / "script"
        script.write_text(f"#!/bin/sh\n{PROGRAMS['musl'] / 'launcher/who'}\n{PROGRAMS['glibc'] / 'launcher/who'}\n")
        script.chmod(0o755)
        result = run(wrap.argv([PROGRAMS["musl"] / "launcher/execute", "execve", "WORD=kept", script]))
        equal((result.status, result.out, result.err), (0, b"PROTECTED\nPROTECTED\n", b""), f"{result!r}")
    with tap.case("a static program that musl-gcc has linked is refused, as every static program"):
        result = run(Wrap().argv([PROGRAMS["musl"] / "seal/static_true"]))
        equal(result.status, 125, f"{result!r}")
        check("static" in result.text, result.text)


def handed_over(tap):
    """A connection of one program is continued by one of the other C library (transfer/handoff.h)."""
    keys = Keys("peer")
    for parent, child in (("musl", "glibc"), ("glibc", "musl")):
        for program, scenario, sentence in (("sock_exec", "again", "exec"), ("sock_export", "fork", "fork and exec"),
                                            ("sock_export", "vfork", "vfork and exec"), ("sock_export", "spawn", "posix_spawn")):
            with tap.case(f"a sealed connection of a program of {parent} is continued by one of {child}, by {sentence}"):
                needs_seal()
                port = free_port()
                wrap = SealWrap(keys, listen=port, connect=port)
                environment = {"SOCK_SEALED": "1", "SOCK_PROGRAM": str(PROGRAMS[child] / "seal" / program)}
                with look(port) as wire:
                    result = run(wrap.argv([PROGRAMS[parent] / "seal" / program, scenario, port]), env=environment)
                    check(result.status == 0 and result.out.endswith(b"ok\n"), f"{result!r}\n{story(wrap)}")
                    check_wire(wire, sealed=True)
                equal(wrap.events("refused") + wrap.events("left"), [], "connections left behind")


def main():
    tap = Tap()
    if musl.missing():
        tap.result(True, "programs of musl and of glibc", skip=musl.missing())
        tap.finish()
    look_case(tap)
    peers(tap)
    children(tap)
    handed_over(tap)
    tap.finish()


main()
