"""`pfswrap seal connect|listen|probe`: against itself, against wrapped programs, and against servers that do not seal."""

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import threading

from lib import certs, layer
from lib.process import Process, free_port, run, wait_until
from lib.seal import Keys, SealWrap, needs_seal
from lib.tap import Tap, check, contains, equal
from lib.wrap import LAUNCHER

DATA = os.urandom(3 << 20)
SEAL = [LAUNCHER, "seal"]
CAT = ["socat", "-t", "20"]


class Command:
    """The options of one end, with the keys of a test."""

    def __init__(self, keys, identity="client", peers=None, peer=None, extra=()):
        self.options = ["--handshake-timeout", "40s", "--peers", peers or keys.peers, *extra]
        self.options += ["--identity", keys.path(identity)] if identity else []
        self.options += ["--peer", peer] if peer else []

    def connect(self, port, data=b"", more=(), host="127.0.0.1"):
        return run([*SEAL, "connect", *self.options, *more, f"{host}:{port}"], data=data)

    @contextlib.contextmanager
    def listen(self, more=("--echo", "--keep"), stdin=subprocess.DEVNULL):
        """A server on a free port; yields its port and its process."""
        port = free_port()
        with Process([*SEAL, "listen", *self.options, *more, f"127.0.0.1:{port}"], stdin=stdin) as process:
            process.wait_for_port(port)
            yield port, process


def echoed(result, data=DATA):
    equal((result.status, hashlib.sha256(result.out).hexdigest()), (0, hashlib.sha256(data).hexdigest()),
          f"status and digest of the echo: {result.err.decode()[-600:]}")


def one_line(result, status, *words):
    """The command has printed one line on standard error."""
    equal(result.status, status, f"status of {result!r}")
    equal(len(result.err.decode().splitlines()), 1, f"lines of {result.err!r}")
    for word in words:
        contains(result.err.decode(), word, "the message")


def with_itself(tap, keys):
    server, client = Command(keys, "server"), Command(keys, peer="server")
    with server.listen() as (port, process):
        with tap.case("3 MiB come back through listen --echo, over IPv4 and by a host's name"):
            echoed(client.connect(port, DATA))
            echoed(client.connect(port, DATA, host="localhost"))
        with tap.case("-v prints each part of the connection, and both sides print the same hash"):
            result = client.connect(port, b"hello\n", ["-v"])
            equal((result.status, result.out), (0, b"hello\n"), f"{result!r}")
            text = result.err.decode()
            for words in ("preamble version 1, pattern IK", "> message  1 of the handshake, 102 bytes",
                          "< message  2 of the handshake, 54 bytes", f"sealed   with server, key {keys.public('server')}",
                          f"own key  {keys.public('client')}", "> frame    data, 6 bytes", "< frame    data, 6 bytes",
                          "* closed   the peer's direction, with FINAL"):
                contains(text, words, "the trace")
        with tap.case("two clients at once: the second is served after the first"):
            first = Process([*SEAL, "connect", *client.options, f"127.0.0.1:{port}"], stdin=subprocess.PIPE)
            with first:
                first.popen.stdin.write(b"x\n")
                first.popen.stdin.flush()
                second = Process([*SEAL, "connect", *client.options, f"127.0.0.1:{port}"])
                with second:
                    first.popen.stdin.close()
                    first.popen.stdin = None
                    equal((first.wait(), second.wait()), (0, 0), "status of the clients")
        check(process.running(), "the server goes on")
    with tap.case("listen without --echo joins standard input and output, and ends with the connection"):
        with server.listen((), subprocess.PIPE) as (port, process):
            process.popen.stdin.write(b"from the server\n")
            process.popen.stdin.close()
            process.popen.stdin = None
            result = client.connect(port, b"from the client\n")
            equal((result.status, process.wait()), (0, 0), f"status of both ends: {result!r} {process.text()}")
            equal(result.out, b"from the server\n", "what the client printed")
            contains(process.text(), "from the client\n", "what the server printed")


