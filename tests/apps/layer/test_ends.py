"""The end of a stream inside TLS is FINAL: with a close_notify behind it, with FIN, or with nothing; and how the log says it.

The client is a program of the test, with OpenSSL and the library's tunnel.
"""


from lib import certs, layer
from lib.process import PROGRAMS, PYTHON, ROOT, Process, free_port, run
from lib.tap import Tap, contains, equal

MANNERS = ("blocking", "select", "poll", "asyncio")
DATA = b"a page\n" * 1000
CLIENTS = (("final", "FINAL and nothing", "clean"), ("together", "data and FINAL in one record, and nothing", "clean"),
           ("apart", "FINAL whose last byte is in a record of its own", "clean"),
           ("wrong", "FINAL with another last byte", "error"),
           ("fin", "FINAL and FIN without a close_notify", "clean"), ("notify", "FINAL and a close_notify", "clean"),
           ("cut", "FIN without FINAL", "truncated"))

MEANS = {"clean": "is the end of the stream", "truncated": "is a truncation", "error": "is an error"}


def servers(tap):
    for manner in MANNERS:
        for name, sentence, end in CLIENTS:
            with tap.case(f"{manner}: {sentence} {MEANS[end]}"):
                ends, port = layer.Ends(), free_port()
                certificate = certs.server()
                script = ROOT / "tests/apps/programs/layer/ending_tls_server.py"
                argv = [*PYTHON, script, manner, port, certificate.cert, certificate.key]
                with Process(ends.server.argv(argv)) as server:
                    server.wait_for_port(port)
                    with Process([PROGRAMS / "layer/layer_ending", port, ends.keys.path("client"), ends.keys.peers,
                                  name]) as client:
                        equal(client.wait(), 0, f"status of the client: {client.text()!r}")
                        equal(server.wait(), 0, f"status of the server: {server.text()!r}; log: {ends.server.tail()}")
                    if manner == "asyncio":  # it closes both directions when one has ended, and answers no more
                        contains(server.text(), "SSLError" if end == "error" else "end: b''", "what the server printed")
                        if end != "clean":
                            continue  # it does not read to the end of the transport, which only it sees
                    elif end == "clean":
                        contains(client.text(), "hellobye final", "what the client received")
                        contains(server.text(), "end: b''", "what the server printed")
                    else:
                        contains(server.text(), "error:", "what the server printed")
                    event = ends.server.wait_event("closed", role="server")
                    equal(event["end"], end, f"the end in {event}")


def http(tap):
    """Requests of HTTP/1.1: each side knows the length, and does not read to the end of the stream."""
    for name in ("nginx", "apache"):
        if name not in layer.ROWS:
            continue
        ends = layer.Ends()
        with layer.ROWS[name].start(ends.server, DATA) as server:
            for options in (["--http1.1"], ["--http1.1", "-H", "Connection: close"]):
                with tap.case(f"{name} and curl {' '.join(options)}: both logs say clean"):
                    before = len(ends.server.events("closed")), len(ends.client.events("closed"))
                    done = run(ends.client.argv(["curl", "-sS", *options, "--cacert", certs.authority().cert,
                                                 f"https://localhost:{server.port}/blob"]))
                    equal((done.status, done.out), (0, DATA), f"{done.err!r}")
                    for wrap, skip in zip((ends.server, ends.client), before):
                        event = wrap.wait_event("closed", skip=skip)
                        equal(event["end"], "clean", f"the end in {event}")


def main():
    tap = Tap()
    servers(tap)
    http(tap)
    tap.finish()


main()
