"""The attacks on TLS that the inner layer prevents. Each first succeeds without the layer.

A man in the middle that the client trusts, relaying; the same with the server's own TLS key; TLS secrets disclosed later;
and the seal's own long-term key disclosed, which decrypts nothing that was recorded.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import threading

from lib import certs, layer, recorded
from lib.legacy import require_programs
from lib.process import DEADLINE, ROOT, python_with, run
from lib.tap import Skip, Tap, check, contains, equal, lacks

SECRET = b"the account holds 4,711 pieces of gold. "
PAGE = SECRET * 3000
HEADER = "x-password: open sesame"


class Middle:
    """Accepts TLS with any certificate, connects to the server with TLS, relays both ways and keeps what it reads.

    One thread does all of it: two threads must not use one TLS connection at a time, even if one reads and one writes.
    """

    def __init__(self, port, certificate):
        self.accepting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.accepting.load_cert_chain(certificate.cert, certificate.key)
        self.connecting = ssl.create_default_context(cafile=certs.authority().cert)
        # It uses the protocol's ALPN name: to the server it looks like a sealing client.
        self.connecting.set_alpn_protocols(["http/1.1", layer.NAME])
        self.target, self.read = port, b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        self.stopping = asyncio.Event()
        self.thread = threading.Thread(target=self.loop.run_until_complete, args=(self.serve(),), daemon=True)

    async def serve(self):
        async with await asyncio.start_server(self.one, sock=self.listener, ssl=self.accepting):
            await self.stopping.wait()

    async def one(self, victim_reader, victim_writer):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.target, ssl=self.connecting,
                                                           server_hostname="localhost")
        except OSError:
            victim_writer.close()
            return
        await asyncio.gather(self.relay(victim_reader, writer), self.relay(reader, victim_writer))

    async def relay(self, source, target):
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                self.read += data
                target.write(data)
                await target.drain()
        target.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.stopping.set)
        self.thread.join(DEADLINE)


def request(port):
    return layer.curl(port, "--http1.1", "-H", HEADER)


def man_in_the_middle(tap, ends, sentence, certificate):
    row = layer.ROWS["nginx"]
    with row.start(None, PAGE) as server, Middle(server.port, certificate) as middle:
        with tap.case(f"without the layer {sentence} reads everything, and neither end notices"):
            result = run(request(middle.port))
            equal((result.status, result.out), (0, PAGE), "what the client got")
            contains(middle.read, HEADER.encode(), "what the man in the middle read of the request")
            contains(middle.read, SECRET, "what it read of the answer")
    with row.start(ends.server, PAGE) as server, Middle(server.port, certificate) as middle:
        with tap.case(f"with the layer {sentence} breaks the handshake, and reads nothing"):
            result = run(ends.client.argv(request(middle.port)))
            check(result.status != 0 and not result.out, f"{result!r}")
            contains(middle.read, b"\xf5pfsw\r\n\x01", "what it relayed: it is between the two")
            lacks(middle.read, b"sesame", "what the man in the middle read")
            lacks(middle.read, b"GET /", "what the man in the middle read")
            lacks(middle.read, SECRET, "what the man in the middle read")
        with tap.case(f"both ends log {sentence}"):
            event = ends.server.wait_event("refused", role="server", layer="tls")
            contains(event["reason"], "does not authenticate", "the server's reason")
            contains(event["detail"], "man in the middle", "its detail")
            event = ends.client.wait_event("refused", role="client", layer="tls")
            contains(event["reason"], "ended the connection", "the client's reason")
            contains(event["detail"], "man in the middle", "its detail")
        with tap.case(f"with the layer and without {sentence} the same client gets its answer from the same server"):
            layer.download(ends.client, request(server.port), PAGE)


def disclosed(tap, ends):
    """Returns (recorded seal, from the client and from the server; the exporter value), or None."""
    row = layer.ROWS["nginx"]
    with row.start(None, PAGE) as server, \
            tap.case("without the layer a recording and the TLS secrets disclose everything"):
        def bare(keys):
            result = run(request(server.port), env={"SSLKEYLOGFILE": str(keys)})
            equal(result.out, PAGE, f"{result!r}")
        sent, answered = recorded.decrypt(*recorded.record(server.port, bare), server.port)
        contains(sent, HEADER.encode(), "the request in the recording")
        contains(answered, SECRET, "the answer in the recording")
    found = None
    # With mode = audit the program can write its key log; a rule seals in either mode.
    with row.start(ends.server, PAGE) as server, \
            tap.case("with the layer a recording and the TLS secrets decrypt TLS, and no byte of data can be read inside"):
        def layered(keys):
            result = run(ends.client.argv(request(server.port)), env={"SSLKEYLOGFILE": str(keys)})
            equal(result.out, PAGE, f"{result!r}; log: {ends.client.tail()}")
        path, keys = recorded.record(server.port, layered)
        sent, answered = recorded.decrypt(path, keys, server.port)
        check(len(answered) > len(PAGE), f"{len(answered)} bytes should hold the answer and the frames around it")
        equal(sent[:8], b"\xf5pfsw\r\n\x01", "what the client sent first")
        # At least five bytes: random data of this length has each word of three bytes in one run of 70.
        for word in (b"GET /", b"HTTP/1", b"sesame", b"password", b"of gold", b"Content-Length", b"nginx", b"localhost"):
            lacks(sent, word, "the client's side of the recording")
            lacks(answered, word, "the server's side of the recording")
        found = sent, answered, recorded.exporter(keys)
    return found


def identity_disclosed(tap, ends, found):
    """The recording again, now with the server's seal identity and all secrets of TLS."""
    with tap.case("the server's seal key discloses the caller of a recording, and no frame"):
        python = python_with("dissononce", "cryptography")
        if python is None:
            raise Skip("no Python here has dissononce (Debian: python3-dissononce)")
        check(found, "there should be a recording")
        sent, answered, binding = found
        given = {"sent": sent.hex(), "answered": answered.hex(), "binding": binding.hex(),
                 "secret": ends.keys.path("server").read_text().split()[0]}
        result = run([python, "-B", ROOT / "tests" / "peers" / "recording.py"], data=json.dumps(given).encode())
        equal(result.status, 0, f"{result!r}")
        printed = json.loads(result.out)
        contains(ends.keys.peers.read_text(), f"client {printed['client']}", "the peers, which include the caller")
        equal(printed["known"], 5, "frames it decrypted of a conversation whose key it had")
        equal(printed["opened"], [0] * 2 * printed["keys"], "frames it decrypted of the recording, with each key")
        check(printed["keys"] >= 4, f"{printed}")
    with tap.case("an attacker with the server's seal key and a certificate that the client trusts can pose as the server"):
        thief = layer.Ends(keys=ends.keys)
        with layer.ROWS["python"].start(thief.server, b"false\n") as server:
            layer.download(ends.client, request(server.port), b"false\n")


def main():
    tap = Tap()
    require_programs("nginx", "curl", "tshark", "dumpcap")
    man_in_the_middle(tap, layer.Ends(), "a man in the middle with another certificate that the client trusts",
                      certs.server("p256"))
    man_in_the_middle(tap, layer.Ends(), "a man in the middle with the server's own TLS key", certs.server())
    ends = layer.Ends(mode="audit")
    identity_disclosed(tap, ends, disclosed(tap, ends))
    tap.finish()


main()
