"""Key logs, anonymous suites, SRP and renegotiation, which are refused; external PSKs, which are allowed with ECDHE."""

import subprocess

from lib import certs, hello
from lib.legacy import check_handshake
from lib.openssl_builds import builds
from lib.process import Process, free_port, temporary_directory, wait_until
from lib.tap import Tap, check, equal
from lib.wrap import Wrap

PSK = ["-psk", "00112233445566778899aabbccddeeff", "-psk_identity", "tester"]


def serve(build, wrap, *options, certificate=True):
    """An s_server that sends each line back reversed."""
    port, own = free_port(), certs.server()
    words = ["-cert", own.cert, "-key", own.key] if certificate else ["-nocert"]
    argv, env = build.launch(["openssl", "s_server", "-accept", port, *words, "-rev", *options], wrap)
    process = Process(argv, env=env).wait_for_port(port)
    process.port = port
    return process


def connect(build, port, *options, wrap=None, steps=((b"abc\n", "cba"),)):
    """An s_client that sends each line after the answer to the one before, until it ends; returns what it printed."""
    argv, env = build.launch(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options], wrap)
    with Process(argv, env=env, stdin=subprocess.PIPE) as client:
        wait_until(lambda: "Verify return code" in client.text() or not client.running(), "the handshake")
        for data, done in steps:
            if client.running():
                client.popen.stdin.write(data)
                client.popen.stdin.flush()
                wait_until(lambda: done in client.text() or not client.running(),  # pylint: disable=cell-var-from-loop
                           lambda: f"{done}: {client.text()[-900:]}")  # pylint: disable=cell-var-from-loop
        return client.text()


def prove_key_log(tap, build):
    for role in ("client", "server"):
        file = temporary_directory() / "keys"
        with tap.case(f"{build.name} {role} -keylogfile wrapped writes no secret of the connection"):
            option, wrap = ["-keylogfile", file], Wrap()
            with serve(build, wrap if role == "server" else None, *(option if role == "server" else ())) as server:
                text = connect(build, server.port, *(option if role == "client" else ()),
                               wrap=wrap if role == "client" else None)
                check("cba" in text, f"the data: {text[-900:]}")
            secrets = [line for line in file.read_text().splitlines() if not line.startswith("#")] if file.exists() else []
            equal(secrets, [], "lines with secrets")
            check([event for event in wrap.events("override") if "key" in event["setting"]],
                  f"expected an override about the key log: {wrap.tail()}")


def prove_psk(tap, build):
    with tap.case(f"{build.name} with a PSK and no certificate works wrapped, with ECDHE"):
        wrap = Wrap(tls={"groups": "X25519"})
        with serve(build, wrap, *PSK, certificate=False) as server:
            text = connect(build, server.port, *PSK, "-tls1_3")
            check("cba" in text and "Temp Key: X25519" in text, f"data and temporary key: {text[-900:]}; {wrap.tail()}")
            check_handshake(wrap.wait_event("handshake", role="server"))


def prove_without_authentication(tap, build):
    suites = {"anonymous suites": ("aNULL:@SECLEVEL=0", hello.ANONYMOUS)}
    for words, (ciphers, offered) in suites.items():
        with tap.case(f"{build.name} s_server bare accepts {words}, so that a refusal means something"):
            with serve(build, None, "-cipher", ciphers, certificate=False) as server:
                check(hello.offer_tls12(server.port, offered).accepted, f"it printed {server.text()[-500:]}")
        with tap.case(f"{build.name} s_server wrapped refuses {words}, and logs it"):
            wrap = Wrap()
            with serve(build, wrap, "-cipher", ciphers, certificate=False) as server:
                for version in (hello.offer_tls12(server.port, offered), hello.offer_group(server.port, "X25519")):
                    check(version.kind != "hello", f"found {version}")
                check(wrap.wait_event("refused").get("reason"), "a reason")


def prove_renegotiation(tap, build):
    allowed = [] if " 1.1" in build.name else ["-client_renegotiation"]  # 1.1.1 allows it by default
    with tap.case(f"{build.name} s_server bare renegotiates TLS 1.2, so that a refusal means something"):
        with serve(build, None, *allowed) as server:
            text = connect(build, server.port, "-tls1_2", steps=((b"R\n", "RENEGOTIATING"), (b"abc\n", "cba")))
            check("cba" in text and "no renegotiation" not in text, f"{text[-900:]}")
    with tap.case(f"{build.name} s_server wrapped with min-version = 1.2 does not renegotiate"):
        wrap = Wrap(tls={"min-version": "1.2"})
        with serve(build, wrap, *allowed) as server:
            text = connect(build, server.port, "-tls1_2", steps=((b"R\n", "no renegotiation"),))
            check("no renegotiation" in text, f"{text[-900:]}")
            equal(len(wrap.events("handshake")), 1, "handshakes")


tap_ = Tap()
for each in builds(tap_):
    prove_key_log(tap_, each)
    prove_psk(tap_, each)
    prove_without_authentication(tap_, each)
    prove_renegotiation(tap_, each)
tap_.finish()
