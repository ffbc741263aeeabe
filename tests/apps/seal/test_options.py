"""Socket options that change what a read or a write does, bare and sealed: granted and right, or refused."""

from lib.process import PROGRAMS, Process, free_port, run
from lib.seal import Keys, Scenarios, SealWrap
from lib.tap import Tap, check
from lib.wrap import WireWrap


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_options")
    on.both("peek_offset", "SO_PEEK_OFF moves what is peeked, or is refused, and no byte is lost")
    on.both("controls", "TCP_INQ and time stamps come with the bytes, or are refused")
    on.both("zero_copy_receive", "TCP_ZEROCOPY_RECEIVE returns the program's bytes, or is refused and takes none")
    on.both("everything", "what is sent arrives whatever option is set to 1, before the connection and in it")
    on.both("before", "the same options before a connection", marked=False)
    with tap.case("a relayed descriptor refuses what it cannot do"):
        port = free_port()
        wrap = SealWrap(Keys("peer"), listen=port, connect=port)
        result = run(wrap.argv([PROGRAMS / "seal/sock_options", "relayed", port, "127.0.0.1"]), env={"SOCK_SEALED": "1"})
        check(result.status == 0 and result.out.endswith(b"ok\n"), f"{result!r}; log {wrap.tail()}")
    with tap.case("wire: on a connection whose bytes are inspected, TCP_ZEROCOPY_RECEIVE is refused and takes no byte"):
        port, wrap = free_port(), WireWrap(plaintext="refuse")
        server = Process(wrap.argv([PROGRAMS / "seal/sock_options", "zero_copy_receive", port, "127.0.0.1", "server"]),
                         env={"SOCK_SEALED": "1"}).wait_for_port(port)
        run([PROGRAMS / "seal/sock_options", "zero_copy_receive", port, "127.0.0.1", "client"])
        server.wait()
        check("read at byte 0" in server.text(), f"{server.text()!r}; log {wrap.tail()}")
        check(wrap.events("refused"), f"a connection that is cut when it is read; log {wrap.tail()}")
    tap.finish()


main()
