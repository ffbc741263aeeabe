# run: first
"""Connections over a link of MTU 1500 and 200 Mbit/s, bare and sealed: most events report a part of a frame."""

from lib.link import Link
from lib.seal import Scenarios
from lib.tap import Skip, Tap, skip_all

CASES = (
    ("sock_poll", "poll_then_read", "after poll reports readable, a blocking read returns bytes, with mixed sizes"),
    ("sock_poll", "small_reads_poll", "poll reports readable as long as bytes are left, and not after"),
    ("sock_poll", "small_reads_select", "select reports readable as long as bytes are left, and not after"),
    ("sock_poll", "full", "a full socket is not writable until the peer reads"),
    ("sock_epoll", "edge_short", "edge-triggered, a short read taken for drained: small frames are read as they arrive"),
    ("sock_epoll", "edge_short_chunk", "edge-triggered, a short read taken for drained: a large chunk is read"),
    ("sock_epoll", "edge_chunk", "edge-triggered, read until EAGAIN: a large chunk arrives"),
    ("sock_epoll", "level_blocking", "level-triggered: on a blocking descriptor no read after an event blocks"),
    ("sock_epoll", "one_shot_chunk", "one-shot: armed again, it reports the rest of a large chunk"),
    ("sock_epoll", "exclusive", "two exclusive epolls get events for all bytes"),
    ("sock_epoll", "nested", "an epoll inside an epoll is readable as long as bytes are left"),
    ("sock_epoll", "duplex_edge", "6 MiB each way at once, edge-triggered for reading and writing"),
    ("sock_epoll", "duplex_level", "6 MiB each way at once, level-triggered"),
    ("sock_blocking", "sizes", "writes of 1 byte to 1 MiB arrive in reads of 1 byte to 256 KiB"),
    ("sock_blocking", "fill", "a writer fills the socket while the reader sleeps"),
    ("sock_blocking", "half_close_by_client", "a client that half-closes receives the whole answer"),
    ("sock_blocking", "write_only", "a client that only writes and exits delivers its last byte"),
    ("sock_close", "in_flight_close", "4 MB in flight survive the sender's close and the receiver's half-close"),
    ("sock_close", "in_flight_exit", "4 MB in flight survive the sender's exit"),
    ("sock_threads", "duplex", "a thread writes and a thread reads 10 MiB at each end"),
    ("sock_fork", "fork", "after a fork both processes use a connection in turns"),
    ("sock_calls", "how_much_chunk", "FIONREAD is above 0 as long as bytes can be read, and 0 after"),
    ("sock_calls", "peek_chunk", "MSG_PEEK returns the same bytes again and takes none"),
    ("sock_sending", "sendfile_full", "sendfile on a full non-blocking socket loses nothing"),
)


def main():
    try:
        link = Link()
    except Skip as reason:
        skip_all(reason)
    tap = Tap()
    programs = {}
    for program, scenario, sentence in CASES:
        if program not in programs:
            programs[program] = Scenarios(tap, program, link)
        programs[program].both(scenario, f"over a link: {sentence}", linger="120s")
    tap.finish()


main()