def patterns(tap, keys):
    psk = keys.folder / "psk"
    psk.touch(0o600)
    psk.write_text(run([LAUNCHER, "genpsk"]).out.decode())
    for name, identity, extra in (("NK", None, ()), ("IKpsk2", "client", ["--psk", psk]), ("NKpsk2", None, ["--psk", psk])):
        server = Command(keys, "server", extra=[*extra, "--any", "--service", "mail", "--rekey", "3"])
        client = Command(keys, identity, peer="server", extra=[*extra, "--service", "mail"])
        with tap.case(f"{name}, with a service and a rekey interval of the server"), server.listen() as (port, _):
            result = client.connect(port, DATA, ["-v"])
            echoed(result)
            contains(result.err.decode(), f"* pattern  {name}, new keys with every chunk\n", "the trace")
        with tap.case(f"{name}: another service is refused, and the message says what it may be"), \
                server.listen() as (port, process):
            other = Command(keys, identity, peer="server", extra=[*extra, "--service", "other"])
            one_line(other.connect(port), 1, "ended the connection during the handshake", "another service")
            contains(process.text(), "(E_HANDSHAKE)", "what the server prints")


def keys_change(tap, keys):
    old, new = Keys("server"), Keys("server")
    both = keys.folder / "both"
    both.write_text(f"server {old.public('server')}\nserver {new.public('server')}\nclient {keys.public('client')}\n")
    both.chmod(0o600)
    with tap.case("a client with two keys of the server tries both"), \
            Command(new, "server", peers=both).listen() as (port, process):
        result = Command(keys, peers=both, peer="server").connect(port, DATA, ["-v"])
        echoed(result)
        contains(result.err.decode(), "key 2 of 2 of the server", "the trace")
        contains(process.text(), "(E_KEY_ID)", "what the server prints about the first")
    with tap.case("a client with an unknown key is refused"), Command(keys, "server").listen() as (port, process):
        stranger = Keys("client")
        result = Command(stranger, peers=keys.peers, peer="server").connect(port)
        one_line(result, 1, "does not know this client's key")
        contains(process.text(), "the client's key is not among the peers (E_PEER_UNKNOWN)", "what the server prints")


def with_programs(tap, keys):
    """socat under pfswrap run at the other end, and the policy of a program for the command itself."""
    needs_seal()
    port = free_port()
    server = SealWrap(keys, identity="server", listen=port)
    with Process(server.argv([*CAT, f"TCP-LISTEN:{port},reuseaddr,fork", "EXEC:cat"])) as process:
        process.wait_for_port(port)
        with tap.case("connect talks to a wrapped socat, with keys from options"):
            echoed(Command(keys, peer="server").connect(port, DATA))
        with tap.case("connect takes its keys from a policy that seals the address"):
            policy = SealWrap(keys, identity="client", connect=port, peer="server").policy
            echoed(run([*SEAL, "connect", "--policy", policy, f"127.0.0.1:{port}"], data=DATA))
            result = run([*SEAL, "connect", f"127.0.0.1:{port}"], data=DATA, env={"PFSWRAP_POLICY": str(policy)})
            echoed(result)
        with tap.case("connect refuses an address that the policy does not seal"):
            other = SealWrap(keys, identity="client", connect=free_port(), peer="server").policy
            one_line(run([*SEAL, "connect", "--policy", other, f"127.0.0.1:{port}"]), 1, "no [connect] rule",
                     f"127.0.0.1:{port}")
        with tap.case("probe finds the protocol, and that others are refused"):
            result = run([*SEAL, "probe", f"127.0.0.1:{port}"])
            equal(result.status, 0, f"{result!r}")
            contains(result.out.decode(), "seal protocol     yes, version 1\n", "the finding")
            contains(result.out.decode(), "only sealed clients are served", "the finding")
    with tap.case("listen serves a wrapped socat"), Command(keys, "server").listen() as (port, _):
        client = SealWrap(keys, identity="client", connect=port, peer="server")
        echoed(run(client.argv([*CAT, "-", f"TCP:127.0.0.1:{port}"]), data=DATA))
    prefer = free_port()
    wrap = SealWrap(keys, identity="server", listen=prefer, seal="prefer", clients="any")
    with tap.case("probe tells seal = prefer from require, in JSON"), \
            Process(wrap.argv([*CAT, f"TCP-LISTEN:{prefer},reuseaddr,fork", "EXEC:cat"])) as process:
        process.wait_for_port(prefer)
        result = run([*SEAL, "probe", "--json", f"127.0.0.1:{prefer}"])
        found = json.loads(result.out)
        equal((result.status, found), (0, {"address": f"127.0.0.1:{prefer}", "seal": True, "versions": [1],
                                           "without_seal": "answers", "answer": "GET / HTTP/1.0"}), "the finding")


