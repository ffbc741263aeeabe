"""Programs with threads behind system call filters, bare and sealed: filters that they install themselves."""

from lib.seal import Scenarios
from lib.tap import Tap


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_sandbox_threads")
    on.both("everything", "a thread reads and another writes behind a filter that allows everything")
    on.both("list", "the same behind a list of calls, as servers have it, for all threads")
    on.both("sockets", "the same behind a filter that allows the socket calls, and not to wait for them")
    on.both("poll", "the same behind a filter that allows read, write and poll")
    on.both("bytes", "the same behind a filter that allows read and write alone")
    on.both("full", "a thread that waits to write does not keep another one from reading")
    on.both("turns", "a thread whose read has timed out does not keep another one from reading")
    on.both("tsync_at_once", "a filter for all threads that is installed before the first byte", marked=False)
    on.both("tsync_after_close", "a filter for all threads, just after connections were closed")
    tap.finish()


main()
