#!/usr/bin/env python3
"""[findings] http = log: what responses lack is logged once for each kind and host, and no byte of them changes."""

import json
import textwrap

from lib import certs, nginx, peers
from lib.process import PYTHON, Process, free_port, run, temporary_directory
from lib.tap import Tap, check, equal
from lib.wrap import LAUNCHER, Wrap

HSTS = b"Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"
GOOD_COOKIE = b"Set-Cookie: ok=secret; Secure; HttpOnly; SameSite=Lax\r\n"
# A body that looks like a response without HSTS; the next response comes behind it.
TRAP = b"HTTP/1.1 200 OK\r\nSet-Cookie: trap=1\r\nContent-Length: 0\r\n\r\n"


def response(*headers, status=b"200 OK", body=b"body"):
    return b"HTTP/1.1 " + status + b"\r\n" + b"".join(headers) + b"Content-Length: %d\r\n\r\n" % len(body) + body


FAULTS = {
    "none.test": (response(HSTS, GOOD_COOKIE), []),
    "missing.test": (response(GOOD_COOKIE), [("hsts-missing", None)]),
    "short.test": (response(b"strict-transport-security: max-age=300\r\n"), [("hsts-short", "300")]),
    "cookie.test": (response(HSTS, b"Set-Cookie: sid=secret-value; Path=/\r\n"),
                    [("cookie-not-secure", "sid"), ("cookie-not-httponly", "sid"), ("cookie-no-samesite", "sid")]),
    "redirect.test": (response(HSTS, b"Location: http://www.redirect.test/secret-path\r\n", status=b"301 Moved"),
                      [("redirect-to-http", "www.redirect.test")]),
    "pins.test": (response(HSTS, b'Public-Key-Pins: pin-sha256="x"; max-age=9\r\n'), [("public-key-pins", None)]),
    "trap.test": (response(HSTS, body=b"x" + TRAP) + response(HSTS), []),
    "chunked.test": (b"HTTP/1.1 200 OK\r\n" + HSTS + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(TRAP) + TRAP +
                     b"\r\n0\r\nSet-Cookie: t=1\r\n\r\n" + response(HSTS), []),
    "pipeline.test": (response(HSTS) * 3 + response(), [("hsts-missing", None)]),
    "head.test": (b"HTTP/1.1 200 OK\r\n" + HSTS + b"Content-Length: 1000\r\n\r\n" + response(), []),
    "smtp.test": (b"220 smtp.test\r\n" + response(), []),
}

# For each connection: the response of its server name, in pieces of the size that the client asks for. Python's own
# sockets write by SSL_write_ex(); with memory BIOs, libssl has no socket.
SERVER = textwrap.dedent("""
    import json, socket, ssl, sys
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    responses = {name: bytes.fromhex(text) for name, text in json.load(open(sys.argv[4])).items()}
    names = {}
    context.sni_callback = lambda tls, name, context: names.update(last=name)
    while True:
        names.clear()
        raw = listener.accept()[0]
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(raw, server_side=True) as tls:
            size = int(tls.recv(100) or 0)
            data = responses[names.get('last') or "missing.test"]
            for at in range(0, len(data), size or len(data)):
                tls.sendall(data[at:at + size] if size else data)
            try:
                tls.unwrap()
            except OSError:
                pass  # the client closes without an answer
    """)
MEMORY = textwrap.dedent("""
    import asyncio, ssl, sys
    async def serve(reader, writer):
        await reader.read(100)
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
        await writer.drain()
        writer.close()
    async def main():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
        server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), ssl=context)
        await server.serve_forever()
    asyncio.run(main())
    """)


def findings_wrap(mode="enforce", log="log"):
    return Wrap(mode=mode, extra=f"[findings]\nhttp = {log}")


def serve(wrap, script, port, responses=None):
    certificate, plan = certs.server(), wrap.folder / "plan.json"
    plan.write_text(json.dumps({name: data.hex() for name, (data, _) in (responses or FAULTS).items()}))
    return Process(wrap.argv([*PYTHON, "-c", script, port, certificate.cert, certificate.key, plan])).wait_for_port(port)


def ask(port, name, size=0):
    """What a client gets, to the end of the stream."""
    got = b""
    with peers.connected(port, name=name) as connection:
        connection.sendall(b"%d" % size)
        while part := connection.recv(65536):
            got += part
    return got


def found(wrap, name=None):
    return [(event["kind"], event.get("detail")) for event in wrap.events("finding")
            if name is None or event.get("server_name") == name]


def check_faults(size):
    wrap, port = findings_wrap(), free_port()
    with serve(wrap, SERVER, port):
        for _ in range(2):  # the second time, nothing is logged any more
            for name, (data, _) in FAULTS.items():
                equal(ask(port, name, size), data, f"bytes of {name}")
    for name, (_, expected) in FAULTS.items():
        equal(found(wrap, name), expected, f"findings of {name}; log: {wrap.tail()}")
    equal(len(wrap.events("handshake")), 2 * len(FAULTS), "handshakes")
    check("secret" not in wrap.log.read_text(), "no value of a cookie and no path is in the log")
    equal([event["findings"] for event in wrap.events("policy") if "findings" in event][:1], ["http"], "event policy")
    return wrap


