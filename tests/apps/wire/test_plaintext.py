# run: first
"""The wire plane and plaintext: refused, logged or allowed by [wire] and rules; STARTTLS passes if it upgrades."""

import os
import socket
import threading

from lib import certs, hello, peers
from lib.legacy import blob
from lib.process import DEADLINE, Process, find, free_port, run, temporary_directory, wait_until
from lib.relay import relay
from lib.tap import Skip, Tap, check, contains, equal, lacks
from lib.wrap import WireWrap

HTTP_SERVER = ["python3", "-m", "http.server", "--bind", "127.0.0.1"]
CHILDREN = """
url=http://127.0.0.1:$1/
curl -s $url
sh -c "curl -s $url"
(curl -s $url)
curl -s $url &
wait
env -i /usr/bin/env curl -s $url
env -u LD_PRELOAD -u PFSWRAP_POLICY curl -s $url
nohup curl -s $url
setsid --wait curl -s $url
echo $url | xargs curl -s
timeout 20 curl -s $url
python3 -c 'import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read())' $url
perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new($ARGV[0]); print $s "GET / HTTP/1.0\\r\\n\\r\\n"; print <$s>;' \\
    127.0.0.1:$1
find / -maxdepth 0 -exec curl -s $url ';'
exec curl -s $url
"""


class Listener:
    """An unwrapped server of plain TCP; `handle(connection)` gets each; what it reads is in `received`."""

    def __init__(self, handle):
        self.handle, self.received, self.count = handle, b"", 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.count += 1
            threading.Thread(target=self.one, args=(connection,), daemon=True).start()

    def one(self, connection):
        with connection:
            connection.settimeout(DEADLINE)
            try:
                self.handle(self, connection)
            except (OSError, AssertionError):  # cut or closed: the other side checks that
                pass

    def receive(self, connection, size=65536):
        data = connection.recv(size)
        self.received += data
        return data

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def web(body):
    def handle(listener, connection):
        while b"\r\n\r\n" not in listener.received:
            if not listener.receive(connection):
                return
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    return handle


def curl(wrap, port, *options):
    argv = ["curl", "-s", *options, f"http://127.0.0.1:{port}/"]
    return run(wrap.argv(argv) if wrap else argv)


def clients(tap):
    with tap.case("a plain HTTP client is refused before a byte of its request is sent"):
        wrap = WireWrap("refuse")
        with Listener(web(b"body")) as server:
            equal(curl(None, server.port).out, b"body", "bare")
        with Listener(web(b"body")) as server:
            result = curl(wrap, server.port)
            check(result.status != 0 and result.out == b"", f"{result!r}")
            wait_until(lambda: server.count == 1, "the connection")
            equal(server.received, b"", "what the server received")
        event = wrap.wait_event("refused")
        equal((event["role"], event["reason"], event["rule"]), ("client", "plaintext is refused by the policy",
                                                                "wire"), f"{event}")
        check(event["peer"].endswith(f":{server.port}") and event["local"], f"addresses in {event}")

    with tap.case("a plain HTTP client passes with plaintext = log and is logged once, with allow it is not"):
        for plaintext, mode, events in (("log", "enforce", ["plaintext"]), ("allow", "enforce", []),
                                        ("refuse", "audit", ["would-refuse"]), ("starttls", "audit", ["would-refuse"])):
            wrap = WireWrap(plaintext, mode=mode)
            data, _ = blob(1)
            with Listener(web(data)) as server:
                equal(curl(wrap, server.port).out, data, f"body with {plaintext}; log: {wrap.tail()}")
            equal([event["event"] for event in wrap.events() if event.get("rule") == "wire"], events, plaintext)

    with tap.case("tls = off still refuses or logs plaintext"):
        with Listener(web(b"body")) as server:
            wrap = WireWrap("refuse", tls="off")
            equal(curl(wrap, server.port).out, b"", "body")
            wrap.wait_event("refused")
        with Listener(web(b"body")) as server:
            wrap = WireWrap("log", tls="off")
            equal((curl(wrap, server.port).out, len(wrap.events("plaintext"))), (b"body", 1), "body")

    with tap.case("a rule's plaintext overrides that of [wire], for its addresses alone"):
        with Listener(web(b"body")) as server, Listener(web(b"body")) as other:
            wrap = WireWrap("refuse", f"[connect old]\naddress = 127.0.0.1:{server.port}\nplaintext = allow\n")
            equal(curl(wrap, server.port).out, b"body", f"allowed; log: {wrap.tail()}")
            equal(curl(wrap, other.port).out, b"", "refused")
        with Listener(web(b"body")) as server:
            wrap = WireWrap("allow", f"[connect old]\naddress = 127.0.0.0/8:{server.port}\nplaintext = refuse\n")
            equal(curl(wrap, server.port).out, b"", "refused")
            equal(wrap.wait_event("refused")["rule"], "old", "rule")
            bare, refused = (run([*before, "curl", "-s", f"http://0.0.0.0:{server.port}/"]) for before in ([], wrap.argv([])))
            equal((bare.out, refused.out), (b"body", b""), "connected to 0.0.0.0, which reaches the rule's address")


