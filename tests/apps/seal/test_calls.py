"""Flags, options and rarer calls on connections, bare and sealed; standard I/O on them."""

from lib.seal import Scenarios
from lib.tap import Tap


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_calls")
    on.both("peek", "MSG_PEEK gives the same bytes again and takes none, over small frames")
    on.both("peek_chunk", "MSG_PEEK gives the same bytes again and takes none, inside a large chunk")
    on.both("peek_grows", "a program that peeks until a whole head has come, byte by byte, comes to see it")
    on.both("peek_many", "3,000 messages of one byte are peeked at together")
    on.both("wait_all", "MSG_WAITALL comes back with all of many small frames, also with MSG_PEEK and recvmsg")
    on.both("wait_all_short", "MSG_WAITALL gives what came before the end")
    on.both("flags", "MSG_DONTWAIT, MSG_TRUNC, MSG_ERRQUEUE, recvmsg, recvfrom, fstat, lseek, pread are as ever")
    on.both("urgent", "MSG_OOB is refused on a sealed connection, which goes on")
    on.both("receive_timeout", "SO_RCVTIMEO ends a receive in time, also in the middle of what is waited for")
    on.both("send_timeout", "SO_SNDTIMEO ends a send in time, and what it reported is what arrives")
    on.both("low_water", "SO_RCVLOWAT hides nothing that is there")
    on.both("low_water_before_connect", "SO_RCVLOWAT set before the connection is there hides nothing")
    on.both("how_much", "FIONREAD is above 0 as long as something is to be read, and 0 after, over small frames")
    on.both("how_much_chunk", "FIONREAD is above 0 as long as something is to be read, and 0 after, in a large chunk")
    on.both("how_much_out", "TIOCOUTQ comes down to 0")
    on.both("many", "sendmmsg, recvmmsg, pwritev2 and preadv2 do what they say")
    on.both("by_number", "reads, writes, sends, receives, shutdown and close by syscall()")

    on = Scenarios(tap, "sock_sending")
    on.both("sendfile", "sendfile moves the file's position by what it sent, and returns 0 at its end only")
    on.both("sendfile_offset", "sendfile moves the caller's offset and not the file's position")
    on.both("sendfile_full", "sendfile on a full non-blocking socket is EAGAIN, never 0, and loses nothing")
    on.both("splice", "splice between sockets and pipes moves everything, or is an error to fall back from")
    on.both("copy_range", "copy_file_range to a socket is an error to fall back from")
    on.both("cork", "MSG_MORE and TCP_CORK hold nothing back for good")
    on.both("zero_copy", "MSG_ZEROCOPY is answered for on the error queue, or SO_ZEROCOPY is refused")
    on.both("aio", "POSIX aio is refused on a sealed connection, never plain")
    on.both("uring", "io_uring sends nothing in the clear on a sealed connection")

    on = Scenarios(tap, "sock_stdio")
    on.both("streams", "streams made of the descriptor write, read, end and close, and fileno tells their descriptors")
    on.both("both_ways", "one stream for both ways, wide characters, a position that cannot be")
    on.both("printed", "printf, puts, vdprintf, perror, psignal, warn, error and exit print to a connection as 1 and 2")
    on.both("err", "err prints to a connection as descriptor 2 and exits")
    on.both("backtrace", "backtrace_symbols_fd writes to a connection in its place")
    on.both("reopened", "freopen ends the connection, and the stream goes on elsewhere")
    on.both("stdin", "stdin made of a connection is read by lines, polled and closed")
    tap.finish()


main()
