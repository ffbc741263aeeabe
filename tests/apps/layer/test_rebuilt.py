"""Clients with their own inner layer (examples/), in JavaScript and C, connect to wrapped, unmodified servers."""

import json
import os
import re

from lib import certs, layer
from lib.legacy import require_programs
from lib.node import node_package
from lib.process import BUILD, ROOT, Process, free_port, run, temporary_directory
from lib.tap import Tap, check, contains, equal
from lib.wrap import LAUNCHER

DATA = os.urandom(5 << 20)


def fetch(folder, ends, port, secret="client", key=None, service=()):
    return run(["node", folder / "fetch.mjs", f"https://localhost:{port}/blob", certs.authority().cert,
                key or ends.keys.public("server"), ends.keys.path(secret) if secret else "-", *service])


def c_example(tap):
    """The tunnel of the public library over OpenSSL's TLS."""
    program = temporary_directory() / "tunnel_client"
    with tap.case("the example in C compiles against the library without a warning"):
        result = run(["cc", "-Wall", "-Wextra", "-Werror", "-I", ROOT / "include", ROOT / "examples" / "tunnel_client.c",
                      BUILD / "libpfswrap-seal.a", "-lssl", "-lcrypto", "-lsodium", "-o", program])
        equal(result.status, 0, f"{result!r}")
    ends = layer.Ends()
    with layer.ROWS["nginx"].start(ends.server, DATA) as server:
        argv = [program, "localhost", server.port, "/blob", certs.authority().cert]
        with tap.case(f"the C client fetches {len(DATA) >> 20} MiB from a wrapped nginx, to its end"):
            result = run([*argv, ends.keys.path("client"), ends.keys.peers])
            equal(result.status, 0, f"{result.err!r}; {ends.server.tail()}")
            check(result.out.endswith(b"\r\n\r\n" + DATA), "the data should be the same")
            equal(layer.shake(ends.server, "server")["peer_name"], "client", "who came in")
        with tap.case("the C client says why it was refused"):
            unknown = layer.Ends()
            unknown.keys.peers.write_text(ends.keys.peers.read_text())
            result = run([*argv, unknown.keys.path("client"), ends.keys.peers])
            equal((result.status, result.out), (1, b""), f"{result!r}")
            contains(result.text, "the connection ended without FINAL", "what it says")


def page(client, server, port, key, *secret):
    """What the node client gets from examples/test-server."""
    return run(["node", client / "fetch.mjs", f"https://localhost:{port}/", server / "ca.crt", key, *secret])


def example_server(tap, client):
    """The server for developers of apps, examples/test-server."""
    folder, port = temporary_directory() / "server", free_port(following=2)
    argv = [ROOT / "examples/test-server", folder, "127.0.0.1", port]
    for start in ("first", "second"):
        with Process(argv) as server:
            server.wait_for_port(port)
            text = server.text()
            pins = re.findall(r"to pin.* ([A-Za-z0-9+/]{43}=)$", text, re.MULTILINE)
            with tap.case(f"examples/test-server, {start} start: prints two keys to pin, and apps connect with each of them"):
                equal(len(pins), 2, f"keys to pin: {text}")
                equal(pins, first_pins if start == "second" else pins, "the keys to pin stay the same")
                first_pins = pins
                for pin, secret in ((pins[0], ()), (pins[1], ()), (pins[0], (folder / "app.key",))):
                    result = page(client, folder, port, pin, *secret)
                    equal((result.status, result.out), (0, b"The seal works.\n"), f"{result!r}; {server.text()}")
            with tap.case(f"examples/test-server, {start} start: browsers are served, and its log names the app"):
                result = run(["curl", "-sS", "--noproxy", "*", "--cacert", folder / "ca.crt", f"https://127.0.0.1:{port}/"])
                equal((result.status, result.out), (0, b"The seal works.\n"), f"{result!r}")
                log = [json.loads(line) for line in (folder / "audit.log").read_text().splitlines()]
                contains([line.get("peer_name") for line in log if line["event"] == "opened"], "app", "the log")
            with tap.case(f"examples/test-server, {start} start: the next ports have the seal without TLS, the last for its key only"):
                (folder / "pins").write_text("".join(f"server {pin}\n" for pin in pins))
                for more, own, good in ((1, ["--identity", folder / "app.key"], True), (1, [], True),
                                        (2, ["--identity", folder / "app.key"], True), (2, [], False)):
                    result = run([LAUNCHER, "seal", "connect", *own, "--peers", folder / "pins", "--peer", "server",
                                  f"127.0.0.1:{port + more}"], data=b"GET / HTTP/1.0\r\n\r\n")
                    equal(result.out.endswith(b"\r\n\r\nThe seal works.\n"), good, f"{result!r}")
    with tap.case("examples/test-server says what it expects"):
        result = run([ROOT / "examples/test-server"])
        equal((result.status, result.out), (1, b""), f"{result!r}")
        contains(result.text, "expected FOLDER", "the message")


def main():
    tap = Tap()
    c_example(tap)
    require_programs("node", "npm", "nginx", "apache2")
    node_package()
    folder = BUILD / "examples/node"
    example_server(tap, folder)
    for name in ("nginx", "apache"):
        ends = layer.Ends()
        with layer.ROWS[name].start(ends.server, DATA) as server:
            with tap.case(f"the node client fetches {len(DATA) >> 20} MiB from a wrapped {name}"):
                result = fetch(folder, ends, server.port)
                equal(result.err.decode().splitlines()[-1], f"200 {len(DATA)}", f"{result.err[-500:]!r}; {ends.server.tail()}")
                check(result.out == DATA, "the data should be the same")
                event = layer.shake(ends.server, "server")
                equal((event["peer_name"], event["pattern"]), ("client", "IK"), f"{event}")
            with tap.case(f"{name} closes a node client with an unknown key"):
                unknown = layer.Ends()
                result = run(["node", folder / "fetch.mjs", f"https://localhost:{server.port}/blob",
                              certs.authority().cert, ends.keys.public("server"), unknown.keys.path("client")])
                check(result.status != 0 and not result.out, f"{result!r}")
                ends.server.wait_event("refused", reason="the client's key is not among the peers")
            with tap.case(f"the node client refuses a {name} with another key than it expects"):
                result = fetch(folder, ends, server.port, key=unknown.keys.public("server"))
                check(result.status != 0 and not result.out, f"{result!r}")
                event = ends.server.wait_event("refused", reason="the client expects a server with another key")
                equal(event["layer"], "tls", f"{event}")
    ends = layer.Ends(seal="prefer", clients="any", service="shop")
    with layer.ROWS["nginx"].start(ends.server, DATA) as server:
        with tap.case("an anonymous node client authenticates the server and stays anonymous"):
            equal(fetch(folder, ends, server.port, secret=None).status, 1, "without the service's name")
            result = fetch(folder, ends, server.port, secret=None, service=["shop"])
            equal(result.err.decode().splitlines()[-1], f"200 {len(DATA)}", f"{result.err[-500:]!r}; {ends.server.tail()}")
            event = ends.server.wait_event("opened", pattern="NK")
            equal(event.get("peer_name"), None, f"{event}")
    tap.finish()


main()
