"""What a client for another language must do, whatever the language: cases for its test script.

A client is a program that reads scenarios, one a line, and answers each with one line: clients/java/src/test/java and
clients/node/test have them. Uses lib.seal, lib.layer and the command lines of test programs.
"""

import hashlib
import socket
import subprocess
import threading
from contextlib import contextmanager

from lib import certs, layer
from lib.process import DEADLINE, PROGRAMS, Process, find, free_port, run
from lib.seal import Keys, SealWrap, command, needs_seal
from lib.tap import Skip, check, contains, equal
from lib.wrap import LAUNCHER

DATA = bytes(range(256)) * 8192
keys = Keys("server", "client")


class Client:
    """A process that runs scenarios, one after the other. `argv`: how it starts."""

    def __init__(self, argv):
        self.argv, self.process, self.waiting = [str(word) for word in argv], None, False

    def begin(self, scenario, **options):
        if self.waiting:  # a case that failed has not read its answer
            self.process.kill()
            self.process.wait()
            self.process = None
        if self.process is None:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        words = [scenario, *(f"{name}={value}" for name, value in options.items())]
        print(*words, file=self.process.stdin, flush=True)
        self.waiting = True

    def line(self):
        """The next line, or an empty one if the process has ended."""
        watchdog = threading.Timer(2 * DEADLINE, self.process.kill)
        watchdog.start()
        try:
            line = self.process.stdout.readline().strip()
            self.waiting = line.startswith("port ")
            return line
        finally:
            watchdog.cancel()

    def run(self, scenario, **options):
        """The answer: a dict of its values. AssertionError if the scenario failed."""
        self.begin(scenario, **options)
        return self.answer()

    def answer(self):
        line = self.line()
        check(line.startswith("ok "), f"the client's answer: {line}")
        return dict(word.split("=", 1) for word in line.split()[1:] if "=" in word) or line[3:]

    def fails(self, scenario, *words, **options):
        """The scenario ends with an exception, whose line has these words."""
        self.begin(scenario, **options)
        line = self.line()
        for word in ("error", *words):
            contains(line, word, "the client's answer")

    def stop(self):
        if self.process:
            self.process.stdin.close()
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextmanager
def echo(program="cat", **settings):
    """socat under pfswrap that gives each client the program's output; yields the port and the policy."""
    needs_seal()
    port = free_port()
    wrap = SealWrap(keys, identity="server", listen=port, **settings)
    with Process(wrap.argv(["socat", f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork", f"EXEC:{program}"])) as server:
        server.wait_for_port(port)
        yield port, wrap


def own(**more):
    return {"identity": keys.path("client"), "pins": keys.public("server"), **more}


def named_and_anonymous(client):
    with echo(clients="client") as (port, wrap):
        seen = client.run("echo", port=port, size=3_000_000, **own())
        equal((seen["pattern"], seen["peer"]), ("Noise_IK_25519_ChaChaPoly_SHA256", keys.public("server")), "what the client saw")
        event = wrap.wait_event("closed")
        equal((event["peer_name"], event["end"]), ("client", "clean"), "the server's log")
    with echo(clients="any") as (port, wrap):
        seen = client.run("echo", port=port, pins=keys.public("server"))
        equal(seen["pattern"], "Noise_NK_25519_ChaChaPoly_SHA256", "the pattern")


def with_psk(client):
    psk = keys.folder / "psk"
    psk.touch(0o600)
    psk.write_text(command("genpsk"))
    with echo(psk=psk, service="shop") as (port, _):
        seen = client.run("echo", port=port, psk=psk, service="shop", **own())
        equal(seen["pattern"], "Noise_IKpsk2_25519_ChaChaPoly_SHA256", "the pattern")
        client.fails("echo", "Refused E_TRUNCATED UPDATE_OR_ENROL", port=port, psk=psk, service="another", **own())


def new_keys(client):
    """The client begins re-handshakes: while it reads and writes, and in a program that only sends."""
    with echo() as (port, wrap):
        seen = client.run("echo", port=port, renew=100_000, size=1_000_000, piece=10_000, **own())
        check(int(seen["rehandshakes"]) >= 1, f"{seen}")
        equal(wrap.wait_event("closed")["end"], "clean", "the server's log")
    with echo(program="wc -c") as (port, _):
        seen = client.run("send", port=port, renew=300_000, size=4_000_000, piece=10_000, **own())
        check(int(seen["rehandshakes"]) >= 1, f"{seen}")


def serves(client):
    """A wrapped client, and `pfswrap seal connect` with re-handshakes that the client answers."""
    needs_seal()
    client.begin("serve", identity=keys.path("server"), client=keys.public("client"))
    port = int(client.line().split()[1])
    wrap = SealWrap(keys, identity="client", connect=port, peer="server")
    done = run(wrap.argv(["socat", "-t", f"{DEADLINE:g}", "-", f"TCP:127.0.0.1:{port}"]), data=DATA)
    check(done.out == DATA, f"what came back: {len(done.out)} bytes; {done.err!r}; {wrap.tail()}")
    seen = client.answer()
    equal((seen["name"], seen["bytes"]), ("client", str(len(DATA))), "what the client saw")
    equal(wrap.wait_event("closed")["end"], "clean", "the client's log")


def debugging_peer(client):
    """With `pfswrap seal`, as client and as server."""
    needs_seal()
    client.begin("serve", identity=keys.path("server"), client=keys.public("client"), rekey=7, padding=512)
    port = int(client.line().split()[1])
    done = run([LAUNCHER, "seal", "connect", "--identity", keys.path("client"), "--peers", keys.peers, "--peer", "server",
                "--padding", "padme", f"127.0.0.1:{port}"], data=DATA)
    check(done.status == 0 and done.out == DATA, f"{done.status}, {len(done.out)} bytes; {done.err!r}")
    equal(client.answer()["pads"], "true", "whether the client pads")
    port = free_port()
    with Process([LAUNCHER, "seal", "listen", "--identity", keys.path("server"), "--peers", keys.peers,
                  f"127.0.0.1:{port}"]) as server:
        server.wait_for_port(port)
        client.fails("receive", "E_TRUNCATED", port=port, **own(pins=keys.public("client")))


def renewed_by_the_client(client):
    """A program on the C library asks the client's server for new keys, and gets them while data passes both ways."""
    needs_seal()
    client.begin("serve", identity=keys.path("server"), client=keys.public("client"))
    port = int(client.line().split()[1])
    with socket.create_connection(("127.0.0.1", port)) as sock:
        done = subprocess.run([PROGRAMS / "seal/seal_peer", "--role=initiator", f"--peer={keys.public('server')}",
                               f"--secret={keys.path('client').read_text().split()[0]}", "--volume=30000",
                               "--sizes=20000,40000,100,50000,1000"], stdin=sock, stdout=sock, stderr=subprocess.PIPE, text=True,
                              timeout=DEADLINE, check=False)
    seen = client.answer()
    check(int(seen["rehandshakes"]) >= 2, f"{seen}; {done!r}")


def padded(client):
    with echo(padding="block:1024") as (port, wrap):
        for setting in (1, 2, 256):
            equal(client.run("echo", port=port, padding=setting, size=50_000, **own())["pads"], "true", "the server pads")
        equal([wrap.wait_event("opened", skip=i)["padding"] for i in range(3)], ["sent", "both", "both"], "the log")
    with echo() as (port, _):
        client.fails("echo", "SealException E_PADDING_REFUSED REPORT", port=port, padding=2, **own())


def two_pinned_keys(client):
    other = keys.make("other", listed=False)
    with echo() as (port, wrap):
        for _ in range(2):
            seen = client.run("echo", port=port, keep="pins", **own(pins=f"{other},{keys.public('server')}"))
            equal(seen["peer"], keys.public("server"), "the server's key")
            wrap.wait_event("closed")
        wrap.wait_event("refused")
        equal(len(wrap.events("refused")), 1, "refusals: the second connection begins with the key that worked")
        client.fails("echo", "Refused E_TRUNCATED UPDATE_OR_ENROL", port=port, **own(pins=other))


def refusals(client):
    """A client's own key is rotated: the new identity is not known yet, and then it is."""
    new = keys.make("new", listed=False)
    with echo(clients="client") as (port, wrap):
        client.fails("receive", "Refused E_TRUNCATED UPDATE_OR_ENROL", port=port, keep="own", **own(identity=keys.path("new")))
        wrap.wait_event("refused", reason="the client's key is not among the peers")
        client.run("echo", port=port, keep="own", **own())
        client.fails("echo", "no pinned key of the server", port=port, identity=keys.path("client"))
        client.fails("echo", "a power of 2", port=port, padding=100, **own())
    with keys.peers.open("a", encoding="ascii") as file:
        file.write(f"client {new}\n")
    with echo(clients="client") as (port, _):
        client.run("echo", port=port, **own(identity=keys.path("new")))


def key_files(client):
    bad = keys.folder / "bad.key"
    bad.touch(0o600)
    secret = command("genkey").splitlines()[0]
    for content, words in ((f"{secret}=\n", "44 characters"), ("", "no key"), ("#\n\n", "no key"), ("A" * 5000, "5000 bytes")):
        bad.write_text(content)
        client.begin("key", file=bad)
        line = client.line()
        contains(line, f"- -: {bad}: ", "the answer")
        check(line.startswith("error SealKeyE"), line)
        contains(line, words, "the answer")
        check(secret[:20] not in line, "a part of the key in the message")
    bad.write_text(secret + "\n# created 2026-01-01\n")
    bad.chmod(0o640)
    client.fails("key", "expected mode 0600 or 0400", file=bad)
    bad.chmod(0o400)
    equal(client.run("key", file=bad)["public"], command("pubkey", data=secret.encode()).strip(), "the public key")


def waits_longer(client):
    with socket.socket() as deaf:  # nobody listens, and nobody else can
        deaf.bind(("127.0.0.1", 0))
        client.fails("reconnect", "waited, error", port=deaf.getsockname()[1], **own())
    with echo() as (port, _):
        client.fails("reconnect", "error Refused E_TRUNCATED UPDATE_OR_ENROL", port=port, **own(pins=keys.public("client")))
        equal(client.run("reconnect", port=port, **own()), "connected", "the answer")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client.fails("reconnect", "Refused E_TRUNCATED TRY_LATER", "no handshake in 50 ms", port=silent.getsockname()[1],
                   handshake=50, attempts=2, **own())


def inside_tls(client):
    needs_seal()
    if not find("nginx"):
        raise Skip("there is no nginx here")
    ends = layer.Ends(keys=keys)
    ca = certs.authority().cert
    with layer.ROWS["nginx"].start(ends.server, DATA) as server:
        seen = client.run("get", port=server.port, host="localhost", ca=ca, path="/blob", **own())
        equal((seen["status"], seen["sha256"]), ("200", hashlib.sha256(DATA).hexdigest()), f"{seen}; {ends.server.tail()}")
        event = layer.shake(ends.server, "server")
        equal((event["peer_name"], event["pattern"]), ("client", "IK"), "the server's log")
        client.fails("get", "Refused E_TRUNCATED UPDATE_OR_ENROL", port=server.port, host="localhost", ca=ca, path="/blob",
                   **own(pins=keys.public("client")))
        client.fails("get", "certificate", port=server.port, host="127.1", ca=ca, path="/blob", **own())


def truncated(client):
    """The server's process is killed when the request has come."""
    path = keys.folder / "killer"
    path.write_text("#!/bin/sh\nread line\nkill -9 $PPID\n")
    path.chmod(0o755)
    with echo(program=path) as (port, _):
        client.fails("get", "Truncated E_TRUNCATED REPEAT_REQUEST", port=port, path="/", **own())


def page():
    """A program that answers a request of HTTP. It reads it first: a connection with unread bytes ends with a reset."""
    path = keys.folder / "page"
    path.write_text("#!/bin/sh\nread line\nprintf 'HTTP/1.1 200 OK\\r\\n\\r\\nhello'\n")
    path.chmod(0o755)
    return path


def has_post_quantum():
    """Raises Skip if the programs of this build have no ML-KEM."""
    if "post-quantum: no" in run([LAUNCHER, "version"]).out.decode():
        raise Skip("this build has no ML-KEM (make mlkem-source)")


def hybrid(client):
    has_post_quantum()
    with echo(post_quantum="require") as (port, _):
        seen = client.run("echo", port=port, hybrid=1, renew=100_000, size=400_000, piece=10_000, **own())
        equal(seen["pattern"], "Noise_IKhfs_25519+MLKEM768_ChaChaPoly_SHA256", "the pattern")
        check(int(seen["rehandshakes"]) >= 1, f"{seen}")


def example_says(get, advice):
    """The example program fetches a page with the second pinned key, and says what to do when it is refused."""
    with echo(program=page(), clients="any") as (port, _):
        done = run([*get, port, keys.path("client"), keys.public("client"), keys.public("server")])
        equal((done.status, done.out), (0, b"HTTP/1.1 200 OK\r\n\r\nhello"), f"{done!r}")
        done = run([*get, port, "-", keys.public("client")])
        equal(done.status, 1, f"{done!r}")
        contains(done.text, f"what to do: {advice}", "what it says")


CASES = (
    ("3 MB there and back, named and anonymous", named_and_anonymous),
    ("a preshared key and a service", with_psk),
    ("begins re-handshakes, also if the program only sends", new_keys),
    ("serves a client under pfswrap", serves),
    ("talks to pfswrap seal connect and listen, padded", debugging_peer),
    ("serves a client that asks for new keys", renewed_by_the_client),
    ("padding, from either side, and a server that does not read it", padded),
    ("the second of two pinned keys, and the next time at once", two_pinned_keys),
    ("an unknown client, the rotation of its key, mistakes: each has its exception", refusals),
    ("an end without FINAL is a truncation", truncated),
    ("key files: what is wrong, and nothing of the key", key_files),
    ("connects again after longer waits, but not where waiting is of no use", waits_longer),
    ("inside TLS, against a wrapped nginx: other pins and other names are refused", inside_tls))
