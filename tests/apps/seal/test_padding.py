"""padding: what an observer sees, programs that must not see it, who may connect to whom, and what check and the log say."""

import struct

from lib import certs, layer
from lib.middle import Middle
from lib.process import PROGRAMS, Process, free_port, run, temporary_directory
from lib.seal import Keys, Scenarios, SealWrap, calls_on_small_stacks, needs_seal, seal_connect
from lib.tap import Tap, check, contains, equal
from lib.wrap import LAUNCHER

PREAMBLE, HEADER = 28, 24
DATA, PADDED = 0, 3


def frames(stream, message):
    """(type, bytes of plaintext) of each frame behind the handshake, whose Noise message ends at `message`."""
    at, found = message + HEADER, []
    while at < len(stream):
        kind, length = struct.unpack(">BH", stream[at:at + 3])
        found.append((kind, length - 17))
        at += 3 + length + 1
    equal(at, len(stream), "where the last frame ends")
    return found


def observed(kept):
    """The frames that a connection's two directions consist of, for one who sees only the bytes."""
    up, down = bytes(kept["up"]), bytes(kept["down"])
    return (frames(up, PREAMBLE + struct.unpack(">H", up[10:12])[0]), frames(down, 2 + struct.unpack(">H", down[:2])[0]))


def seen(tap, keys, setting, sizes):
    """Runs an echo of each size; returns the frames with data of both directions, in order."""
    found = []
    for size in sizes:
        port = free_port()
        wrap = SealWrap(keys, listen=port, padding=setting)
        with Process(wrap.argv([PROGRAMS / "seal/sock_serve", port])) as process:
            process.wait_for_port(port)
            with Middle(port, keep=True) as middle:
                result = seal_connect(keys, middle.port, "--padding", setting, data=b"x" * size)
                equal((result.status, result.out), (0, b"x" * size), f"{result!r}; log: {wrap.tail()}")
                wrap.wait_event("closed")
                found += [[frame for frame in side if frame[1] > 0] for side in observed(middle.kept)]
    return found


def on_the_wire(tap, keys):
    with tap.case("without padding each frame shows the size of what was written"):
        needs_seal()
        equal(seen(tap, keys, "off", (1, 100)), [[(DATA, 1)]] * 2 + [[(DATA, 100)]] * 2, "frames with data")
    with tap.case("with block:1024, writes of 1 to 1,022 bytes look the same, in both directions"):
        needs_seal()
        equal(seen(tap, keys, "block:1024", (1, 100, 1022)), [[(PADDED, 1024)]] * 6, "frames with data")
        equal(seen(tap, keys, "block:1024", (1023,)), [[(PADDED, 2048)]] * 2, "frames with data")
    with tap.case("with padme, writes of 1,090 and 1,150 bytes look the same"):
        needs_seal()
        equal(seen(tap, keys, "padme", (1090, 1150)), [[(PADDED, 1152)]] * 4, "frames with data")


def programs(tap, setting):
    """The calls that depend on sizes, on connections whose frames are longer than what was written."""
    on = Scenarios(tap, "sock_calls")

    def sealed(scenario, sentence):
        on.both(scenario, f"{sentence}, with padding = {setting}", only="sealed", marked=False, padding=setting)
    sealed("peek", "MSG_PEEK returns the same bytes again and takes none, over small frames")
    sealed("peek_chunk", "MSG_PEEK returns the same bytes again and takes none, inside a large chunk")
    sealed("peek_many", "3,000 messages of one byte are peeked at together")
    sealed("wait_all", "MSG_WAITALL returns all of many small frames, also with MSG_PEEK and recvmsg")
    sealed("low_water", "SO_RCVLOWAT hides no bytes")
    sealed("how_much", "FIONREAD is above 0 as long as bytes can be read, and 0 after, over small frames")
    sealed("how_much_chunk", "FIONREAD is above 0 as long as bytes can be read, and 0 after, in a large chunk")
    sealed("many", "sendmmsg, recvmmsg, pwritev2 and preadv2 work")
    on = Scenarios(tap, "sock_timeouts")
    sealed("receive_timeout", "SO_RCVTIMEO ends a receive in time, also after a part of the bytes")
    sealed("send_timeout", "SO_SNDTIMEO ends a send in time, and the bytes that it reports arrive")
    on = Scenarios(tap, "sock_buffers")
    sealed("untouched", "a receive does not change the buffer behind the bytes that it returns")
    sealed("peek_filled", "a program that peeks until 40,000 bytes have come gets them while its peer fills the buffer")
    on = Scenarios(tap, "sock_sending")
    sealed("sendfile", "sendfile moves the file's position by what it sent, and returns 0 at its end only")
    sealed("sendfile_full", "sendfile on a full non-blocking socket is EAGAIN, never 0, and loses nothing")
    sealed("splice", "splice between sockets and pipes moves everything")
    sealed("cork", "MSG_MORE and TCP_CORK hold no bytes back for good")
    on = Scenarios(tap, "sock_splice")
    sealed("loop", "an event loop echoes 300,000 bytes by splice")
    sealed("out_into_full", "splice to a full non-blocking connection takes a part, and leaves the rest in the pipe")


