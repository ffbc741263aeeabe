"""Resumption and early data: resumed connections have a new ECDHE exchange, and nothing is sent before it.

With openssl s_server and s_client of every build, wrapped on one side and bare on the other.
"""

import contextlib
import subprocess

from lib import certs
from lib.legacy import check_handshake
from lib.openssl_builds import builds
from lib.process import Process, free_port, temporary_directory, wait_until
from lib.tap import Tap, check, equal
from lib.wrap import Wrap

NO_DHE = "-allow_no_dhe_kex"


class Session:
    """A server, and a file with a session that a client has saved."""

    def __init__(self, build, server_wrap=None, client_wrap=None, server=(), client=()):
        self.build, self.client = build, client
        self.folder = temporary_directory()
        self.file, certificate, self.port = self.folder / "session.pem", certs.server(), free_port()
        argv, env = build.launch(["openssl", "s_server", "-accept", self.port, "-cert", certificate.cert, "-key",
                                  certificate.key, *server], server_wrap)
        self.server = Process(argv, env=env, stdin=subprocess.PIPE).wait_for_port(self.port)
        argv, env = build.launch(self.words("-sess_out", self.file), client_wrap)
        with Process(argv, env=env, stdin=subprocess.PIPE) as first:
            self.saved = self.wait_for_session(first)
            self.first = quit_client(first)

    def words(self, *options):
        return ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", *self.client, *options]

    def wait_for_session(self, client):
        """Whether a session was saved. A line is sent through, after which every ticket has arrived."""
        wait_until(lambda: "Verify return code" in client.text() or not client.running(), "the handshake")
        before = len(self.server.text())
        if client.running():
            client.popen.stdin.write(b"a line from the client\n")
            client.popen.stdin.flush()
            wait_until(lambda: "a line from the client" in self.server.text()[before:] or not client.running(),
                       lambda: f"the line at the server: {client.text()[-800:]}")
            self.server.popen.stdin.write(b"a line from the server\n")
            self.server.popen.stdin.flush()
            wait_until(lambda: "a line from the server" in client.text() or not client.running(),
                       lambda: f"the line at the client: {client.text()[-800:]}")
        return self.file.exists() and b"END SSL SESSION" in self.file.read_bytes()

    def resume(self, *options, wrap=None):
        """Connects again with the session; returns what s_client printed."""
        argv, env = self.build.launch(self.words("-sess_in", self.file, *options), wrap)
        with Process(argv, env=env, stdin=subprocess.PIPE) as client:
            wait_until(lambda: "Verify return code" in client.text() or not client.running(), "the handshake")
            return quit_client(client)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()


def quit_client(client):
    """Ends an s_client with a close_notify, without which a server may forget the session; returns what it printed."""
    if client.running():
        with contextlib.suppress(OSError):
            client.popen.stdin.write(b"Q\n")
            client.popen.stdin.flush()
        client.wait()
    return client.text()


def reused(text):
    return "\nReused, " in text


def tail(text):
    """What s_client prints after the certificate."""
    return text.rpartition("END CERTIFICATE")[2][-900:]


def fresh_key(text):
    """Whether s_client saw a temporary key of the server, which it prints for groups other than hybrid ones."""
    return "Temp Key: " in text


