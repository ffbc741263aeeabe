"""The Java client (clients/java): all vectors, and connections with programs under pfswrap, both ways and inside TLS."""

import hashlib
import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

from lib import certs, client_vectors, layer, newer_debian
from lib.process import DEADLINE, PROGRAMS, ROOT, Process, find, free_port, run, temporary_directory
from lib.seal import Keys, SealWrap, command, needs_seal
from lib.tap import Skip, Tap, check, contains, equal, skip_all
from lib.wrap import LAUNCHER

JARS = Path("/usr/share/java")
JAVA = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m", "-cp"]
VECTORS = {"seal.json": "6 connections, 36 refused inputs\n", "hybrid.json": "4 connections, 4 refused inputs\n"}
DATA = bytes(range(256)) * 8192
keys = Keys("server", "client")


class Java:
    """A JVM that runs scenarios (clients/java/src/test/java/pfswrap/seal/Scenarios.java), one after the other."""

    def __init__(self, *jars):
        self.folder, self.jars = temporary_directory(), [str(jar) for jar in jars]
        built = run([ROOT / "clients/java/compile", "--tests", self.folder, ":".join(self.jars)], timeout=2 * DEADLINE)
        equal(built.status, 0, f"the compiler: {built!r}")
        self.path = ":".join([str(self.folder / "classes"), *self.jars])
        self.process, self.waiting = None, False

    def check_vectors(self, file, change=lambda vectors: None):
        text = "\n".join(client_vectors.lines(file, change)) + "\n"
        return run([*JAVA, self.path, "pfswrap.seal.VectorCheck"], data=text.encode())

    def begin(self, scenario, **options):
        if self.waiting:  # a case that failed has not read its answer
            self.process.kill()
            self.process.wait()
            self.process = None
        if self.process is None:
            self.process = subprocess.Popen([*JAVA, self.path, "pfswrap.seal.Scenarios"], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, text=True)
        words = [scenario, *(f"{name}={value}" for name, value in options.items())]
        print(*words, file=self.process.stdin, flush=True)
        self.waiting = True

    def line(self):
        """The next line, or the JVM ends and the line is empty."""
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


def vectors(java, file):
    done = java.check_vectors(file)
    equal(done.out.decode(), VECTORS[file], f"{done!r}")

    def change(all_vectors):
        step = all_vectors["connections"][0]["steps"][6]
        step["bytes"] = step["bytes"][:-4] + ("00" if step["bytes"][-4:-2] != "00" else "01") + step["bytes"][-2:]
    check("expected" in java.check_vectors(file, change).text, "a changed byte is found")


def named_and_anonymous(java):
    with echo(clients="client") as (port, wrap):
        seen = java.run("echo", port=port, size=3_000_000, **own())
        equal((seen["pattern"], seen["peer"]), ("Noise_IK_25519_ChaChaPoly_SHA256", keys.public("server")), "what Java saw")
        event = wrap.wait_event("closed")
        equal((event["peer_name"], event["end"]), ("client", "clean"), "the server's log")
        java.run("timeout", port=port, **own())
    with echo(clients="any") as (port, wrap):
        seen = java.run("echo", port=port, pins=keys.public("server"))
        equal(seen["pattern"], "Noise_NK_25519_ChaChaPoly_SHA256", "the pattern")


def with_psk(java):
    psk = keys.folder / "psk"
    psk.touch(0o600)
    psk.write_text(command("genpsk"))
    with echo(psk=psk, service="shop") as (port, _):
        seen = java.run("echo", port=port, psk=psk, service="shop", **own())
        equal(seen["pattern"], "Noise_IKpsk2_25519_ChaChaPoly_SHA256", "the pattern")
        java.fails("echo", "Refused E_TRUNCATED UPDATE_OR_ENROL", port=port, psk=psk, service="another", **own())


def new_keys(java):
    """The client begins re-handshakes: while it reads and writes, and in a program that only sends."""
    with echo() as (port, wrap):
        seen = java.run("echo", port=port, renew=100_000, size=1_000_000, piece=10_000, **own())
        check(int(seen["rehandshakes"]) >= 1, f"{seen}")
        equal(wrap.wait_event("closed")["end"], "clean", "the server's log")
    with echo(program="wc -c") as (port, _):
        seen = java.run("send", port=port, renew=300_000, size=4_000_000, piece=10_000, **own())
        check(int(seen["rehandshakes"]) >= 1, f"{seen}")


