"""Proves that a program with an old configuration negotiates TLS 1.3 with ECDHE and nothing else when it is wrapped.

One table row per program: how it is started and how data goes through it. The cases are the same for all: first those of
the bare program, without which a refusal would prove nothing, then the same probes under pfswrap.
"""

import hashlib
import os
import re
import ssl
import time

from lib import certs, hello, peers
from lib.offered import Trap, check_offer_is_pfs
from lib.process import Process, find, free_port, run, temporary_directory
from lib.tap import check, equal, skip_all
from lib.wrap import Wrap

# TLS 1.2 with static RSA and finite-field DH first, as in old configurations; for programs with an OpenSSL cipher list.
CIPHERS = ("AES128-SHA:AES256-SHA:AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-SHA:"
           "ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0")
ECDHE_NAMES = ("X25519", "X448", "P-256", "P-384", "P-521", "X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024")
SUITES = ("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256")


def launch_by_pfswrap(argv, wrap):
    """(argv, environment) of a command, wrapped if a Wrap is given."""
    return (wrap.argv(argv) if wrap else argv), None


class LegacyServer:
    """
    A server of the table. `command(folder, port)` writes its configuration and returns its argv, in foreground;
    `exchange(port, context)` moves data; `prepare(socket)` does what comes before TLS. `addresses`: libssl has its socket.
    `groups`: those that must be accepted; a program may be configured for fewer than the policy allows.
    """

    def __init__(self, name, command, exchange, needs=(), prepare=None, weak=("tls12", "static-rsa", "ffdhe"),
                 launch=launch_by_pfswrap, addresses=True,
                 groups=("X25519", "P-256")):
        self.name, self.command, self.exchange, self.needs = name, command, exchange, needs
        self.prepare, self.weak, self.launch = prepare, weak, launch
        self.addresses, self.groups = addresses, groups

    def start(self, wrap=None):
        folder, port = temporary_directory(), free_port()
        argv, env = self.launch(self.command(folder, port), wrap)
        process = Process(argv, env=env, cwd=folder)
        process.wait_for_port(port)
        process.port, process.folder = port, folder
        return process


def require_programs(*names):
    """Skips the whole script if a program is not installed. Returns their paths."""
    paths = [find(name) for name in names]
    missing = [name for name, path in zip(names, paths) if path is None]
    if missing:
        skip_all(f"not installed: {', '.join(missing)} (scripts/install-deps check)")
    return paths


WEAK_OFFERS = {
    "tls12": ("TLS 1.2", hello.offer_tls12),
    "static-rsa": ("static RSA", hello.offer_static_rsa),
    "ffdhe": ("finite-field DH in TLS 1.2", hello.offer_ffdhe_suites),
}
REFUSED_OFFERS = dict(WEAK_OFFERS, **{
    "ffdhe-13": ("finite-field groups in TLS 1.3", hello.offer_ffdhe_groups),
    "tls11": ("TLS 1.1", lambda port, **details: hello.offer_old(port, 0x0302, **details)),
    "tls10": ("TLS 1.0", lambda port, **details: hello.offer_old(port, 0x0301, **details)),
})


def prove_server(tap, server):
    """All cases of one server: about 16 results."""
    require_programs(*server.needs)
    with server.start() as bare:
        for kind in server.weak:
            words, offer = WEAK_OFFERS[kind]
            with tap.case(f"{server.name} bare accepts {words}, so that its refusal means something"):
                answer = offer(bare.port, prepare=server.prepare)
                check(answer.accepted, f"expected a ServerHello, found {answer}; it printed: {bare.text()[-800:]}")
        if "tls12" in server.weak:
            with tap.case(f"{server.name} bare carries its data over TLS 1.2"):
                server.exchange(bare.port, peers.client_context(ssl.TLSVersion.TLSv1_2, ciphers="ALL:@SECLEVEL=0"))
    wrap = Wrap()
    wrapped = None
    with tap.case(f"{server.name} wrapped starts with the configuration it has bare"):
        wrapped = server.start(wrap)
    if wrapped is None:
        return wrap
    with wrapped:
        prove_forced(tap, server.name, wrapped.port, wrap, server)
    return wrap