def prove_tickets(tap, build):
    name = build.name
    with tap.case(f"{name} wrapped resumes TLS 1.3 sessions with a new ECDHE exchange, and logs it"):
        wrap = Wrap(tls={"groups": "X25519"})
        with Session(build, server_wrap=wrap) as session:
            check(session.saved, f"expected a ticket: {tail(session.first)}")
            text = session.resume()
            check(reused(text), f"expected a resumption: {tail(text)}")
            check(fresh_key(text), f"expected a temporary key: {tail(text)}")
            event = wrap.wait_event("handshake", role="server", resumed=True)
            check_handshake(event)
    with tap.case(f"{name} bare resumes without ECDHE if the ends have no common group, so that a refusal means something"):
        with Session(build, server=[NO_DHE, "-groups", "X25519"], client=[NO_DHE]) as session:
            text = session.resume("-tls1_3", "-groups", "P-256")
            check(reused(text) and not fresh_key(text), f"expected a resumption without ECDHE: {tail(text)}")
    with tap.case(f"{name} s_server {NO_DHE} wrapped resumes with a new ECDHE exchange, and not without a common group"):
        wrap = Wrap(tls={"groups": "X25519"})
        with Session(build, server_wrap=wrap, server=[NO_DHE], client=[NO_DHE]) as session:
            text = session.resume("-tls1_3")
            check(reused(text) and fresh_key(text), f"expected a resumption with ECDHE: {tail(text)}")
            text = session.resume("-tls1_3", "-groups", "P-256")
            check(not reused(text), f"expected no connection: {tail(text)}")
            for event in wrap.events("handshake"):
                check_handshake(event)
    with tap.case(f"{name} s_client {NO_DHE} wrapped resumes with a new ECDHE exchange, and not without a common group"):
        wrap = Wrap(tls={"groups": "X25519"})
        with Session(build, client_wrap=wrap, server=[NO_DHE, "-groups", "X25519"], client=[NO_DHE]) as session:
            text = session.resume("-tls1_3", wrap=wrap)
            check(reused(text) and fresh_key(text), f"expected a resumption with ECDHE: {tail(text)}")
            text = session.resume("-tls1_3", wrap=Wrap(tls={"groups": "P-256"}))
            check(not reused(text), f"expected no connection: {tail(text)}")
    with tap.case(f"{name} s_server wrapped with session-tickets = refuse issues no ticket and resumes nothing"):
        wrap = Wrap(tls={"session-tickets": "refuse", "groups": "X25519"})
        with Session(build, server_wrap=wrap) as session:
            check(not session.saved, f"expected no session: {tail(session.first)}")
    with tap.case(f"{name} s_client wrapped with session-tickets = refuse resumes nothing"):
        with Session(build) as session:
            check(session.saved, "expected a ticket")
            wrap = Wrap(tls={"session-tickets": "refuse", "groups": "X25519"})
            text = session.resume(wrap=wrap)
            check(not reused(text) and fresh_key(text), f"expected a new session: {tail(text)}")
    with tap.case(f"{name} s_server capped at TLS 1.2 wrapped issues no ticket, since its program expects none"):
        wrap = Wrap()
        with Session(build, server_wrap=wrap, server=["-no_tls1_3"]) as session:
            check(not session.saved, f"expected no session: {tail(session.first)}")
            check_handshake(wrap.wait_event("handshake", role="server"))


def prove_early_data(tap, build):
    name, file = build.name, temporary_directory() / "early.txt"
    file.write_text("bytes before the handshake\n")
    early = ["-early_data", "-max_early_data", "16384"]
    with tap.case(f"{name} bare sends and accepts early data, so that its refusal means something"):
        with Session(build, server=early) as session:
            text = session.resume("-tls1_3", "-early_data", file)
            check("Early data was accepted" in text, f"{tail(text)}")
    with tap.case(f"{name} s_server -early_data wrapped accepts none, and the connection continues"):
        wrap = Wrap()
        with Session(build, server_wrap=wrap, server=early) as session:
            check("Max Early Data: 16384" not in session.first, f"a ticket that allows it: {tail(session.first)}")
            text = session.resume("-tls1_3", "-early_data", file)
            check("Early data was accepted" not in text, f"{tail(text)}")
            check("bytes before the handshake" not in session.server.text(), "early data reached the server")
            check(wrap.events("override"), f"expected an override; log: {wrap.tail()}")
    with tap.case(f"{name} s_client -early_data wrapped sends none: the call fails"):
        wrap = Wrap()
        with Session(build, server=early) as session:
            text = session.resume("-tls1_3", "-early_data", file, wrap=wrap)
            check("Early data was accepted" not in text, f"{tail(text)}")
            check("bytes before the handshake" not in session.server.text(), "early data reached the server")


def prove_tls12(tap, build):
    name = build.name
    with tap.case(f"{name} bare resumes TLS 1.2 without ECDHE, so that its refusal means something"):
        with Session(build, client=["-tls1_2"]) as session:
            check(reused(session.resume()), "expected a resumption")
    policy = {"min-version": "1.2", "groups": "X25519"}
    with tap.case(f"{name} s_server wrapped with min-version = 1.2 uses TLS 1.2 but never resumes it"):
        wrap = Wrap(tls=policy)
        with Session(build, server_wrap=wrap, client=["-tls1_2"]) as session:
            check("TLSv1.2" in session.first, f"expected TLS 1.2: {tail(session.first)}")
            if session.saved:
                text = session.resume()
                check(not reused(text) and fresh_key(text), f"expected a new session: {tail(text)}")
            equal({event["resumed"] for event in wrap.events("handshake")}, {False}, "resumed")
    with tap.case(f"{name} s_client wrapped with min-version = 1.2 uses TLS 1.2 but never resumes it"):
        with Session(build, client=["-tls1_2"]) as session:
            text = session.resume(wrap=Wrap(tls=policy))
            check(not reused(text) and fresh_key(text), f"expected a new session: {tail(text)}")


tap_ = Tap()
for each in builds(tap_):
    prove_tickets(tap_, each)
    prove_early_data(tap_, each)
    prove_tls12(tap_, each)
tap_.finish()
