"""`revocation-delay`: the open connections of a peer that a reload has removed end, also when they carry no data, and those that
a child of a fork serves."""

import subprocess
import time

from lib import certs
from lib.layer import Ends
from lib.process import Process, free_port, run, wait_until
from lib.reload import Service, applied, reloads
from lib.tap import Tap, check, equal
from lib.wrap import LAUNCHER

REASON = "the client's key is not among the peers"
tap = Tap()


def service_of_two(how="thread", **settings):
    service = Service(how, **settings)
    service.any_clients()
    service.keep_peers("server", "first", "second")
    first, second = service.client("first"), service.client("second")
    equal((first.ask("open 2"), second.ask("open 2")), ("open 2", "open 2"), "connections")
    equal(service.reload().status, 0, "the reload")
    return service, first, second


def revoked(service):
    """The connections that the server has ended since their peer was removed."""
    return service.server_wrap.events("closed", reason=REASON)


def check_idle():
    with tap.case("idle connections of a removed peer end after revocation-delay; others go on"):
        service, first, second = service_of_two(revocation_delay="1s")
        service.keep_peers("server", "second")
        applied(service.reload())
        wait_until(lambda: len(revoked(service)) == 2, lambda: f"two ends; the log says {service.server_wrap.tail()}")
        equal((first.ask("echo"), second.ask("echo")), ("echo 0", "echo 2"), "who goes on")


def check_busy():
    with tap.case("busy connections of a removed peer end, too"):
        service, first, second = service_of_two(revocation_delay="500ms")
        service.keep_peers("server", "second")
        applied(service.reload())
        wait_until(lambda: first.ask("echo") == "echo 0", "the end of busy connections")
        equal(len(revoked(service)), 2, "ends that the log has")
        equal(second.ask("echo"), "echo 2", "connections of the other peer")

    with tap.case("with reload = auto, a change of the file alone ends them"):
        service, first, _ = service_of_two(reload="auto", revocation_delay="100ms")
        service.keep_peers("server", "second")
        service.server_wrap.wait_event("closed", reason=REASON)
        wait_until(lambda: first.ask("echo") == "echo 0", "the end of both connections")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return file.read().split()


def check_forked():
    with tap.case("a child of a fork that only serves the connection which its parent has accepted reloads, and ends it"):
        service, first, second = service_of_two("fork", revocation_delay="1s")
        equal(len(children(service.server.pid)), 4, "children, one for each connection")
        service.keep_peers("server", "second")
        done = service.reload(service.server.pid, *children(service.server.pid))
        equal((done.status, done.text.count(": reloaded")), (0, 5), f"the reload: {done!r}")
        wait_until(lambda: len(revoked(service)) == 2, lambda: f"two ends; the log says {service.server_wrap.tail()}")
        equal((first.ask("echo"), second.ask("echo")), ("echo 0", "echo 2"), "who goes on")
        wait_until(lambda: len(children(service.server.pid)) == 2, "the end of two children")

    with tap.case("with reload = auto, such children end them by themselves, also those that were made after the change"):
        service, first, second = service_of_two("fork", reload="auto", revocation_delay="2s")
        service.keep_peers("server", "second")
        wait_until(lambda: len(revoked(service)) == 2, lambda: f"two ends; the log says {service.server_wrap.tail()}")
        equal((first.ask("echo"), second.ask("echo")), ("echo 0", "echo 2"), "who goes on")
        # The children may have read the file before the server itself.
        wait_until(lambda: first.ask("try").startswith("failed"), "the refusal of a new connection of the removed peer")


def check_layer():
    with tap.case("layer = tls: the connection of a removed peer ends with its next data after revocation-delay, others go on"):
        ends, port, pair = Ends(clients="any"), free_port(), certs.server("p256")
        text = reloads(ends.server).replace("clients = any\n", "").replace("[seal]\n", "[seal]\nrevocation-delay = 1s\n")
        mine = ends.keys.folder / "peers.server"
        mine.touch(0o600)
        mine.write_text(ends.keys.peers.read_text())
        ends.server.policy.write_text(text.replace(f"peers = {ends.keys.peers}\n", f"peers = {mine}\n"))
        server = Process(ends.server.argv(["openssl", "s_server", "-accept", str(port), "-cert", pair.cert, "-key", pair.key,
                                           "-rev", "-quiet"]))
        server.wait_for_port(port)
        held = Process(ends.client.argv(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet"]), stdin=subprocess.PIPE)

        def say(word):
            held.popen.stdin.write(f"{word}\n".encode())
            held.popen.stdin.flush()

        def says(word):
            say(word)
            wait_until(lambda: word[::-1] in held.text(), lambda: f"{word[::-1]}; it printed {held.text()[-500:]}")

        says("first")
        mine.write_text(mine.read_text() + f"spare {ends.keys.make('spare', listed=False)}\n")
        applied(run([LAUNCHER, "reload", server.pid]))
        says("second")
        mine.write_text("".join(line for line in mine.read_text().splitlines(True) if not line.startswith("client ")))
        applied(run([LAUNCHER, "reload", server.pid]))
        time.sleep(1.2)  # what is tested is the time after which data is refused
        say("third")
        closed = ends.server.wait_event("closed")
        equal((closed["end"], closed["reason"]), ("error", REASON), f"the end: {closed}")
        check("driht" not in held.text(), "the removed peer's data was answered")
        held.stop()


for each in (check_idle, check_busy, check_forked, check_layer):
    each()
tap.finish()
