"""Calls that fail or do nothing, bare and sealed: what they return, and that the connection does not change."""

from lib.seal import Scenarios
from lib.tap import Tap


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_failing")
    on.both("connect", "connect() with wrong arguments on a connection changes nothing, and no plaintext is sent")
    on.both("disconnect", "connect() to AF_UNSPEC disconnects a socket, which connects again")
    on.both("duplicate", "dup2() of a closed descriptor leaves its target open")
    on.both("count", "counts, lengths and flags that make no sense are refused as on TCP")
    on.both("nowhere", "pointers to the first page and to the kernel's half are EFAULT, and lose no bytes")
    on.both("nothing", "calls for no bytes wait, return or report the end as on TCP")
    on.both("messages_at_end", "recvmmsg() at the end of a stream fills all its messages with no bytes")
    on.both("shut_reading", "what arrives after SHUT_RD can be read, and a socket that is shut both ways is not connected")
    tap.finish()


main()