def serves(java):
    """A wrapped client, and `pfswrap seal connect` with re-handshakes that Java answers."""
    needs_seal()
    java.begin("serve", identity=keys.path("server"), client=keys.public("client"))
    port = int(java.line().split()[1])
    wrap = SealWrap(keys, identity="client", connect=port, peer="server")
    done = run(wrap.argv(["socat", "-t", f"{DEADLINE:g}", "-", f"TCP:127.0.0.1:{port}"]), data=DATA)
    check(done.out == DATA, f"what came back: {len(done.out)} bytes; {done.err!r}; {wrap.tail()}")
    seen = java.answer()
    equal((seen["name"], seen["bytes"]), ("client", str(len(DATA))), "what Java saw")
    equal(wrap.wait_event("closed")["end"], "clean", "the client's log")


def debugging_peer(java):
    """With `pfswrap seal`, as client and as server."""
    needs_seal()
    java.begin("serve", identity=keys.path("server"), client=keys.public("client"), rekey=7, padding=512)
    port = int(java.line().split()[1])
    done = run([LAUNCHER, "seal", "connect", "--identity", keys.path("client"), "--peers", keys.peers, "--peer", "server",
                "--padding", "padme", f"127.0.0.1:{port}"], data=DATA)
    check(done.status == 0 and done.out == DATA, f"{done.status}, {len(done.out)} bytes; {done.err!r}")
    equal(java.answer()["pads"], "true", "whether the client pads")
    port = free_port()
    with Process([LAUNCHER, "seal", "listen", "--identity", keys.path("server"), "--peers", keys.peers,
                  f"127.0.0.1:{port}"]) as server:
        server.wait_for_port(port)
        java.fails("receive", "E_TRUNCATED", port=port, **own(pins=keys.public("client")))


def renewed_by_the_client(java):
    """A program on the C library asks Java's server for new keys, and gets them while data passes both ways."""
    needs_seal()
    java.begin("serve", identity=keys.path("server"), client=keys.public("client"))
    port = int(java.line().split()[1])
    with socket.create_connection(("127.0.0.1", port)) as sock:
        done = subprocess.run([PROGRAMS / "seal/seal_peer", "--role=initiator", f"--peer={keys.public('server')}",
                               f"--secret={keys.path('client').read_text().split()[0]}", "--volume=30000",
                               "--sizes=20000,40000,100,50000,1000"], stdin=sock, stdout=sock, stderr=subprocess.PIPE, text=True,
                              timeout=DEADLINE, check=False)
    seen = java.answer()
    check(int(seen["rehandshakes"]) >= 2, f"{seen}; {done!r}")


def padded(java):
    with echo(padding="block:1024") as (port, wrap):
        for setting in (1, 2, 256):
            equal(java.run("echo", port=port, padding=setting, size=50_000, **own())["pads"], "true", "the server pads")
        equal([wrap.wait_event("opened", skip=i)["padding"] for i in range(3)], ["sent", "both", "both"], "the log")
    with echo() as (port, _):
        java.fails("echo", "SealException E_PADDING_REFUSED REPORT", port=port, padding=2, **own())


def two_pinned_keys(java):
    other = keys.make("other", listed=False)
    with echo() as (port, wrap):
        for _ in range(2):
            seen = java.run("echo", port=port, keep="pins", **own(pins=f"{other},{keys.public('server')}"))
            equal(seen["peer"], keys.public("server"), "the server's key")
            wrap.wait_event("closed")
        wrap.wait_event("refused")
        equal(len(wrap.events("refused")), 1, "refusals: the second connection begins with the key that worked")
        java.fails("echo", "Refused E_TRUNCATED UPDATE_OR_ENROL", port=port, **own(pins=other))