def prove_forced(tap, name, port, wrap, server):
    """The cases about a wrapped server of the table that listens on `port`."""
    for words, offer in REFUSED_OFFERS.values():
        with tap.case(f"{name} wrapped refuses {words}"):
            answer = offer(port, prepare=server.prepare)
            check(not answer.accepted, f"expected an alert or an end, found {answer}")
    for group in server.groups:
        with tap.case(f"{name} wrapped finishes TLS 1.3 with {group} and its data is intact"):
            before = len(wrap.events("handshake", role="server"))
            context = peers.client_context(ssl.TLSVersion.TLSv1_3, group={"P-256": "prime256v1"}.get(group, group))
            server.exchange(port, context)
            event = wrap.wait_event("handshake", skip=before, role="server")
            check_handshake(event, group=group, addresses=server.addresses)
    with tap.case(f"{name} wrapped logs each refusal with its reason"):
        refused = wrap.wait_event("refused")
        check(refused.get("reason"), f"expected a reason in {refused}")


def check_handshake(event, role="server", group=None, addresses=True):
    """
    Checks that a handshake event has TLS 1.3, an ECDHE group and a TLS 1.3 suite. A program that moves the bytes itself
    (memory BIOs, BIOs of its own) gives libssl no socket, so there is no address to log: addresses = False.
    """
    equal(event.get("version"), "TLSv1.3", f"version in {event}")
    equal(event.get("role"), role, f"role in {event}")
    check(event.get("cipher") in SUITES, f"expected a suite of TLS 1.3 in {event}")
    check(event.get("group") in ECDHE_NAMES, f"expected an ECDHE group in {event}")
    if group == "X25519" and ssl.OPENSSL_VERSION_INFO >= (3, 5):
        check(event["group"] in ("X25519", "X25519MLKEM768"), f"group in {event}")  # the peer here prefers the hybrid
    elif group:
        equal(event["group"], group, f"group in {event}")
    for key in ("time", "pid", "program", *(("local", "peer") if addresses else ())):
        check(event.get(key), f"expected {key} in {event}")


class LegacyClient:
    """A client of the table. `command(port)` returns its argv; `received(result)` what it received, None if it failed."""

    def __init__(self, name, command, received, needs=(), launch=launch_by_pfswrap, bare="TLSv1.2", addresses=True,
                 psk_ke=False):
        self.name, self.command, self.received, self.needs = name, command, received, needs
        self.launch, self.bare, self.addresses, self.psk_ke = launch, bare, addresses, psk_ke


def output_of(result):
    """What a client of the table received, if it prints that on its standard output."""
    return result.out if result.status == 0 else None


def prove_client(tap, client, body=b"what the server says\n" * 4000, data=b""):
    """All cases of one client against HTTP servers: bare it uses TLS 1.2, wrapped TLS 1.3 or nothing."""
    require_programs(*client.needs)
    certificate = certs.server()
    wrap = Wrap()

    def talk(server, wrapped):
        argv, env = client.launch(client.command(server.port), wrap if wrapped else None)
        return run(argv, data=data, env=env)

    with peers.Server(peers.reply_http(body), certificate, ciphers="ALL:@SECLEVEL=0") as server:
        if client.bare:
            with tap.case(f"{client.name} bare uses {client.bare}, so that what it does wrapped means something"):
                result = talk(server, False)
                equal(client.received(result), body, f"body for {result!r}")
                equal(server.versions[-1][0], client.bare, "version the server saw")
        with tap.case(f"{client.name} wrapped uses TLS 1.3 with ECDHE and its data is intact"):
            result = talk(server, True)
            equal(client.received(result), body, f"body for {result!r}; log: {wrap.tail()}")
            equal(server.versions[-1][0], "TLSv1.3", "version the server saw")
            check_handshake(wrap.wait_event("handshake", role="client"), "client", addresses=client.addresses)
    with peers.Server(peers.reply_http(body), certificate, ssl.TLSVersion.TLSv1_2, ciphers="ALL:@SECLEVEL=0") as server:
        with tap.case(f"{client.name} wrapped fails against a server that allows TLS 1.2 only, and receives nothing"):
            result = talk(server, True)
            check(client.received(result) != body, f"expected a failure, found {result!r}")
            equal(server.versions, [], "handshakes the server finished")
    with Trap() as trap:
        with tap.case(f"{client.name} wrapped offers TLS 1.3, its suites and ECDHE groups, and nothing else"):
            result = talk(trap, True)
            check(trap.offers, f"expected a ClientHello; {trap.errors} {result!r}")
            check_offer_is_pfs(trap.offers[0], client.psk_ke)
    return wrap