def inside_tls(tap, keys):
    needs_seal()
    authority = ["--tls", "--tls-ca", certs.authority().cert]
    certificate = ["--tls", "--tls-cert", certs.server().cert, "--tls-key", certs.server().key]
    server, client = Command(keys, "server", extra=certificate), Command(keys, peer="server", extra=authority)
    with server.listen() as (port, process):
        with tap.case("inside TLS, 3 MiB come back, and -v names the certificate"):
            result = client.connect(port, DATA, ["-v"], host="localhost")
            echoed(result)
            contains(result.err.decode(), "* TLS      TLSv1.3, ", "the trace")
            contains(result.err.decode(), "certificate /CN=", "the trace")
        with tap.case("a certificate of an unknown authority is refused; --tls-no-verify lets it pass"):
            strict = Command(keys, peer="server", extra=["--tls"])
            one_line(strict.connect(port, host="localhost"), 1, "the certificate is refused")
            echoed(strict.connect(port, DATA, ["--tls-no-verify"]))
        with tap.case("a certificate for another name is refused"):
            one_line(client.connect(port, more=["--tls-name", "other.example"]), 1, "the certificate is refused")
        with tap.case("listen refuses a TLS client that does not offer the seal"):
            run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}"])
            contains(process.text(), "expected the ALPN name pfsw1", "what the server prints")
        with tap.case("probe --tls finds the protocol inside TLS"):
            result = run([*SEAL, "probe", "--tls", f"127.0.0.1:{port}"])
            equal(result.status, 0, f"{result!r}")
            contains(result.out.decode(), "yes, version 1, inside TLS", "the finding")
    ends = layer.Ends(keys=keys)
    with layer.ROWS["nginx"].start(ends.server, DATA) as nginx, \
            tap.case("connect --tls fetches a file from a wrapped nginx, with keys from the policy of a wrapped client"):
        result = run([*SEAL, "connect", "--policy", ends.client.policy, *authority[1:], "--wait", f"localhost:{nginx.port}"],
                     data=b"GET /blob HTTP/1.0\r\nHost: localhost\r\n\r\n")
        head, body = result.out.split(b"\r\n\r\n", 1)
        check(head.startswith(b"HTTP/1.1 200"), f"{head!r}")
        echoed(type(result)(result.argv, result.status, body, result.err))


