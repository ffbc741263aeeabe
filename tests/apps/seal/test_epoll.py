"""epoll and non-blocking connections, bare and sealed."""

from lib.seal import Scenarios
from lib.tap import Tap


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_epoll")
    on.both("edge_short", "edge-triggered, a short read taken for drained: 200 small frames are read as they arrive")
    on.both("edge_short_late", "edge-triggered, a short read taken for drained: 200 small frames that wait are all read")
    on.both("edge_short_chunk", "edge-triggered, a short read taken for drained: a chunk larger than the buffer is read")
    on.both("edge_short_tiny", "edge-triggered, a short read taken for drained: with a buffer of 7 bytes everything is read")
    on.both("edge", "edge-triggered, read until EAGAIN: small frames arrive in reads of 10 bytes")
    on.both("edge_chunk", "edge-triggered, read until EAGAIN: a large chunk arrives in reads of 10 bytes")
    on.both("level", "level-triggered: small frames arrive in one read of 3 bytes for each event, and no event is left")
    on.both("level_chunk", "level-triggered: a large chunk arrives in one read of 3 bytes for each event")
    on.both("level_blocking", "level-triggered: on a blocking descriptor no read after an event blocks")
    on.both("one_shot", "one-shot: armed again, it reports the small frames that wait")
    on.both("one_shot_chunk", "one-shot: armed again, it reports the rest of a large chunk")
    on.both("exclusive", "two exclusive epolls get events for all bytes; changing such an entry is EINVAL")
    on.both("nested", "an epoll inside an epoll is readable as long as a part of a chunk is left")
    on.both("added_late", "bytes that came before the descriptor was added make an event; epoll_pwait and epoll_pwait2")
    on.both("closed", "a closed descriptor has no more events, and its number is free for another")
    on.both("duplex_edge", "6 MiB each way at once, edge-triggered for reading and writing")
    on.both("duplex_level", "6 MiB each way at once, level-triggered, EPOLLOUT removed when everything is sent")

    on = Scenarios(tap, "sock_connect")
    on.both("nonblocking", "a non-blocking connect becomes writable, SO_ERROR is 0, the first write succeeds")
    on.both("one_loop", "eight connections, both ends of each in one level-triggered loop")
    on.both("refused", "a connect without a listener is ECONNREFUSED, and the socket may connect again", marked=True)
    on.both("questions", "names, options and counts before the first byte are those of TCP")
    on.both("fast_open", "MSG_FASTOPEN and TCP_FASTOPEN_CONNECT connect and send, by every call that can do it")
    on.both("duplicated", "duplicates and streams that a socket has before it is connected belong to the connection")
    on.both("unspecified", "a connection to 0.0.0.0 or [::] matches the rule of the address where it goes")
    tap.finish()


main()
