"""Blocking sockets, bare and sealed: sizes, which end sends first, half-close, waiting by poll and select."""

from lib.seal import Scenarios
from lib.tap import Tap


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_blocking")
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        on.both("ping_pong", f"messages of all sizes go back and forth over {address}", address)
    on.both("one_byte", "one-byte writes arrive by one-byte reads, both ways")
    on.both("receive_deadline", "SO_RCVTIMEO applies to the whole call, also with MSG_WAITALL and a slow sender", marked=False)
    on.both("sizes", "writes of 1 byte to 1 MiB arrive in reads of 1 byte to 256 KiB")
    on.both("sends_first", "a client receives what the server sends first")
    on.both("only_sends", "a server only sends, and a client only receives")
    on.both("write_only", "a client that only writes and exits delivers its last byte")
    on.both("one_word", "a connection of one byte and an end is complete")
    on.both("silence", "a connection without a byte ends in order", marked=False)
    on.both("accept_later", "one thread connects, sends 60,000 bytes, and only then accepts")
    on.both("accept_later_twice", "one thread sends on two connections, half-closes, and only then accepts them")
    on.both("fill", "a writer fills the socket while the reader sleeps")
    on.both("fill_at_once", "a writer fills a socket while the other end has not used it yet")
    on.both("fill_bytes", "one-byte writes fill a non-blocking socket and continue when it drains")
    on.both("half_close_by_client", "a client that half-closes receives the whole answer")
    on.both("half_close_by_server", "a server that half-closes receives the whole answer")
    on.both("vectors", "vectors of many parts, of empty parts and of 1,024 parts arrive in order")
    for rekey in (2, 1000):
        on.both("sizes", f"with a rekey after {rekey} chunks everything arrives", only="sealed", rekey=rekey)
    on.both("nothing", "writes and reads of no bytes do nothing")

    on = Scenarios(tap, "sock_poll")
    for call in ("poll", "ppoll", "select", "pselect"):
        on.both(f"small_reads_{call}", f"{call} reports readable as long as a part of a chunk is left, and not after")
    on.both("poll_then_read", "after poll reports readable, a blocking read returns bytes, with mixed sizes")
    on.both("two", "poll distinguishes two connections, keeps its timeout, and ignores -1")
    on.both("hangup", "half-close and close are POLLRDHUP and POLLHUP")
    on.both("full", "a full socket is not writable until the peer reads")
    tap.finish()


main()