def servers(tap):
    folder = temporary_directory()
    (folder / "index.html").write_text("a page")

    def serve(wrap):
        port = free_port()
        argv = [*HTTP_SERVER, "--directory", folder, port]
        process = Process(wrap.argv(argv) if wrap else argv).wait_for_port(port)
        process.port = port
        return process

    with tap.case("a plain HTTP server is refused as soon as its client sends, and so is the next connection"):
        wrap = WireWrap("refuse")
        with serve(wrap) as server:
            for _ in range(2):
                equal(curl(None, server.port).out, b"", "page")
        event = wrap.wait_event("refused", skip=1)
        equal((event["role"], event["rule"]), ("server", "wire"), f"{event}")

    with tap.case("a [listen] rule overrides [wire]"):
        wrap = WireWrap("refuse", "[listen web]\naddress = 127.0.0.1:*\nplaintext = log\n")
        with serve(wrap) as server:
            equal(curl(None, server.port).out, b"a page", "page")
        equal(wrap.wait_event("plaintext")["rule"], "web", "rule")

    if find("nginx") is None:
        raise Skip("nginx is not installed")
    with tap.case("the policy applies to a file that nginx sends with sendfile as to its header"):
        data, _ = blob(1)
        (folder / "data").write_bytes(data)
        for plaintext, passes in (("log", True), ("allow", True), ("refuse", False), ("starttls", False)):
            wrap, port, place = WireWrap(plaintext), free_port(), temporary_directory()
            place.chmod(0o777)
            (place / "nginx.conf").write_text(
                f"daemon off; master_process off; user root; pid {place}/pid; error_log stderr; events {{ }}\n"
                f"http {{ access_log off; sendfile on; client_body_temp_path {place}/a; proxy_temp_path {place}/b; "
                f"fastcgi_temp_path {place}/c; uwsgi_temp_path {place}/d; scgi_temp_path {place}/e;\n"
                f"server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n")
            with Process(wrap.argv([find("nginx"), "-c", place / "nginx.conf", "-p", place])).wait_for_port(port):
                out = run(["curl", "-s", f"http://127.0.0.1:{port}/data"]).out
                equal(out == data, passes, f"{plaintext}: {len(out)} bytes; log: {wrap.tail()}")
                if not passes:
                    check(len(out) < 4096, f"{plaintext}: {len(out)} bytes passed")


STARTTLS = {
    # what the client sends, what the server answers; None: nothing
    "SMTP": [(None, b"220 mail ESMTP\r\n"), (b"EHLO x\r\n", b"250-mail\r\n250 STARTTLS\r\n"), (b"STARTTLS\r\n",
                                                                                               b"220 go ahead\r\n")],
    "FTP": [(None, b"220 ftp\r\n"), (b"AUTH TLS\r\n", b"234 go ahead\r\n")],
    "PostgreSQL": [(b"\0\0\0\x08\x04\xd2\x16\x2f", b"S")],
    "IMAP": [(None, b"* OK\r\n"), (b"a STARTTLS\r\n", b"a OK begin\r\n")],
    "LDAP": [(bytes.fromhex("301d02010177188016312e332e362e312e342e312e313436362e3230303337"),
              bytes.fromhex("300c02010178070a010004000400"))],
    # MySQL's client continues with its hello without an answer
    "MySQL": [(None, b"\x4a\0\0\0\x0a8.0\0" + bytes(69)), (b"\x20\0\0\x01\x05\xae\xff\x19\0\0\0\x01\x21" + bytes(23),
                                                           b"")],
}


