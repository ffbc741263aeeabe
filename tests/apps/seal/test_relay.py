"""Connections that other programs use without the shim: standard streams, children of vfork, exec, killed peers."""

import fcntl
import os
import struct
import subprocess

from lib.process import PROGRAMS, wait_until
from lib.seal import Scenarios
from lib.tap import Tap


def relays():
    """The running relays of this script's session, without zombies."""
    done = subprocess.run(["ps", "-s", str(os.getsid(0)), "-o", "stat=,comm="], capture_output=True, text=True,
                          check=False)
    return [line for line in done.stdout.splitlines() if "pfswrap-relay" in line and not line.startswith("Z")]


def relay_is_gone(mode, _result, _wrap):
    if mode.sealed:
        wait_until(lambda: not relays(), lambda: f"the relay to end: {relays()}")


def kernel_tells():
    """Whether a pidfd reports the exit status of a process that was waited for (PIDFD_GET_INFO, Linux 6.15)."""
    child = subprocess.Popen(["sleep", "60"])
    pidfd = os.pidfd_open(child.pid)
    child.kill()
    child.wait()
    information = bytearray(struct.pack("<Q56x", 8))
    try:
        fcntl.ioctl(pidfd, 3 << 30 | 64 << 16 | 0xFF << 8 | 11, information)
    except OSError:
        return False
    finally:
        os.close(pidfd)
    return struct.unpack_from("<Q", information)[0] & 8 != 0


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_relay")
    on.both("all_descriptors", "one order of bytes on all descriptors, including 0 and 1, and no other child to wait for",
            then=relay_is_gone)
    on.both("all_descriptors", "the same on IPv6", address="::1", then=relay_is_gone)
    on.both("settings", "as descriptor 0 it is still non-blocking, registered with epoll and a TCP socket", marked=False,
            then=relay_is_gone)
    on.both("settings", "the same on IPv6", address="::1", marked=False)
    on.both("full", "a full connection at 0 becomes writable again; five megabytes arrive, and three in return",
            then=relay_is_gone)
    on.both("vfork", "a child of vfork gets it as 0 and 1 from two descriptors, and the parent closes its own",
            then=relay_is_gone)
    on.both("spawn", "posix_spawn gives it to cat by a dup2 action", then=relay_is_gone)
    on.both("vfork_passes", "a child of vfork that clears close-on-exec leaves it to a program", then=relay_is_gone)
    on.both("exec_keeps", "a descriptor above 2 survives the exec of the only process that has it", then=relay_is_gone)
    on.both("exec_ends", "an exec that closes the connection ends it in order, with a megabyte on its way",
            then=relay_is_gone)
    on.both("connected_low", "a connection made as descriptor 0", then=relay_is_gone)

    on = Scenarios(tap, "sock_relay_killed")
    for what, program in (("a program", "sock_inetd"), ("a static program", "sock_inetd_static")):
        on.both("killed_peer", f"when the peer is killed, {what} gets an error and not the end of the stream", marked=False,
                more=("both", PROGRAMS / "seal" / program), then=relay_is_gone)
    on.both("killed_peer_calls", "when the peer is killed, read is ECONNRESET and write fails", marked=False,
            then=relay_is_gone)
    for what, program in (("a program", PROGRAMS / "seal/sock_inetd"),
                          ("a static program", PROGRAMS / "seal/sock_inetd_static"),
                          ("a process that executes none", "none")):
        sentence = f"when {what} is killed, its peer gets an error and not the end of the stream"
        if kernel_tells():
            on.both("killed_program", sentence, marked=False, more=("both", program), then=relay_is_gone)
        else:
            tap.result(True, sentence, skip="this kernel does not report how a process ended (PIDFD_INFO_EXIT, Linux 6.15)")
    on.both("survived_program", "when a program is killed, a process that it has started continues and ends in order",
            marked=False, then=relay_is_gone)
    tap.finish()


main()