def refusals(java):
    """A client's own key is rotated: the new identity is not known yet, and then it is."""
    new = keys.make("new", listed=False)
    with echo(clients="client") as (port, wrap):
        java.fails("receive", "Refused E_TRUNCATED UPDATE_OR_ENROL", port=port, keep="own", **own(identity=keys.path("new")))
        wrap.wait_event("refused", reason="the client's key is not among the peers")
        java.run("echo", port=port, keep="own", **own())
        java.fails("cut", "Truncated E_TRUNCATED REPEAT_REQUEST", port=port, **own())
        java.fails("echo", "IllegalArgumentException", port=port, identity=keys.path("client"))
        java.fails("echo", "IllegalArgumentException", "a power of 2", port=port, padding=100, **own())
    with keys.peers.open("a", encoding="ascii") as file:
        file.write(f"client {new}\n")
    with echo(clients="client") as (port, _):
        java.run("echo", port=port, **own(identity=keys.path("new")))


def key_files(java):
    bad = keys.folder / "bad.key"
    bad.touch(0o600)
    secret = command("genkey").splitlines()[0]
    for content, words in ((f"{secret}=\n", "44 characters"), ("", "no key"), ("#\n\n", "no key"), ("A" * 5000, "5000 bytes")):
        bad.write_text(content)
        java.begin("key", file=bad)
        line = java.line()
        contains(line, f"error SealKeyException - -: {bad}: ", "the answer")
        contains(line, words, "the answer")
        check(secret[:20] not in line, "a part of the key in the message")
    bad.write_text(secret + "\n# created 2026-01-01\n")
    bad.chmod(0o640)
    java.fails("key", "expected mode 0600 or 0400", file=bad)
    bad.chmod(0o400)
    equal(java.run("key", file=bad)["public"], command("pubkey", data=secret.encode()).strip(), "the public key")


def waits_longer(java):
    with socket.socket() as deaf:  # nobody listens, and nobody else can
        deaf.bind(("127.0.0.1", 0))
        java.fails("reconnect", "waited, error ConnectException", port=deaf.getsockname()[1], **own())
    with echo() as (port, _):
        java.fails("reconnect", "error Refused E_TRUNCATED UPDATE_OR_ENROL", port=port, **own(pins=keys.public("client")))
        equal(java.run("reconnect", port=port, **own()), "connected", "the answer")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        java.fails("reconnect", "Refused E_TRUNCATED TRY_LATER", "no handshake in 50 ms", port=silent.getsockname()[1],
                   handshake=50, attempts=2, **own())


def hybrid(_java):
    if "post-quantum: no" in run([LAUNCHER, "version"]).out.decode():
        raise Skip("this build has no ML-KEM (make mlkem-source)")
    newer = Java(newer_debian.command("libbcprov-java", "usr/share/java/bcprov.jar"))
    try:
        vectors(newer, "hybrid.json")
        with echo(post_quantum="require") as (port, _):
            seen = newer.run("echo", port=port, hybrid=1, renew=100_000, size=400_000, piece=10_000, **own())
            equal(seen["pattern"], "Noise_IKhfs_25519+MLKEM768_ChaChaPoly_SHA256", "the pattern")
            check(int(seen["rehandshakes"]) >= 1, f"{seen}")
    finally:
        newer.stop()


def without_mlkem(java):
    with socket.create_server(("127.0.0.1", 0)) as server:
        java.fails("echo", "SealException E_NO_HYBRID", "1.79 or later", port=server.getsockname()[1], hybrid=1, **own())
        with server.accept()[0] as sock:
            sock.settimeout(DEADLINE)
            equal(sock.recv(1), b"", "what the client sent")


def inside_tls(java):
    needs_seal()
    if not find("nginx"):
        raise Skip("there is no nginx here")
    ends = layer.Ends(keys=keys)
    ca = certs.authority().cert
    with layer.ROWS["nginx"].start(ends.server, DATA) as server:
        seen = java.run("get", port=server.port, host="localhost", ca=ca, path="/blob", **own())
        equal((seen["status"], seen["sha256"]), ("200", hashlib.sha256(DATA).hexdigest()), f"{seen}; {ends.server.tail()}")
        event = layer.shake(ends.server, "server")
        equal((event["peer_name"], event["pattern"]), ("client", "IK"), "the server's log")
        java.fails("get", "Refused E_TRUNCATED UPDATE_OR_ENROL", port=server.port, host="localhost", ca=ca, path="/blob",
                   **own(pins=keys.public("client")))
        java.fails("get", "bad_certificate", port=server.port, host="127.1", ca=ca, path="/blob", **own())


