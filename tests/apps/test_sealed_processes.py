"""Connections and processes, bare and sealed: fork, clone, vfork, spawn, exec, inetd, daemons, untrusted children."""

import os

from lib.process import PROGRAMS, temporary_directory
from lib.seal import Scenarios
from lib.tap import Tap, contains


def handed_over(mode, result, _wrap):
    """Either the connection works in the other process, or nothing comes from it; never half of it."""
    text = result.out.decode()
    if mode.sealed and "handed over: yes" in text:
        contains(text, "answer: ", "what the client heard")
    if not mode.sealed:
        contains(text, "answer: whole", "what the client heard")


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_fork")
    on.both("fork", "after a fork both processes use a client's connection in turns, then one alone")
    on.both("clone", "after a clone by syscall() both processes use a client's connection in turns")
    on.both("fork_at_once", "a fork before the first byte: both processes use the connection")
    on.both("fork_server", "after a fork both processes use a server's connection in turns")
    on.both("clone_server", "after a clone by syscall() both processes use a server's connection in turns")
    on.both("at_once", "four processes send and three receive on one connection at once: every byte arrives")
    on.both("accept_and_fork", "accept in the parent, serve in a child, twelve at once")
    on.both("prefork", "children forked before any connection serve twelve clients from one listener")

    on = Scenarios(tap, "sock_children")
    on.both("killed_child", "a child killed while it sends hangs neither its parent nor the peer, nor harms the parent's "
            "other connection")
    on.both("untrusted_child", "an unprivileged child that overwrites all it shares cannot harm later connections")
    on.both("unprivileged", "a child that dropped its privileges serves the connection")
    on.both("spawn", "vfork, posix_spawn and system leave the connection alone, whatever the child closes")
    on.both("connected_later", "a program that has inherited a socket from before its parent connected it harms nothing")
    on.both("hand_over", "a descriptor handed over by SCM_RIGHTS never carries plaintext", then=handed_over)

    on = Scenarios(tap, "sock_exec")
    by_stdio = temporary_directory()
    for name in ("sock_inetd", "sock_inetd_static"):
        os.symlink(PROGRAMS / name, by_stdio / f"{name}_stdio")
    for what, program in (("a program", PROGRAMS / "sock_inetd"),
                          ("a program that uses stdio", by_stdio / "sock_inetd_stdio"),
                          ("a static program", PROGRAMS / "sock_inetd_static"),
                          ("a static program that uses stdio", by_stdio / "sock_inetd_static_stdio"),
                          ("a shell script", "echo PFSMARK:hello; while read line; do echo \"got $line\"; done; "
                           "echo PFSMARK:bye")):
        on.both("lines", f"inetd: {what} has the connection as 0, 1 and 2", more=("both", program))
        on.both("lines_later", f"inetd: {what} takes over in the middle of the streams", more=("both", program))
    on.both("echo", "inetd: cat sends back what it hears and sees the end", more=("both", "/bin/cat"))
    on.both("writes", "inetd: what a shell's children wrote last arrives though they are gone",
            more=("both", "printf PFSMARK:00000000; head -c 999984 /dev/zero"))
    on.both("again", "a server executes itself in the middle of both streams and goes on, and forks")
    on.both("failed_exec", "an exec that fails changes nothing")
    on.both("daemon_closes", "a daemon that closes every descriptor is served, by close, close_range and closefrom")
    on.both("low_numbers", "with 0, 1 and 2 closed, the connection is 0 and the next descriptors are 1 and 2")
    on.both("inherited", "a program that inherits the connection without knowing leaves it alone")
    tap.finish()


main()
