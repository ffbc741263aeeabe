"""A log with findings of each kind, made by services that run: what [findings] and certificate-transparency write."""

from lib import certs, transparency
from lib.process import Process, free_port, run
from lib.tap import check, equal
from lib.wrap import Wrap


def findings_wrap():
    """A policy under which everything is looked at and nothing is refused."""
    logs = transparency.log_list(transparency.Log("known"))
    return Wrap(tls={"certificate-transparency": "log", "ct-log-list": logs}, extra="[findings]\nhttp = log\ncertificates = log")


def log_findings(wrap):
    """A server whose responses lack headers, and clients of it and of one with an SCT of another log."""
    inside = transparency.embedded("mix", transparency.Log("other"))
    for cert, key in ((certs.server().cert, certs.server().key), inside):
        port = free_port()
        with Process(wrap.argv(["openssl", "s_server", "-accept", port, "-cert", cert, "-key", key, "-www"])) as server:
            server.wait_for_port(port)
            result = run(wrap.argv(["curl", "-sS", "--cacert", certs.authority().cert, f"https://localhost:{port}/"]))
            equal(result.status, 0, f"{result!r}; log: {wrap.tail()}")
    kinds = {event["kind"] for event in wrap.events("finding")}
    check({"hsts-missing", "certificate", "certificate-transparency"} <= kinds, f"kinds of findings: {kinds}; log: {wrap.tail()}")