@contextlib.contextmanager
def answering(answer):
    """A server that reacts to each connection by `answer(connection)`; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=react, args=(connection,), daemon=True).start()

        def react(connection):
            with connection, contextlib.suppress(OSError):
                answer(connection)
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def others(tap, keys):
    """Servers that do not seal, and peers that break off."""
    for name, answer, words in (
            ("greets first", lambda c: (c.sendall(b"220 \"hi\" \x1b[31m\r\n"), c.recv(9999)), 'greets: 220 "hi" .[31m'),
            ("answers everything", lambda c: (c.recv(9999), c.sendall(b"400 Bad\n"), c.recv(9999)), "answers: 400 Bad"),
            ("never answers", lambda c: [None for _ in iter(lambda: c.recv(9999), b"")], "waits for more"),
            ("ends every connection", lambda c: c.recv(9999), "ends the connection without an answer\n")):
        with tap.case(f"probe sees no seal at a server that {name}"), answering(answer) as port:
            result = run([*SEAL, "probe", "--timeout", "500ms", f"127.0.0.1:{port}"])
            equal(result.status, 3, f"status of {result!r}")
            contains(result.out.decode(), "seal protocol     no sign of it\n", "the finding")
            contains(result.out.decode(), words, "the finding")
    with tap.case("probe --json says so, too"), answering(lambda c: c.recv(9999)) as port:
        result = run([*SEAL, "probe", "--json", f"127.0.0.1:{port}"])
        equal((result.status, json.loads(result.out)["seal"]), (3, False), f"{result!r}")
    client = Command(keys, peer="server")
    with tap.case("connect says what may be wrong if the server only ends the connection"), \
            answering(lambda c: c.recv(9999)) as port:
        one_line(client.connect(port), 1, "ended the connection during the handshake", "pfswrap seal probe")
    with tap.case("connect names the error if the server answers with something else"), \
            answering(lambda c: (c.recv(9999), c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), c.recv(9999))) as port:
        one_line(client.connect(port), 1, "(E_MESSAGE_LENGTH)")
    with tap.case("the end of a connection without FINAL is an error"), Command(keys, "server").listen() as (port, process):
        talking = Process([*SEAL, "connect", *client.options, f"127.0.0.1:{port}"], stdin=subprocess.PIPE)
        with talking:
            talking.popen.stdin.write(b"x\n")
            talking.popen.stdin.flush()
            wait_until(lambda: "x\n" in talking.text(), "the echo")
            process.popen.kill()
            equal(talking.wait(), 1, "status of the client")
            check("E_TRUNCATED" in talking.text() or "Connection reset" in talking.text(), talking.text())
    with tap.case("a standard output that cannot be written is an error"), Command(keys, "server").listen() as (port, _):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([*map(str, [*SEAL, "connect", *client.options, f"127.0.0.1:{port}"])], input=b"x" * 100000,
                                  stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
        equal((done.returncode, len(done.stderr.splitlines())), (1, 1), f"status and lines: {done.stderr!r}")


def command_line(tap, keys):
    for words, status, expected in (
            ([], 2, "no command after seal"),
            (["talk"], 2, "unknown command talk"),
            (["connect"], 2, "no address after connect"),
            (["connect", "localhost"], 2, "localhost is no address, expected ADDRESS:PORT"),
            (["connect", "::1:5"], 2, "no address"),
            (["connect", "--peer"], 2, "no value after --peer"),
            (["connect", "--echo", "a:1"], 2, "unknown option --echo"),
            (["connect", "a:1", "b:1"], 2, "unexpected argument b:1"),
            (["probe", "--timeout", "5", "a:1"], 2, "--timeout 5 is not valid, expected 1ms to 60s"),
            (["connect", "--policy", "p", "--peer", "a", "a:1"], 2, "--policy beside options that name keys"),
            (["listen", "--identity", keys.path("server"), "--peers", keys.peers, "--tls", "1"], 2, "--tls-cert FILE"),
            (["connect", "--identity", "absent", "--peers", keys.peers, "--peer", "server", "a:1"], 1, "absent: No such file"),
            (["connect", "--identity", keys.path("client"), "--peers", keys.peers, "--peer", "nobody", "a:1"], 1,
             "nobody has no key"),
            (["connect", "--identity", keys.path("client"), "--peers", keys.peers, "--peer", "server", "127.0.0.1:1"], 1,
             "cannot connect to 127.0.0.1 port 1: Connection refused"),
            (["connect", "--identity", keys.path("client"), "--peers", keys.peers, "--peer", "server", "no.invalid:1"], 1,
             "no.invalid port 1 cannot be resolved")):
        with tap.case(f"one line and status {status} for: seal {' '.join(str(word).split('/')[-1] for word in words)}"):
            one_line(run([*SEAL, *words], cwd=keys.folder), status, expected)


def main():
    tap = Tap()
    keys = Keys("server", "client")
    for part in (with_itself, patterns, keys_change, with_programs, inside_tls, others, command_line):
        part(tap, keys)
    tap.finish()


main()
