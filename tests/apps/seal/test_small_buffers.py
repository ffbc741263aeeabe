"""Kernel buffers smaller than a chunk: every frame is sent and received in parts. Bare and sealed."""

from lib.seal import Scenarios
from lib.tap import Tap

CASES = (
    ("sock_blocking", "sizes", "writes of 1 byte to 1 MiB arrive in reads of 1 byte to 256 KiB"),
    ("sock_blocking", "ping_pong", "messages of all sizes go back and forth"),
    ("sock_blocking", "fill", "a writer fills the socket while the reader sleeps"),
    ("sock_blocking", "half_close_by_client", "a client that half-closes receives the whole answer"),
    ("sock_poll", "poll_then_read", "after poll reports readable, a blocking read returns bytes"),
    ("sock_poll", "small_reads_poll", "poll reports readable as long as bytes are left, and not after"),
    ("sock_poll", "full", "a full socket is not writable until the peer reads"),
    ("sock_epoll", "edge_short", "edge-triggered, a short read taken for drained: small frames are read"),
    ("sock_epoll", "edge_chunk", "edge-triggered, read until EAGAIN: a large chunk is read"),
    ("sock_epoll", "duplex_edge", "6 MiB each way at once, edge-triggered for reading and writing"),
    ("sock_sending", "sendfile", "sendfile sends a file"),
    ("sock_sending", "splice", "splice moves everything"),
    ("sock_sending", "cork", "MSG_MORE and TCP_CORK hold no bytes back for good"),
    ("sock_signals", "rain", "24 MiB arrive with a signal each millisecond at both ends"),
    ("sock_threads", "many", "eight threads send and eight receive on one descriptor"),
    ("sock_threads", "duplex", "a thread writes and a thread reads 10 MiB at each end"),
    ("sock_fork", "fork", "after a fork both processes use a connection in turn"),
    ("sock_fork", "at_once", "four processes send and three receive on one connection at once"),
    ("sock_close", "in_flight_close", "what is in flight survives the sender's close and the receiver's half-close"),
    ("sock_close", "loop_closes", "an event loop that closes a full connection serves its next event at once"),
)


def main():
    tap = Tap()
    programs = {}
    for program, scenario, sentence in CASES:
        if program not in programs:
            programs[program] = Scenarios(tap, program, environment={"SOCK_SMALL": "4096"})
        programs[program].both(scenario, f"in small buffers: {sentence}", linger="120s")
    tap.finish()


main()