def stacks(tap, keys):
    with tap.case("every call works on a stack of 8 KiB with padding"):
        needs_seal()
        port = free_port()
        wrap = SealWrap(keys, listen=port, connect=port, padding="padme")
        calls_on_small_stacks(wrap, port)


def admission(tap, keys):
    """(the server's setting, the client's, what the server's log says of padding, or the client's message)"""
    refused = "this side pads, and the peer does not read padded frames"
    for server, client, expected in (("off", "off", None), ("allow", "off", None), ("allow", "allow", None), ("off", "allow", None),
                                     ("allow", "padme", "received"), ("block:64", "allow", "sent"), ("padme", "block:512", "both"),
                                     ("off", "padme", refused), ("padme", "off", refused)):
        with tap.case(f"a server with padding = {server} and a client with {client}: {expected or 'no padding'}"):
            needs_seal()
            port = free_port()
            wrap = SealWrap(keys, listen=port, padding=server)
            with Process(wrap.argv([PROGRAMS / "seal/sock_serve", port])) as process:
                process.wait_for_port(port)
                result = seal_connect(keys, port, "--padding", client)
                if expected != refused:
                    equal((result.status, result.out), (0, b"hello\n"), f"{result!r}")
                    equal(wrap.wait_event("opened").get("padding"), expected, "padding in the log")
                    continue
                check(result.status != 0 and not result.out, f"{result!r}")
                if server == "off":
                    contains(result.err.decode(), refused, "what the client prints")
                else:
                    equal(wrap.wait_event("refused")["reason"], refused, "reason")
                check(not wrap.events("opened"), f"nothing was opened: {wrap.tail()}")


def inside_tls(tap):
    page = bytes(range(256)) * 1200
    for setting in ("padme", "block:16384"):
        with tap.case(f"inside TLS, with padding = {setting}, a page passes both ways, and both ends log it"):
            needs_seal()
            ends = layer.Ends(rule=[f"padding = {setting}"])
            with layer.ROWS["python"].start(ends.server, page) as server:
                layer.download(ends.client, layer.curl(server.port, "--http1.1"), page)
                path = temporary_directory() / "sent"
                path.write_bytes(page[:70001])
                layer.upload(ends.client, layer.curl_put(server.port, path), server, page[:70001])
            for wrap, role in ((ends.server, "server"), (ends.client, "client")):
                equal(layer.shake(wrap, role)["padding"], "both", f"{role}: padding in the log")
    with tap.case("inside TLS, the calls of libssl return the same with padding as bare"):
        needs_seal()
        keys = Keys("server", "client")
        wrap = layer.Ends(keys=keys).policy("server", "listen", "require", lines=["clients = server", "padding = block:256"],
                                            keys=keys, more=("[connect web]\naddress = 127.0.0.1:*\nseal = require\n"
                                                             "layer = tls\npeer = server\npadding = block:256"))
        for scenario in ("small", "stopped-write", "moving-buffer", "partial-writes", "shutdown-with-data"):
            argv = [PROGRAMS / "layer/layer_calls", certs.server().cert, certs.server().key, "tcp", scenario]
            bare, padded = run(argv), run(wrap.argv(argv))
            equal((padded.status, padded.lines), (0, bare.lines), f"{scenario}: {padded!r}; log: {wrap.tail()}")


def checked(tap, keys):
    with tap.case("check prints the key, and refuses a block size that is not a power of 2, or without seal"):
        needs_seal()
        for setting in ("off", "allow", "padme", "block:16", "block:16384"):
            result = run([LAUNCHER, "check", SealWrap(keys, listen=1, connect=2, padding=setting).policy])
            equal(result.out.decode().count(f"padding = {setting}\n"), 2, f"{result!r}")
        for setting in ("block:500", "block:8", "block:32768", "block:0512", "block:", "random"):
            result = run([LAUNCHER, "check", SealWrap(keys, listen=1, padding=setting).policy])
            equal(result.status, 1, "status")
            contains(result.err.decode(), f"padding = {setting}, expected off, allow, padme or block:N with a power of 2 from 16 to "
                                          "16384", "message")
        result = run([LAUNCHER, "check", SealWrap(keys, listen=1, padding="padme", seal="off").policy])
        contains(result.err.decode(), "padding has no effect alone, expected seal = require as well", "message")


def main():
    tap = Tap()
    keys = Keys("peer", "client")
    on_the_wire(tap, keys)
    programs(tap, "block:512")
    programs(tap, "padme")
    stacks(tap, keys)
    admission(tap, keys)
    inside_tls(tap)
    checked(tap, keys)
    tap.finish()


main()
