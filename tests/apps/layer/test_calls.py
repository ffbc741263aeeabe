"""Every call of libssl that moves data or asks about it returns the same with the inner layer as without."""

from lib import certs, layer
from lib.process import PROGRAMS, run
from lib.tap import Tap, check, contains, equal

SCENARIOS = {
    "handshakes": "a handshake driven by reading lasts until the layer's is done, and the program sees no ALPN protocol",
    "protocols": "the server's program gets what the client's program offers, and no more",
    "small": "SSL_read, SSL_peek, SSL_pending and similar calls return what was written, record by record",
    "stopped-write": "a write that has to be retried succeeds in the end, and reading works meanwhile",
    "other-buffer": "a write that has to be retried fails with another buffer",
    "moving-buffer": "a write that has to be retried continues with another buffer if the program allows that",
    "partial-writes": "partial writes return the number of bytes that were sent",
    "shutdown": "a connection is closed in halves, and each half is reported",
    "shutdown-with-data": "a second SSL_shutdown does not discard unread bytes",
    "truncated": "a connection that is cut off has no orderly end",
    "quiet": "a quiet shutdown sends nothing",
    "again": "connections are used again after SSL_clear",
    "blocking": "blocking sockets block as bare, also without automatic retries",
}
SOCKETS_ONLY = ("truncated", "quiet", "blocking")
# What a buffer in front of the socket holds differs, and so does the point where a write has to be retried.
UNBUFFERED_ONLY = ("stopped-write", "other-buffer", "moving-buffer", "partial-writes", "again", "blocking", "truncated",
                   "quiet")


def argv(transport, scenario):
    return [PROGRAMS / "layer/layer_calls", certs.server().cert, certs.server().key, transport, scenario]


def compare(tap, transport, scenario, sentence):
    wrap = layer.Ends(keys=KEYS).policy("server", "listen", "require", lines=["clients = server"], keys=KEYS, more=(
        "[connect web]\naddress = 127.0.0.1:*\nseal = require\nlayer = tls\npeer = server"))
    with tap.case(f"{transport}: {sentence}"):
        bare = run(argv(transport, scenario))
        equal(bare.status, 0, f"status bare: {bare!r}")
        sealed = run(wrap.argv(argv(transport, scenario)))
        equal(sealed.status, 0, f"status with the layer: {sealed!r}; log: {wrap.tail()}")
        equal(sealed.lines, bare.lines, "what the program printed with the layer, and bare")
        check(len(wrap.events("opened")) >= 2, f"both ends should have the layer: {wrap.tail()}")
        equal(len(wrap.events("closed")), len(wrap.events("opened")), "closing events")
    return wrap


def sealed_only(tap):
    wrap = layer.Ends(keys=KEYS).policy("server", "listen", "require", lines=["clients = server"], more=(
        "[connect web]\naddress = 127.0.0.1:*\nseal = require\nlayer = tls\npeer = server"))
    with tap.case("after a fork the second process that uses a connection gets an error, and seals nothing"):
        result = run(wrap.argv(argv("tcp", "forked")))
        contains(result.text, "server reads: 14", f"{result!r}")
        contains(result.text, "the parent's write: not positive, ssl", f"{result!r}")
    with tap.case("SSL_sendfile sends a file's bytes through the layer"):
        result = run(wrap.argv(argv("tcp", "sendfile")))
        contains(result.text, "sent 4194304, read 4194304, the same", f"{result!r}")
    with tap.case("the closing events count the bytes"):
        event = wrap.wait_event("closed", role="client", sent_bytes=4194304)
        equal(event["sent_chunks"], 4194304 // 16384, f"{event}")
        equal(event["sent_rekeys"], event["sent_chunks"], f"{event}")


def main():
    tap = Tap()
    for scenario, sentence in SCENARIOS.items():
        for transport in ("tcp", "pair", "buffered"):
            if (transport == "pair" and scenario in SOCKETS_ONLY) or \
                    (transport == "buffered" and scenario in UNBUFFERED_ONLY):
                continue
            compare(tap, transport, scenario, sentence)
    sealed_only(tap)
    tap.finish()


KEYS = layer.Keys("server")
main()
