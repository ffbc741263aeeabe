"""Blocking sockets, bare and sealed: sizes, order of speech, half-close, waiting by poll and select."""

from lib.seal import Scenarios
from lib.tap import Tap


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_blocking")
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        on.both("ping_pong", f"messages of all sizes go to and fro over {address}", address)
    on.both("one_byte", "one-byte writes arrive by one-byte reads, both ways")
    on.both("receive_deadline", "SO_RCVTIMEO is for the whole call, also with MSG_WAITALL and a slow sender", marked=False)
    on.both("sizes", "writes of 1 byte to 1 MiB arrive in reads of 1 byte to 256 KiB")
    on.both("sends_first", "a server that speaks first is heard")
    on.both("only_sends", "a server that only speaks is heard by a client that only listens")
    on.both("write_only", "a client that only writes and exits is heard to its last byte")
    on.both("one_word", "a connection of one word and an end comes through")
    on.both("silence", "a connection without a word ends in order", marked=False)
    on.both("accept_later", "one thread connects, sends 60,000 bytes, and only then accepts")
    on.both("accept_later_twice", "one thread sends on two connections, half-closes, and only then accepts them")
    on.both("fill", "a writer fills the socket while the reader sleeps")
    on.both("fill_at_once", "a writer fills a socket on which the other end has not done anything yet")
    on.both("fill_bytes", "one-byte writes fill a non-blocking socket and go on when it drains")
    on.both("half_close_by_client", "a client that half-closes hears the whole answer")
    on.both("half_close_by_server", "a server that half-closes hears the whole answer")
    on.both("vectors", "vectors of many parts, of empty parts and of 1,024 parts arrive in order")
    for rekey in (2, 1000):
        on.both("sizes", f"with a rekey after {rekey} chunks all arrives", only="sealed", rekey=rekey)
    on.both("nothing", "writes and reads of nothing do nothing")

    on = Scenarios(tap, "sock_poll")
    for call in ("poll", "ppoll", "select", "pselect"):
        on.both(f"small_reads_{call}", f"{call} says readable as long as something is left of a chunk, and not after")
    on.both("poll_then_read", "what poll calls readable is read by a blocking read, sizes mixed")
    on.both("two", "poll tells two connections apart, keeps its timeout, and ignores -1")
    on.both("hangup", "half-close and close are POLLRDHUP and POLLHUP as they were")
    on.both("full", "a full socket is not writable until the peer reads")
    tap.finish()


main()
