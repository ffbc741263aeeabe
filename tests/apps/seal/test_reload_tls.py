"""What a reload changes for TLS: versions, and the layer inside TLS; and an upgrade of the object under a running program."""

import os
import pathlib
import shutil
import subprocess

from lib import certs
from lib.layer import Ends
from lib.process import PYTHON, Process, free_port, run, wait_until
from lib.reload import PROGRAMS, Service, applied, refused_with, reloads
from lib.tap import Tap, check, equal
from lib.wrap import LAUNCHER, LIBRARY, Wrap

tap = Tap()


def check_tls():
    with tap.case("a version that the policy no longer allows is refused after a reload, by a server that was started before"):
        port, pair = free_port(), certs.server("p256")
        wrap = Wrap(tls={"min-version": "1.2"})
        policy = reloads(wrap)
        server = Process(wrap.argv(["openssl", "s_server", "-accept", str(port), "-cert", pair.cert, "-key", pair.key, "-quiet"]))
        server.wait_for_port(port)

        def connects(version):
            result = run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", version], data=b"")
            return b"Cipher is ECDHE" in result.out or b"Cipher is TLS" in result.out

        check(connects("-tls1_2"), "TLS 1.2 was refused before the reload")
        for minimum, expected in (("1.3", False), ("1.2", True)):
            wrap.policy.write_text(policy.replace("min-version = 1.2", f"min-version = {minimum}"))
            applied(run([LAUNCHER, "reload", server.pid]))
            equal((connects("-tls1_2"), connects("-tls1_3")), (expected, True), f"TLS 1.2 and 1.3, with {minimum}")


def check_layer():
    with tap.case("a peer of the layer inside TLS is removed and added by a reload; its open connection goes on"):
        ends, port, pair = Ends(clients="any"), free_port(), certs.server("p256")
        policy = ends.server.policy
        text = reloads(ends.server).replace("clients = any\n", "")
        mine = ends.keys.folder / "peers.server"
        mine.touch(0o600)
        mine.write_text(ends.keys.peers.read_text())
        policy.write_text(text.replace(f"peers = {ends.keys.peers}\n", f"peers = {mine}\n"))
        server = Process(ends.server.argv(["openssl", "s_server", "-accept", str(port), "-cert", pair.cert, "-key", pair.key,
                                           "-rev", "-quiet"]))
        server.wait_for_port(port)

        def client():
            return Process(ends.client.argv(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet"]),
                           stdin=subprocess.PIPE)

        def says(process, word):
            process.popen.stdin.write(f"{word}\n".encode())
            process.popen.stdin.flush()
            wait_until(lambda: word[::-1] in process.text(), lambda: f"{word[::-1]}; it printed {process.text()[-500:]}")

        held = client()
        says(held, "first")
        held.stop()
        mine.write_text("".join(line for line in mine.read_text().splitlines(True) if not line.startswith("client ")))
        applied(run([LAUNCHER, "reload", server.pid]))
        refused = client()
        ends.server.wait_event("refused", rule="web")
        refused.stop()
        mine.write_text(ends.keys.peers.read_text())
        applied(run([LAUNCHER, "reload", server.pid]))
        held = client()
        says(held, "second")
        applied_before = len(ends.server.events("reload", result="applied"))
        mine.write_text(mine.read_text() + f"spare {ends.keys.make('spare', listed=False)}\n")
        applied(run([LAUNCHER, "reload", server.pid]))
        says(held, "third")
        equal(len(ends.server.events("reload", result="applied")), applied_before + 1, "events of reloads")
        held.stop()


def check_upgrade():
    with tap.case("while the object is replaced on disk, a program goes on with the old one, and reloads"):
        service = Service()
        folder = service.keys.folder
        copies = [folder / "libpfswrap.so", folder / "next.so"]
        for copy in copies:
            shutil.copy(LIBRARY, copy)
        service.server.stop()
        preload = {**service.server_wrap.preload(), "LD_PRELOAD": str(copies[0])}
        server = Process([*PYTHON, PROGRAMS / "reload_server.py", service.port], env=preload)
        server.wait_for_port(service.port)
        client = service.client()
        equal(client.ask("open 2"), "open 2", "connections")
        os.rename(copies[1], copies[0])

        def mapped(pid):
            return [line.split(None, 5)[5] for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
                    if str(copies[0]) in line]

        check(all("(deleted)" in line for line in mapped(server.pid)) and mapped(server.pid), "the old object is mapped")
        service.keep_peers("server", "first")
        service.server_wrap.policy.write_text(service.server_wrap.policy.read_text().replace("first, second", "first"))
        applied(service.reload(server.pid))
        equal((client.ask("try"), client.ask("echo")), ("ok", "echo 2"), "connections to the old one")
        newer = Process([*PYTHON, PROGRAMS / "reload_client.py", service.port], stdin=subprocess.PIPE,
                        env={"LD_PRELOAD": str(copies[0]), "PFSWRAP_POLICY": str(client.wrap.policy)})
        wait_until(lambda: mapped(newer.pid), "the new object in a new process")
        check(not any("(deleted)" in line for line in mapped(newer.pid)), "a new process has the new object")
        newer.popen.stdin.write(b"try\n")
        newer.popen.stdin.flush()
        wait_until(lambda: newer.text() == "ok\n", lambda: f"ok; it printed {newer.text()}")
        service.server_wrap.policy.write_text(service.server_wrap.policy.read_text().replace("[end]", "key-of-a-newer-build = 1\n[end]"))
        refused_with(service.reload(server.pid), "key-of-a-newer-build")


for each in (check_tls, check_layer, check_upgrade):
    each()
tap.finish()
