"""Keys that are too old: events, what status says, and with expired = refuse no new connections until the key is replaced."""

import datetime
import os

from lib.process import run
from lib.reload import Service, applied, status
from lib.tap import Tap, check, equal
from lib.wrap import LAUNCHER

tap = Tap()


def date(days):
    """The time so many days ago, as genkey writes it."""
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Aged(Service):
    """A service whose server's key was made so many days ago; `comment`: its file says so, else its time does."""

    def __init__(self, days, comment=True, **settings):
        self.days, self.comment = days, comment
        super().__init__(**settings)

    def start(self):
        self.age(self.days, self.comment)
        super().start()

    def age(self, days, comment=True):
        path = self.keys.path("server")
        key = path.read_text().splitlines()[0]
        path.write_text(f"{key}\n# created {date(days)}\n" if comment else f"{key}\n")
        if not comment:
            then = datetime.datetime.now().timestamp() - days * 86400
            os.utime(path, (then, then))


def check_events():
    for comment in (True, False):
        said = "its comment says" if comment else "its file's time says"
        with tap.case(f"a key that is older than max-key-age, as {said}, is an event and goes on"):
            service = Aged(100, comment, max_key_age="90d")
            equal(service.client().ask("try"), "ok", "a connection")
            event = service.server_wrap.wait_event("expired", kind_="identity", file=str(service.keys.path("server")))
            equal(event["key"], service.keys.public("server"), "the public key")
            check(event["created"][:10] == date(100)[:10] and event["expires"][:10] == date(10)[:10], f"dates: {event}")
            equal(len(service.server_wrap.events("expired")), 1, "events")
            check("identity server.key EXPIRED" in run([LAUNCHER, "status", service.server.pid]).text, "what status says")

    with tap.case("a key that will expire within warn-before is an event, and so is a peer's"):
        service = Aged(80, max_key_age="90d", warn_before="30d")
        tomorrow = date(-1)[:10]
        mine = service.keep_peers("server", "first", "second")
        service.rewrite(mine, lambda text: "".join(
            line.replace("\n", f" not-after={tomorrow}\n") if line.startswith("second ") else line
            for line in text.splitlines(True)))
        applied(service.reload())
        service.server_wrap.wait_event("expiring", kind_="identity")
        event = service.server_wrap.wait_event("expiring", kind_="peer", peer_name="second")
        check(event["expires"] > tomorrow, f"expires: {event}")
        equal((len(service.server_wrap.events("expiring")), service.server_wrap.events("expired")), (2, []), "events")

    with tap.case("keys without max-key-age, and young keys, have no events"):
        for service in (Aged(5000), Aged(10, max_key_age="90d", warn_before="30d")):
            equal(service.client().ask("try"), "ok", "a connection")
            equal(service.server_wrap.events("expired") + service.server_wrap.events("expiring"), [], "events")


def check_refusal():
    with tap.case("with expired = refuse there are no new connections, open ones go on, and a reload brings a new key"):
        service = Aged(10, max_key_age="90d", expired="refuse")
        client = service.client()
        equal(client.ask("open 2"), "open 2", "connections")
        service.age(100)
        applied(service.reload())
        service.server_wrap.wait_event("expired", kind_="identity")
        check(client.ask("try").startswith("failed"), "a connection with an expired key")
        equal(client.ask("echo"), "echo 2", "open connections")
        reason = "its own keys are older than max-key-age"
        check(any(event.get("reason") == reason for event in service.server_wrap.events()), f"a reason: {service.server_wrap.tail()}")
        service.age(0)
        applied(service.reload())
        equal((client.ask("try"), client.ask("echo")), ("ok", "echo 2"), "connections with a new date")
        equal(status(service.server.pid)["policy_state"], "current", "the state")


for each in (check_events, check_refusal):
    each()
tap.finish()
