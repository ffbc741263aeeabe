"""One port for browsers and sealed apps: with seal = prefer a client announces the layer in the TLS handshake."""

import os
import ssl

from lib import certs, hello, layer, peers
from lib.legacy import http_get, require_programs
from lib.process import run
from lib.tap import Tap, check, contains, equal
from lib.wrap import Wrap

DATA = os.urandom(6 << 20)

# A server of a line protocol that sends first, as mail servers do.
GREETER = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
    while True:
        try:
            with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
                connection.sendall(b"220 ready\\r\\n")
                line = connection.recv(100)
                connection.sendall(b"250 " + line)
                connection.unwrap()
        except OSError as error:
            print(error, flush=True)
"""
CALLER = """
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as raw:
    with context.wrap_socket(raw, server_hostname="localhost") as connection:
        print(connection.recv(100), connection.selected_alpn_protocol())
        connection.sendall(b"HELO\\r\\n")
        print(connection.recv(100))
"""
GREETED = "b'220 ready\\r\\n' None\nb'250 HELO\\r\\n'\n"


def greeter(folder, port):
    (folder / "greeter.py").write_text(GREETER)
    return ["python3", folder / "greeter.py", port, certs.server().cert, certs.server().key]


def caller(port):
    return ["python3", "-c", CALLER, port, certs.authority().cert]


def version(result):
    return result.out.decode().rsplit("\n", 1)[-1]


def side_by_side(tap, row):
    ends = layer.Ends(seal="prefer", clients="any")
    with row.start(ends.server, DATA) as server:
        for protocol in ("--http1.1", "--http2"):
            fetch = layer.curl(server.port, protocol, "-o", server.folder / "got", "-w", "\n%{http_version}")
            expected = "2" if protocol == "--http2" and row.name == "nginx" else "1.1"
            for wrap, kind in ((None, "without the layer"), (ends.client, "with the layer")):
                with tap.case(f"{row.name} with prefer serves curl {protocol} {kind}"):
                    before = len(ends.server.events("opened")), len(ends.server.events("plain"))
                    result = run(wrap.argv(fetch) if wrap else fetch)
                    equal((result.status, version(result)), (0, expected), f"{result!r}")
                    equal((server.folder / "got").read_bytes() == DATA, True, "the data is the same")
                    kind_event = "opened" if wrap else "plain"
                    event = ends.server.wait_event(kind_event, skip=before[bool(not wrap)])
                    equal((event["layer"], event["rule"], event["role"]), ("tls", "web", "server"), f"{event}")
                    equal(event.get("peer_name"), "client" if wrap else None, f"{event}")
                    after = len(ends.server.events("opened")), len(ends.server.events("plain"))
                    equal(after[bool(wrap)], before[bool(wrap)], "events of the other kind")
        with tap.case(f"{row.name} with prefer accepts TLS connections without ALPN"):
            with peers.connected(server.port) as connection:
                status, body = http_get(connection, "/blob")
                equal((status, body == DATA), (200, True), "answer")
        with tap.case(f"{row.name} with prefer refuses a client that announces the layer, and does not seal"):
            context = peers.client_context(ssl.TLSVersion.TLSv1_3)
            context.set_alpn_protocols(["http/1.1", layer.NAME])
            with peers.connected(server.port, context) as connection:
                check(connection.selected_alpn_protocol() != layer.NAME, "the server must not choose the layer's name")
                connection.sendall(b"GET /blob HTTP/1.1\r\nHost: localhost\r\n\r\n")
                equal(connection.recv(100), b"", "what it gets")
            event = ends.server.wait_event("refused", layer="tls")
            contains(event["reason"], "does not speak the seal protocol", f"{event}")


def speaks_first(tap, seal):
    ends = layer.Ends(seal=seal, clients="any" if seal == "prefer" else "client")
    row = layer.Row("a server that sends first", greeter, ["python3"])
    with row.start(ends.server, b"") as server:
        with tap.case(f"{row.name} with {seal} greets a client with the layer"):
            result = run(ends.client.argv(caller(server.port)))
            equal(result.out.decode(), GREETED, f"{result!r}; {ends.client.tail()}")
            layer.shake(ends.server, "server")
        with tap.case(f"{row.name} with {seal} {'greets' if seal == 'prefer' else 'refuses'} one without"):
            result = run(caller(server.port))
            equal(result.out.decode(), GREETED if seal == "prefer" else "", f"{result!r}") if seal == "prefer" else \
                check(b"220" not in result.out, f"{result!r}")
            ends.server.wait_event("plain" if seal == "prefer" else "refused", layer="tls")


def one_certificate_two_names(tap):
    """The program's callback for server names may change the context, and with it the callback that chooses the protocol."""
    ends = layer.Ends(seal="prefer", clients="any")
    row = layer.Row("nginx with two names", two_names, ["nginx"])
    with row.start(ends.server, DATA) as server:
        for name in ("localhost", "server.test"):
            for wrap in (None, ends.client):
                with tap.case(f"nginx serves {name} over HTTP/2, {'with' if wrap else 'without'} the layer"):
                    argv = ["curl", "-sS", "--cacert", certs.authority().cert, "--http2", "-w", " %{http_version}",
                            "--connect-to", f"{name}:443:127.0.0.1:{server.port}", f"https://{name}/"]
                    result = run(wrap.argv(argv) if wrap else argv)
                    equal(result.out.decode(), f"this is {name} 2", f"{result!r}")
        equal(len(ends.server.events("opened")), 2, "layers opened")


