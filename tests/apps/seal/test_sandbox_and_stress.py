"""Programs that lock themselves in, and programs that do many things at once, with connections, bare and sealed."""

from lib.seal import Scenarios
from lib.tap import Tap


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_sandbox")
    on.both("by_read", "behind a filter that allows read and write alone, messages are answered")
    on.both("by_poll", "behind a filter that allows read, write and poll, on a non-blocking descriptor")
    on.both("by_recv", "behind a filter that allows recvfrom and sendto alone")
    on.both("at_once", "a filter that is installed before the first byte")
    on.both("client", "a client locks itself in before its first byte")
    on.both("limited", "with no further descriptor and no file that may grow, messages are answered")

    on = Scenarios(tap, "sock_stress")
    on.both("forks", "forks and vforks while sixteen threads use four connections")
    on.both("execs", "system and popen while sixteen threads use four connections")
    on.both("exit", "an exit while a thread sends ends the process, and the peer gets an error if bytes are missing")
    on.both("exit_full", "an exit while threads wait to send on a full socket sends nothing that is not sealed")
    on.both("waiting", "a thread in epoll_wait is woken for a connection that is added and changed meanwhile, and ends",
            marked=True)
    on.both("shared_epoll", "an epoll made before a fork serves parent and child")
    tap.finish()


main()
