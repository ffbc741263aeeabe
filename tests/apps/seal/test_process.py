"""What a process does to itself while it has a sealed connection.

System calls by number, forks without handlers, exits, system call filters, io_uring.
"""

from lib.seal import Scenarios
from lib.tap import Tap


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_process")
    on.both("by_number", "system calls by number read, write, wait, duplicate and close")
    on.both("quiet_forks", "children of _Fork and clone, which run no handlers, write to the connection")
    on.both("ends", "exit, _exit, _Exit, quick_exit and exit_group by number lose no byte of a megabyte, and end in order")
    own_calls = "ThreadSanitizer's runtime makes system calls that the filter does not allow"
    on.both("sandboxed", "behind a filter that allows read, write and exit_group, installed before the first byte",
            not_thread=own_calls)
    on.both("sandboxed_by_number", "the same, installed by syscall()", not_thread=own_calls)
    on.both("asynchronous", "aio, io_submit and io_uring write nothing readable to the wire")
    tap.finish()


main()