def check_report(wrap):
    """The findings are in the report, in each of its forms."""
    document = json.loads(run([LAUNCHER, "report", "--json", wrap.log]).out)
    verdicts = {control["id"]: (control["verdict"], control["exceptions"]) for control in document["controls"]}
    equal(verdicts["asvs-14.4.5"][1], {"hsts": 5}, "hosts that lack HSTS")
    equal(verdicts["asvs-3.4"][1], {"cookie": 3}, "cookies")
    text = run([LAUNCHER, "report", "--html", wrap.folder / "page.html", wrap.log]).out.decode()
    page = (wrap.folder / "page.html").read_text()
    check("redirects to http://: www.redirect.test" in page, "the redirect should be in the page")
    for what in ("5 hosts whose responses let browsers use http", "3 hosts with cookies that lack"):
        check(what in text, f"the text should have {what!r}: {text}")


def nginx_headers(port):
    folder = temporary_directory()
    config = nginx.CONFIG.format(port=port, certificate=certs.server(), ciphers="DEFAULT", dh=certs.dh_parameters(),
                                 folder=folder, marker="m", curve="X25519")
    places = ('location /bad { add_header Set-Cookie "sid=secret"; return 200 "Set-Cookie: body=1"; }\n'
              'location /good { add_header Strict-Transport-Security "max-age=63072000" always; return 200 "x"; }\n')
    (folder / "nginx.conf").write_text(config.replace("location /config", places + "location /config"))
    return folder


def check_nginx():
    port, wrap = free_port(), findings_wrap()
    folder = nginx_headers(port)
    ask_for = ["curl", "-sS", "--cacert", certs.authority().cert, "--resolve", f"server.test:{port}:127.0.0.1"]
    with Process(wrap.argv(["nginx", "-p", folder, "-c", folder / "nginx.conf", "-g", "daemon off;"])).wait_for_port(port):
        good = run([*ask_for, "--http1.1", f"https://localhost:{port}/good", f"https://localhost:{port}/good"])
        equal((good.status, good.out), (0, b"xx"), f"{good!r}")
        equal(found(wrap), [], "findings of a good response")
        bad = run([*ask_for, "--http1.1", f"https://server.test:{port}/bad"])
        equal((bad.status, bad.out), (0, b"Set-Cookie: body=1"), f"{bad!r}")
        wrap.wait_event("finding", skip=3)
    equal([(kind, detail) for kind, detail in found(wrap, "server.test")],
          [("hsts-missing", None), ("cookie-not-secure", "sid"), ("cookie-not-httponly", "sid"),
           ("cookie-no-samesite", "sid")], "findings of nginx")


def check_full():
    """More hosts than the table has."""
    wrap, port = findings_wrap(), free_port()
    names = [f"h{number}.test" for number in range(131)]
    with serve(wrap, SERVER, port, {name: (response(), None) for name in names}):
        for name in names:
            ask(port, name)
    kinds = [event["kind"] for event in wrap.events("finding")]
    equal((kinds.count("hsts-missing"), kinds.count("hosts-full"), len(kinds)), (128, 1, 129), "findings")
    gaps = [finding["id"] for finding in json.loads(run([LAUNCHER, "report", "--json", wrap.log]).out)["findings"]]
    check("findings-full" in gaps, f"a full table is a gap in the evidence: {gaps}")


def main():
    tap = Tap()
    with tap.case("each fault is logged once for its host, whole responses, and is in the report"):
        check_report(check_faults(0))
    with tap.case("each fault is logged once for its host, a byte at a time"):
        check_faults(1)
    with tap.case("a client without a name: the address is the host"):
        wrap, port = findings_wrap(mode="audit"), free_port()
        with serve(wrap, SERVER, port):
            equal(ask(port, None), FAULTS["missing.test"][0], "bytes")
        equal([(event["kind"], event["local"]) for event in wrap.events("finding")],
              [("hsts-missing", f"127.0.0.1:{port}")], f"findings; log: {wrap.tail()}")
    with tap.case("a server with memory BIOs"):
        wrap, port = findings_wrap(), free_port()
        with serve(wrap, MEMORY, port):
            equal(ask(port, "memory.test"), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "bytes")
            wrap.wait_event("finding")
        equal(found(wrap, "memory.test"), [("hsts-missing", None)], "findings")
    with tap.case("with http = off, nothing is logged"):
        wrap, port = findings_wrap(log="off"), free_port()
        with serve(wrap, SERVER, port):
            equal(ask(port, "missing.test"), FAULTS["missing.test"][0], "bytes")
        equal((found(wrap), len(wrap.events("handshake"))), ([], 1), "findings and handshakes")
        check(all("findings" not in event for event in wrap.events("policy")), "the event policy should not name it")
    with tap.case("a client's requests are not looked at"):
        wrap = findings_wrap()
        with peers.Server(peers.reply_http(b"body")) as server:
            equal(run(wrap.argv(["curl", "-sS", "--cacert", certs.authority().cert,
                                 f"https://localhost:{server.port}/"])).out, b"body", "curl")
        equal((found(wrap), len(wrap.events("handshake"))), ([], 1), f"findings and handshakes; log: {wrap.tail()}")
    with tap.case("nginx, with keep-alive"):
        check_nginx()
    with tap.case("more hosts than a process remembers: one line says so"):
        check_full()
    tap.finish()


main()
