"""io_uring in a program that makes its system calls itself: the shim's own system call filter closes it.

own_ring.c sends through a ring without any call of libc. Bare, the listener gets its words.
"""

import os
import signal

from lib.process import PROGRAMS, run
from lib.peers import Recorder
from lib.seal import Keys, SealWrap
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import WireWrap, Wrap

PROGRAM = PROGRAMS / "wire/own_ring"


def sealing(keys, **settings):
    return SealWrap(keys, connect=("127.0.0.0/8:*",), **settings)


def asking(how, children="protect", plaintext="refuse"):
    """A policy with that value of io-uring. Every user may read it, and write the log."""
    wrap = WireWrap(plaintext, children=children)
    if how:
        wrap.policy.write_text(wrap.policy.read_text().replace("[policy]\n", f"[policy]\nio-uring = {how}\n"))
    wrap.policy.chmod(0o644)
    wrap.log.touch()
    wrap.log.chmod(0o666)
    return wrap


def send(wrap=None, before=(), inside=()):
    """Runs the sender with `before` in front of the launcher and `inside` behind it; what it printed, and what arrived."""
    with Recorder() as peer:
        argv = [*inside, PROGRAM, "send", peer.port]
        result = run([*before, *(wrap.argv(argv) if wrap else argv)])
    return result, peer.received


def needs_ring():
    if send()[1] != b"SECRET":
        raise Skip("this kernel has no io_uring, or does not allow it")


def needs_root():
    needs_ring()
    if os.getuid() != 0:
        raise Skip("needs root")


def closed(wrap, words, **more):
    result, received = send(wrap, **more)
    equal((received, result.status, result.out), (b"", 1, b"io_uring_setup: Function not implemented\n"),
          f"{words}: {result!r}; log: {wrap.tail()}")
    equal(wrap.events("unprotected"), [], words)


DROP = (PROGRAM, "drop")


def privileged(tap, keys):
    with tap.case("a program with a ring of its own gets ENOSYS where a rule seals, or plaintext is refused"):
        needs_root()
        for words, wrap in {"seal": sealing(keys), "refuse": WireWrap("refuse"), "starttls": WireWrap("starttls"),
                            "rule": WireWrap("log", "[connect r]\naddress = 127.0.0.1:*\nplaintext = refuse\n")}.items():
            closed(wrap, words)
    with tap.case("its children get the same, also with children = allow, and through many programs"):
        needs_root()
        closed(WireWrap("refuse"), "one child", inside=(PROGRAM, "exec"))
        closed(WireWrap("refuse", children="allow"), "allow", inside=(PROGRAM, "exec"))
        closed(WireWrap("refuse"), "ten", inside=(PROGRAM, "exec") * 10)
        wrap = WireWrap("refuse")
        result = run(wrap.argv([PROGRAM, "exec"] * 10 + ["/bin/grep", "^Seccomp_filters", "/proc/self/status"]))
        equal(result.out, b"Seccomp_filters:\t1\n", "filters of the eleventh program")
    with tap.case("a child that has given up root cannot open a ring either"):
        needs_root()
        closed(asking(""), "dropped", inside=DROP)
    with tap.case("a program with the filter does not see it, and has no no_new_privs"):
        needs_root()
        equal(run([PROGRAM, "seccomp"]).out, b"0 0 0\n", "bare")
        equal(run(WireWrap("refuse").argv([PROGRAM, "seccomp"])).out, b"0 0 0\n", "wrapped")
        equal(run(WireWrap("refuse").argv([PROGRAM, "exec", PROGRAM, "seccomp"])).out, b"0 0 0\n", "child")
    with tap.case("a program sees that it has a filter if it has installed one itself"):
        needs_root()
        for mode in ("none", "kill"):
            equal(run([PROGRAM, "seccomp", mode]).out, b"2 2 1\n", f"bare, {mode}")
            equal(run(WireWrap("refuse").argv([PROGRAM, "seccomp", mode])).out, b"2 2 1\n", f"wrapped, {mode}")
    with tap.case("where nothing is sealed or refused, the ring is left open, unless the policy asks"):
        needs_root()
        for wrap in (WireWrap("log"), WireWrap("refuse", mode="audit"), Wrap()):
            equal(send(wrap)[1], b"SECRET", wrap.policy.read_text())
        closed(asking("require", plaintext="log"), "asks")


def unprivileged(tap):
    with tap.case("without privileges the ring stays open and the log says so"):
        needs_root()
        wrap = asking("")
        equal(send(wrap, before=DROP)[1], b"SECRET", "arrived")
        event = wrap.wait_event("unprotected")
        equal(event["rule"], "io-uring", f"{event}")
        contains(event["reason"], "io_uring could not be closed", "reason")
    with tap.case("io-uring = no-new-privs closes it without privileges"):
        needs_root()
        closed(asking("no-new-privs"), "no-new-privs", before=DROP)
        equal(run([*DROP, *asking("no-new-privs").argv([PROGRAM, "seccomp"])]).out, b"0 0 1\n", "no_new_privs")
        equal(run(asking("no-new-privs").argv([PROGRAM, "seccomp"])).out, b"0 0 0\n", "root needs none")
    with tap.case("children = require closes it, since no program that gains privileges is executed"):
        needs_root()
        closed(asking("", children="require"), "children = require", before=DROP)
    with tap.case("io-uring = require does not start a program whose ring cannot be closed"):
        needs_root()
        wrap = asking("require")
        result, received = send(wrap, before=DROP)
        equal((result.status, received, result.out, result.err.count(b"\n")), (125, b"", b"", 1), f"{result!r}")
        contains(result.err.decode(), "pfswrap: io_uring cannot be closed", "message")
        closed(asking("require"), "root")


def filters(tap):
    with tap.case("behind a filter that ends the process for io_uring_setup, a program runs as it does bare"):
        needs_root()
        for mode in ("kill", "errno"):
            wrap = WireWrap("refuse")
            before = [PROGRAM, "filter", mode]
            equal(run([*before, *wrap.argv(["/bin/echo", "runs"])]).out, b"runs\n", mode)
            equal(wrap.events("unprotected"), [], mode)
            bare, sent = send(None, before=before), send(wrap, before=before)
            equal((bare[0].status, bare[1]), (sent[0].status, sent[1]), f"{bare} {sent}")
    with tap.case("behind a filter that ends the process for seccomp(2), it runs, and the log says that the ring is open"):
        needs_root()
        wrap = WireWrap("refuse")
        equal(run([PROGRAM, "filter", "final", *wrap.argv(["/bin/echo", "runs"])]).out, b"runs\n", "output")
        equal(wrap.wait_event("unprotected")["rule"], "io-uring", wrap.tail())
    with tap.case("behind another filter, the shim's is installed as well"):
        needs_root()
        closed(WireWrap("refuse"), "filter", before=[PROGRAM, "filter", "none", PROGRAM, "exec"])
    with tap.case("SECCOMP_MODE_STRICT works as it does bare"):
        needs_root()
        for how in ("prctl", "syscall-prctl", "syscall-seccomp"):
            argv = [PROGRAM, "strict", how]
            bare, sealed = run(argv), run(WireWrap("refuse").argv(argv))
            equal((bare.status, bare.out), (-signal.SIGKILL, b"strict\n"), how)
            equal(sealed.out, b"strict\n", f"{how}: {sealed!r}")
            check(sealed.status < 0, f"{how}: expected a signal: {sealed!r}")


def main():
    tap = Tap()
    privileged(tap, Keys("peer"))
    unprivileged(tap)
    filters(tap)
    tap.finish()


main()