def two_names(folder, port):
    argv = layer.nginx(folder, port)
    text = (folder / "nginx.conf").read_text()
    one = ("server {{ listen 127.0.0.1:{0} ssl http2; server_name {1}; ssl_protocols TLSv1.3; ssl_certificate {2}; "
           "ssl_certificate_key {3}; location / {{ return 200 'this is {1}'; }} }}")
    start = text.index("    server {")
    servers = "\n".join(one.format(port, name, certs.server(kind).cert, certs.server(kind).key)
                        for name, kind in (("localhost", "rsa"), ("server.test", "p256")))
    (folder / "nginx.conf").write_text(text[:start] + servers + "\n}\n")
    return argv


def scanned(tap):
    for seal in ("require", "prefer"):
        ends = layer.Ends(seal=seal, clients="any" if seal == "prefer" else "client")
        with layer.ROWS["nginx"].start(ends.server, DATA) as server:
            with tap.case(f"sslscan reports the same for a server with {seal} as without the layer"):
                scan = ["sslscan", "--no-colour", f"127.0.0.1:{server.port}"]
                sealed = run(scan, timeout=100)
                with layer.ROWS["nginx"].start(Wrap(), DATA) as other:
                    plain = run([*scan[:-1], f"127.0.0.1:{other.port}"], timeout=100)
                equal(facts(sealed, server.port), facts(plain, other.port), "what sslscan reports")
                contains(sealed.text, "TLSv1.3   enabled", "sslscan")
            with tap.case(f"a server with {seal} still refuses TLS 1.2"):
                check(not hello.offer_tls12(server.port).accepted, "TLS 1.2 was accepted")


def facts(result, port):
    return [line.replace(str(port), "PORT") for line in result.out.decode().splitlines()
            if line.strip() and not line.startswith(("Version", "OpenSSL", "Connected", "Not valid"))]


def main():
    tap = Tap()
    require_programs("nginx", "apache2", "curl", "sslscan")
    for name in ("nginx", "apache", "python"):
        side_by_side(tap, layer.ROWS[name])
    for seal in ("prefer", "require"):
        speaks_first(tap, seal)
    one_certificate_two_names(tap)
    scanned(tap)
    tap.finish()


main()
