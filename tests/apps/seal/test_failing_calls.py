"""Calls that fail or do nothing, bare and sealed: what they answer, and that the connection is still what it was."""

from lib.seal import Scenarios
from lib.tap import Tap


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_failing")
    on.both("connect", "connect() with wrong arguments on a connection leaves it as it is, and sends nothing plain")
    on.both("disconnect", "connect() to AF_UNSPEC dissolves a connection, and the socket connects anew")
    on.both("duplicate", "dup2() of a closed number leaves its target open")
    on.both("count", "counts, lengths and flags that make no sense are refused as ever")
    on.both("nowhere", "pointers to the first page and to the kernel's half are EFAULT, and cost nothing")
    on.both("nothing", "calls for no bytes wait, return or see an end as ever")
    on.both("messages_at_end", "recvmmsg() at the end of a stream fills all its messages with nothing")
    on.both("shut_reading", "what comes after SHUT_RD is there, and what is shut both ways is not connected")
    tap.finish()


main()
