"""No event is spurious: after readable or writable a call succeeds, on loopback and over a link of MTU 1500."""

from lib.link import Link
from lib.seal import Scenarios
from lib.tap import Skip, Tap, one_line

CASES = (
    ("poll", "poll: no read or write after an event is EAGAIN"),
    ("ppoll", "ppoll: no read or write after an event is EAGAIN"),
    ("select", "select: no read or write after an event is EAGAIN"),
    ("pselect", "pselect: no read or write after an event is EAGAIN"),
    ("level", "level-triggered epoll: no read or write after an event is EAGAIN"),
    ("edge", "edge-triggered epoll: the first read and write after an event are not EAGAIN"),
    ("one_shot", "one-shot epoll: no read or write after an event is EAGAIN"),
)


def main():
    tap = Tap()
    places = [("", Scenarios(tap, "sock_spurious"))]
    try:
        places.append(("over a link: ", Scenarios(tap, "sock_spurious", Link())))
    except Skip as reason:
        tap.result(True, "over a link", skip=one_line(reason))
    for prefix, on in places:
        for scenario, sentence in CASES:
            on.both(scenario, prefix + sentence, linger="120s")
    tap.finish()


main()
