"""`revocation-delay`: the open connections of a peer that a reload has removed end, also when they carry no data."""

from lib.process import wait_until
from lib.reload import Service, applied
from lib.tap import Tap, equal

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


for each in (check_idle, check_busy):
    each()
tap.finish()
