"""Flags, options and rarer calls on connections, bare and sealed, and standard I/O."""

from lib.seal import Scenarios
from lib.tap import Tap


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_calls")
    on.both("peek", "MSG_PEEK returns the same bytes again and takes none, over small frames")
    on.both("peek_chunk", "MSG_PEEK returns the same bytes again and takes none, inside a large chunk")
    on.both("peek_grows", "a program that peeks until a whole head has arrived byte by byte gets it")
    on.both("peek_many", "3,000 messages of one byte are peeked at together")
    on.both("wait_all", "MSG_WAITALL returns all of many small frames, also with MSG_PEEK and recvmsg")
    on.both("wait_all_short", "MSG_WAITALL returns what came before the end")
    on.both("flags", "MSG_DONTWAIT, MSG_TRUNC, MSG_ERRQUEUE, recvmsg, recvfrom, fstat, lseek and pread behave as on TCP")
    on.both("urgent", "MSG_OOB is refused on a sealed connection, which continues")
    on.both("low_water", "SO_RCVLOWAT hides no bytes")
    on.both("low_water_before_connect", "SO_RCVLOWAT hides no bytes if it is set before the connection")
    on.both("how_much", "FIONREAD is above 0 as long as bytes can be read, and 0 after, over small frames")
    on.both("how_much_chunk", "FIONREAD is above 0 as long as bytes can be read, and 0 after, in a large chunk")
    on.both("how_much_out", "TIOCOUTQ decreases to 0")
    on.both("many", "sendmmsg, recvmmsg, pwritev2 and preadv2 work")

    on = Scenarios(tap, "sock_timeouts")
    on.both("receive_timeout", "SO_RCVTIMEO ends a receive in time, also after a part of the bytes")
    on.both("send_timeout", "SO_SNDTIMEO ends a send in time, and the bytes that it reports arrive")

    on = Scenarios(tap, "sock_by_number")
    on.both("by_number", "reads, writes, sends, receives, shutdown and close by syscall()")

    on = Scenarios(tap, "sock_buffers")
    on.both("untouched", "a receive does not change the buffer behind the bytes that it returns", marked=False)
    on.both("peek_filled", "a program that peeks until 40,000 bytes have come gets them while its peer fills the buffer", marked=False)

    on = Scenarios(tap, "sock_sending")
    on.both("sendfile", "sendfile moves the file's position by what it sent, and returns 0 at its end only")
    on.both("sendfile_offset", "sendfile moves the caller's offset and not the file's position")
    on.both("sendfile_full", "sendfile on a full non-blocking socket is EAGAIN, never 0, and loses nothing")
    on.both("splice", "splice between sockets and pipes moves everything")
    on.both("copy_range", "copy_file_range to a socket is an error to fall back from")
    on.both("cork", "MSG_MORE and TCP_CORK hold no bytes back for good")
    on.both("zero_copy", "MSG_ZEROCOPY is reported on the error queue, or SO_ZEROCOPY is refused")
    on.both("aio", "POSIX aio is refused on a sealed connection, and sends no plaintext")
    on.both("uring", "io_uring sends no plaintext on a sealed connection")

    on = Scenarios(tap, "sock_splice")
    on.both("into_large", "splice from a connection moves everything into a pipe")
    on.both("into_small", "splice moves everything through a pipe of one page")
    on.both("into_at_once", "splice moves more than a chunk of the seal into an empty pipe")
    on.both("into_filled", "splice fills a pipe, and leaves the rest in the socket")
    on.both("into_by_sendfile", "sendfile from a connection moves everything into a pipe")
    on.both("out_of_large", "splice from a pipe moves everything to a connection")
    on.both("out_of_small", "splice moves everything from a pipe of one page")
    on.both("out_into_full", "splice to a full non-blocking connection takes a part, and leaves the rest in the pipe")
    on.both("loop", "an event loop echoes 300,000 bytes by splice")
    on.both("refused", "splice, tee, vmsplice, sendfile and copy_file_range have the kernel's errors")

    on = Scenarios(tap, "sock_stdio")
    on.both("streams", "streams made from the descriptor write, read, end and close, and fileno returns their descriptors")
    on.both("both_ways", "one stream for both directions, wide characters, a position that it cannot have")
    on.both("printed", "printf, puts, vdprintf, perror, psignal, warn, error and exit print to a connection as 1 and 2")
    on.both("err", "err prints to a connection as descriptor 2 and exits")
    on.both("backtrace", "backtrace_symbols_fd writes to a connection in order")
    on.both("reopened", "freopen ends the connection, and the stream continues with another file")
    on.both("stdin", "stdin on a connection is read by lines, polled and closed")
    tap.finish()


main()