def blob(megabytes=8):
    """Random bytes and their SHA-256, to send through a program."""
    data = os.urandom(megabytes << 20)
    return data, hashlib.sha256(data).hexdigest()


def http_get(connection, path="/", close=True):
    """One HTTP/1.1 request on a connection; returns (status, body), by Content-Length."""
    header = "close" if close else "keep-alive"
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: {header}\r\n\r\n".encode())
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        check(more, f"the stream ended inside the header: {data[:200]!r}")
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    body = bytearray(body)  # += copies all of a bytes object each time
    while length is None or len(body) < int(length[1]):
        more = connection.recv(65536)
        if not more:
            check(length is None, f"the stream ended after {len(body)} bytes of {length and length[1]}")
            break
        body += more
    return int(head.split()[1]), bytes(body)


def http_exchange(path, digest):
    """An exchange that fetches `path` over TLS and compares its SHA-256."""
    def exchange(port, context):
        with peers.connected(port, context) as connection:
            status, body = http_get(connection, path)
            equal((status, hashlib.sha256(body).hexdigest()), (200, digest), f"{path} ({len(body)} bytes)")
    return exchange


def echo_exchange(port, context, lines=200):
    """An exchange with a server that echoes."""
    with peers.connected(port, context) as connection:
        for number in range(lines):
            word = f"line {number} {'x' * (number % 50)}\n".encode()
            connection.sendall(word)
            equal(hello.receive(connection, len(word)), word, f"echo of line {number}")


def prove_echo_client(tap, name, command, launch=launch_by_pfswrap):
    """Cases of a test program that sends one line and prints `version X` and `received LINE`."""
    def talk(server, wrap):
        argv, env = launch(command(server.port), wrap)
        return run(argv, env=env)

    with peers.Server(peers.echo_line, ciphers="ALL:@SECLEVEL=0") as server, Trap() as trap:
        with tap.case(f"{name} bare uses TLS 1.2, so that TLS 1.3 means something"):
            result = talk(server, None)
            check("version TLSv1.2" in result.text and "received echo of " in result.text, f"{result!r}")
        with tap.case(f"{name} wrapped uses TLS 1.3 with ECDHE and its data is intact"):
            wrap, begun = Wrap(), time.monotonic()
            result = talk(server, wrap)
            seconds = time.monotonic() - begun
            check("received echo of " in result.text, f"{result!r}; log: {wrap.tail()}")
            count = result.text.count("version TLSv1.3")
            check(count > 0 and "version TLSv1.2" not in result.text, f"{result!r}")
            equal(server.versions[-1][0], "TLSv1.3", "version the server saw")
            equal(len(wrap.events("handshake", role="client")), count, f"handshakes; log: {wrap.tail()}")
            for event in wrap.events("handshake"):
                check_handshake(event, "client")
        with tap.case(f"{name} wrapped ends at once when the server has closed, and does not wait for its linger time"):
            check(seconds < 3, f"it took {seconds:.1f} s")
        with tap.case(f"{name} wrapped offers TLS 1.3, its suites and ECDHE groups, and nothing else"):
            result = talk(trap, Wrap())
            check(trap.offers, f"expected a ClientHello: {trap.errors} {result!r}")
            check_offer_is_pfs(trap.offers[0])
    with peers.Server(peers.echo_line, version=ssl.TLSVersion.TLSv1_2, ciphers="ALL:@SECLEVEL=0") as server:
        with tap.case(f"{name} wrapped fails against a server that allows TLS 1.2 only"):
            result = talk(server, Wrap())
            check(result.status not in (0, None) and "received" not in result.text, f"{result!r}")
            equal(server.versions, [], "handshakes the server finished")


def one_line_exchange(port, context):
    """An exchange with a test program that echoes one line per connection."""
    with peers.connected(port, context) as connection:
        connection.sendall(b"a line of the tester\n")
        equal(hello.receive(connection, 21), b"a line of the tester\n", "echo")
