"""What a process does to itself while it has a sealed connection: calls by number, quiet forks, ends, filters, rings."""

from lib.seal import Scenarios
from lib.tap import Tap


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_process")
    on.both("by_number", "system calls by number read, write, wait, duplicate and close")
    on.both("quiet_forks", "children of _Fork and of clone, which run no handlers, write to the connection")
    on.both("ends", "exit, _exit, _Exit, quick_exit and exit_group by number lose nothing of a megabyte, and end in order")
    on.both("sandboxed", "behind a filter that allows read, write and exit_group, raised before the first byte")
    on.both("sandboxed_by_number", "the same, raised by number")
    on.both("asynchronous", "aio, io_submit and io_uring write nothing that could be read on the wire")
    tap.finish()


main()