def talk(connection, protocol, is_client):
    for words, answer in STARTTLS[protocol]:
        for data, mine in ((words, is_client), (answer, not is_client)):
            if data and mine:
                connection.sendall(data)
            elif data:
                equal(hello.receive(connection, len(data)), data,
                      f"{protocol} at the {'client' if is_client else 'server'}")


def starttls_server(protocol, version=None):
    """An unwrapped server that negotiates, then does TLS and echoes a line."""
    def handle(_listener, connection):
        talk(connection, protocol, False)
        certificate = certs.server()
        context = peers.ssl.SSLContext(peers.ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.cert, certificate.key)
        if version:
            context.maximum_version = version
            context.set_ciphers("ALL:@SECLEVEL=0")
        with context.wrap_socket(connection, server_side=True) as tls:
            tls.sendall(b"echo " + tls.recv(100))
    return Listener(handle)


def starttls(tap):
    if find("socat") is None:
        raise Skip("socat is not installed")

    def ask(port, protocol):
        try:
            with peers.connected(port, prepare=lambda raw: talk(raw, protocol, True)) as connection:
                connection.sendall(b"line")
                return connection.recv(100)
        except (OSError, AssertionError):
            return None

    for protocol in STARTTLS:
        with tap.case(f"{protocol} that upgrades passes with plaintext = starttls, to TLS 1.3 and not to older versions"):
            wrap = WireWrap("starttls")
            with starttls_server(protocol) as server, relay(wrap, server.port) as relayed:
                equal(ask(relayed.port, protocol), b"echo line", f"log: {wrap.tail()}")
            equal(wrap.events("refused"), [], "refused")
            equal({event["role"] for event in wrap.events("observed")}, {"client", "server"}, "observed")
            for plaintext in ("starttls", "log", "allow"):
                wrap = WireWrap(plaintext)
                with starttls_server(protocol, peers.ssl.TLSVersion.TLSv1_2) as server, relay(wrap,
                                                                                              server.port) as relayed:
                    equal(ask(server.port, protocol), b"echo line", "bare")
                    equal(ask(relayed.port, protocol), None, f"TLS 1.2 with {plaintext}")
                equal(wrap.wait_event("refused")["version"], "TLSv1.2", "version")
        with tap.case(f"{protocol} is refused with plaintext = refuse"):
            wrap = WireWrap("refuse")
            with starttls_server(protocol) as server, relay(wrap, server.port) as relayed:
                equal(ask(relayed.port, protocol), None, "answer")

    with tap.case("a conversation that never upgrades is cut after 4 KiB either way"):
        for up, down in ((100, 8000), (8000, 100)):
            def handle(listener, connection, answer=down):
                listener.receive(connection)
                connection.sendall(b"y" * answer)
                while listener.receive(connection):
                    pass
            wrap = WireWrap("starttls")
            with Listener(handle) as server, relay(wrap, server.port) as relayed:
                with socket.create_connection(("127.0.0.1", relayed.port), DEADLINE) as connection:
                    received = b""
                    try:
                        connection.sendall(b"x" * min(up, 1000))
                        for _ in range(up // 1000):
                            connection.sendall(b"x" * 1000)
                        while more := connection.recv(65536):
                            received += more
                    except OSError:
                        pass
            check(len(received) <= 4096 and len(server.received) <= 4096,
                  f"{len(received)} and {len(server.received)} bytes passed")
            equal(wrap.wait_event("refused")["reason"], "plaintext that did not become TLS", "reason")


def children(tap):
    with tap.case("a script that starts its children in fourteen ways leaves none unprotected"):
        script = temporary_directory() / "script"
        script.write_text(CHILDREN)
        wrap = WireWrap("refuse")
        with Listener(web(b"secret page")) as server:
            run(["sh", script, server.port])
            wait_until(lambda: server.count == 14, lambda: f"14 connections bare, found {server.count}")
        with Listener(web(b"secret page")) as server:
            result = run(wrap.argv(["sh", script, server.port]))
            lacks(result.text, "secret page", "what the children received")
            equal(server.received, b"", "what the server received")
        equal(len(wrap.events("refused")), 14, f"refused connections; {wrap.tail()}")


def inherited(tap):
    with tap.case("the policy applies to a connection that a program inherits as stdin"):
        wrap = WireWrap("refuse")
        port = free_port()
        argv = ["socat", f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork",
                f"EXEC:{' '.join(wrap.argv(['cat']))},nofork"]
        with Process(argv).wait_for_port(port):
            with socket.create_connection(("127.0.0.1", port), DEADLINE) as connection:
                connection.sendall(b"hello\n")
                data = b""
                try:
                    data = connection.recv(100)
                except OSError:
                    pass
                equal(data, b"", "what came back")
        equal(wrap.wait_event("refused")["role"], "server", "role")


def rings(tap):
    script = "import ctypes, os; c = ctypes.CDLL(None, use_errno=True); b = ctypes.create_string_buffer(120);" \
             "fd = c.syscall(425, 4, b); print(fd >= 0, os.strerror(ctypes.get_errno()))"
    with tap.case("io_uring cannot be set up where the policy refuses anything, and programs fall back"):
        bare = run(["python3", "-c", script]).out.decode()
        for plaintext, tls, mode, refused in (("log", "pfs", "enforce", True), ("starttls", "off", "enforce", True),
                                              ("log", "log", "enforce", False), ("refuse", "pfs", "audit", False)):
            out = run(WireWrap(plaintext, tls=tls, mode=mode).argv(["python3", "-c", script])).out.decode()
            expected = f"False {os.strerror(38)}\n" if refused else bare
            equal(out, expected, f"io_uring_setup with plaintext = {plaintext}, tls = {tls}, mode = {mode}")


def slowly(tap):
    """Hellos in pieces of one byte, sent and received by a program without TLS."""
    client = "import socket, sys; c = socket.create_connection(('127.0.0.1', int(sys.argv[1])));" \
             "c.setsockopt(6, 1, 1)\ntry:\n for b in bytes.fromhex(sys.argv[2]): c.send(bytes([b]))\n" \
             " while d := c.recv(1): sys.stdout.buffer.write(d)\nexcept ConnectionResetError: print('reset')"
    record = hello.client_hello([hello.TLS13, hello.TLS12], [0xC02F, 0x1301], [0x1D])
    session = bytes(32)
    body = b"\3\3" + bytes(32) + b"\x20" + session + b"\xc0\x2f\0\0\0"
    answer = b"\x16\3\3" + (len(body) + 4).to_bytes(2, "big") + b"\2" + len(body).to_bytes(3, "big") + body

    def handle(listener, connection):
        while len(listener.received) < len(record) and listener.receive(connection):
            pass
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in answer + b"what comes after":
            connection.sendall(bytes([byte]))
        while listener.receive(connection):
            pass

    with tap.case("hellos in pieces of one byte are cut with the last byte of the ServerHello"):
        with Listener(handle) as server:
            bare = run(["python3", "-c", client, server.port, record.hex()])
        contains(bare.out, b"what comes after", "bare")
        wrap = WireWrap("log")
        with Listener(handle) as server:
            result = run(wrap.argv(["python3", "-c", client, server.port, record.hex()]))
        contains(result.out, b"reset", f"{result!r}; log: {wrap.tail()}")
        lacks(result.out, b"what comes after", "wrapped")
        check(result.out.startswith(answer[:-1]), f"all but the last byte should have passed: {result!r}")
        wrap.wait_event("refused")


def main():
    tap = Tap()
    for part in (clients, servers, starttls, children, inherited, rings, slowly):
        try:
            part(tap)
        except Skip as reason:
            tap.result(True, f"plaintext: {part.__name__}", skip=str(reason))
    tap.finish()


main()
