"""Connections and processes, bare and sealed: fork, clone, vfork, spawn, exec, inetd, daemons, untrusted children."""

import os

from lib.process import PROGRAMS, temporary_directory
from lib.seal import Scenarios
from lib.tap import Tap, contains


def works_or_nothing(mode, result, _wrap):
    """Either the connection works in the other process, or nothing comes from it; never a part."""
    text = result.out.decode()
    if mode.sealed and "handed over: yes" in text:
        contains(text, "answer: ", "what the client received")
    if not mode.sealed:
        contains(text, "answer: whole", "what the client received")


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_fork")
    on.both("fork", "after a fork both processes use a client's connection in turn, then one alone")
    on.both("clone", "after a clone by syscall() both processes use a client's connection in turn")
    on.both("fork_at_once", "a fork before the first byte: both processes use the connection")
    on.both("fork_server", "after a fork both processes use a server's connection in turn")
    on.both("clone_server", "after a clone by syscall() both processes use a server's connection in turn")
    on.both("at_once", "four processes send and three receive on one connection at once: every byte arrives")
    on.both("accept_and_fork", "accept in the parent, serve in a child, twelve at once")
    on.both("prefork", "children forked before any connection serve twelve clients from one listener")

    on = Scenarios(tap, "sock_children")
    on.both("killed_child", "a child killed while it sends does not hang its parent or the peer, and does not harm the "
            "parent's other connection")
    on.both("untrusted_child", "an unprivileged child that overwrites all shared memory cannot harm later connections")
    on.both("unprivileged", "a child that dropped its privileges serves the connection")
    on.both("spawn", "vfork, posix_spawn and system do not affect the connection, whatever the child closes")
    on.both("connected_later", "a program that inherited a socket that its parent connected later harms nothing")
    on.both("pass_descriptor", "a descriptor passed by SCM_RIGHTS never carries plaintext", then=works_or_nothing)

    on = Scenarios(tap, "sock_exec")
    by_stdio = temporary_directory()
    for name in ("sock_inetd", "sock_inetd_static"):
        os.symlink(PROGRAMS / "seal" / name, by_stdio / f"{name}_stdio")
    for what, program in (("a program", PROGRAMS / "seal/sock_inetd"),
                          ("a program that uses stdio", by_stdio / "sock_inetd_stdio"),
                          ("a static program", PROGRAMS / "seal/sock_inetd_static"),
                          ("a static program that uses stdio", by_stdio / "sock_inetd_static_stdio"),
                          ("a shell script", "echo PFSMARK:hello; while read line; do echo \"got $line\"; done; "
                           "echo PFSMARK:bye")):
        on.both("lines", f"inetd: {what} has the connection as 0, 1 and 2", more=("both", program))
        on.both("lines_later", f"inetd: {what} continues in the middle of the streams", more=("both", program))
    on.both("echo", "inetd: cat echoes and gets the end", more=("both", "/bin/cat"))
    on.both("writes", "inetd: what a shell's children wrote last arrives though they have exited",
            more=("both", "printf PFSMARK:00000000; head -c 999984 /dev/zero"))
    on.both("again", "a server executes itself in the middle of both streams and continues, and forks")
    on.both("failed_exec", "an exec that fails changes nothing")
    on.both("daemon_closes", "a daemon that closes every descriptor is served, by close, close_range and closefrom")
    on.both("low_descriptors", "with 0, 1 and 2 closed, the connection is 0 and the next descriptors are 1 and 2")
    on.both("inherited", "a program that inherits the connection by accident does not disturb it")
    tap.finish()


main()