def page():
    """A program that answers a request of HTTP. It reads it first: a connection with unread bytes ends with a reset."""
    path = keys.folder / "page"
    path.write_text("#!/bin/sh\nread line\nprintf 'HTTP/1.1 200 OK\\r\\n\\r\\nhello'\n")
    path.chmod(0o755)
    return path


def kotlin(java):
    """The sample in Kotlin, against a web server."""
    if not find("kotlinc"):
        raise Skip("there is no kotlinc here (Debian: kotlin)")
    built = run(["kotlinc", "-jvm-target", "1.8", "-cp", java.path, "-d", java.folder / "kotlin",
                 ROOT / "clients/java/examples/Sample.kt"], timeout=4 * DEADLINE)
    equal(built.status, 0, f"{built!r}")
    runtime = next(iter(sorted(JARS.glob("kotlin-stdlib.jar"))), None)
    if runtime is None:
        raise Skip(f"the sample compiles; no kotlin-stdlib.jar in {JARS} to run it with")
    with echo(program=page(), clients="any") as (port, _):
        done = run([*JAVA, f"{java.folder / 'kotlin'}:{java.path}:{runtime}", "SampleKt", "127.0.0.1", port, keys.public("server"),
                    keys.public("client")])
        equal((done.status, done.out), (0, b"hello"), f"{done!r}")


def example(java):
    """The program of the README, compiled and run as a developer would, and what it says when it is refused."""
    get = [*JAVA, java.path, "Get", "127.0.0.1"]
    with echo(program=page(), clients="any") as (port, _):
        done = run([*get, port, keys.path("client"), keys.public("client"), keys.public("server")])
        equal((done.status, done.out), (0, b"HTTP/1.1 200 OK\r\n\r\nhello"), f"{done!r}")
        done = run([*get, port, "-", keys.public("client")])
        equal(done.status, 1, f"{done!r}")
        contains(done.text, "what to do: UPDATE_APP", "what it says")


def main():
    tap = Tap()
    if not shutil.which("javac") or not shutil.which("java"):
        skip_all("there is no JDK here (Debian: openjdk-17-jdk-headless)")
    missing = [name for name in ("bcprov.jar", "bcutil.jar", "bctls.jar") if not (JARS / name).exists()]
    if missing:
        skip_all(f"no {missing[0]} in {JARS} (Debian: libbcprov-java, libbctls-java)")
    java = Java(*(JARS / name for name in ("bcprov.jar", "bcutil.jar", "bctls.jar")))
    for name, case in (
            ("computes every vector of seal.json, and finds a changed byte", lambda java: vectors(java, "seal.json")),
            ("3 MB there and back, named and anonymous, and a time-out in between", named_and_anonymous),
            ("a preshared key and a service", with_psk),
            ("begins re-handshakes, also if the program only sends", new_keys),
            ("serves a client under pfswrap", serves),
            ("talks to pfswrap seal connect and listen, padded", debugging_peer),
            ("a server in Java gives new keys to the client that asks", renewed_by_the_client),
            ("padding, from either side, and a server that does not read it", padded),
            ("the second of two pinned keys, and the next time at once", two_pinned_keys),
            ("an unknown client, its key's rotation, a cut connection, mistakes: each has its exception", refusals),
            ("key files: what is wrong, and nothing of the key", key_files),
            ("connects again after longer waits, but not where waiting is of no use", waits_longer),
            ("inside TLS, against a wrapped nginx: other pins and other names are refused", inside_tls),
            ("the example uses the second pinned key, and says what to do", example),
            ("the sample in Kotlin compiles and runs", kotlin),
            ("post-quantum with a Bouncy Castle that has no ML-KEM is refused before a byte is sent", without_mlkem),
            ("a hybrid handshake and its vectors, with a Bouncy Castle that has ML-KEM", hybrid)):
        with tap.case(name):
            case(java)
    java.stop()
    tap.finish()


main()
