"""The log's lines about sealed connections: each event has the fields that docs/AUDIT.md lists, and no others."""

import os
import re

from lib.process import PYTHON, ROOT, Process, find, free_port, run, temporary_directory
from lib.seal import Keys, SealWrap
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import LIBRARY

COMMON = {"time", "event", "pid", "program"}
CONNECTION = {"role", "local", "peer", "rule", "layer"}
SENT, RECEIVED = 40_000, 7

SERVER = f"""import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
connection, _ = server.accept()
try:
    while len(connection.recv({RECEIVED}, socket.MSG_WAITALL)) == {RECEIVED} and not connection.sendall(b"x" * {SENT}):
        break
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)
except OSError as error:
    print(error, flush=True)
"""
CLIENT = f"""import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.sendall(b"y" * {RECEIVED})
count = 0
while part := connection.recv(65536):
    count += len(part)
print(count)
"""

tap = Tap()


def documented():
    """The fields of each event of a sealed connection, from the tables of docs/AUDIT.md."""
    section = (ROOT / "docs/AUDIT.md").read_text().split("### Sealed connections")[1].split("\n## ")[0]
    events = {}
    for name, text in re.findall(r"^\*\*`(\w+)`\*\*(.*?)(?=^\*\*`|\Z)", section, re.M | re.S):
        table = text.split("| `reason` | usual cause |")[0]
        words = [word for row in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", table, re.M)
                 for word in re.findall(r"`(\w+)`", row)]
        events[name] = set(words) | ({"reason"} if "`reason`" in text else set())
    return events


def programs():
    folder = temporary_directory()
    for name, text in (("server.py", SERVER), ("client.py", CLIENT)):
        (folder / name).write_text(text)
    return folder


def exchange(server, client, port):
    """Runs the two, each with its own command in front; returns what the client printed, or None if it failed."""
    folder = programs()
    with Process([*server, *PYTHON, folder / "server.py", port]) as process:
        process.wait_for_port(port)
        result = run([*client, *PYTHON, folder / "client.py", port])
        process.wait()
    return result.out.decode().strip() if result.status == 0 else None


def fields(event):
    return set(event) - COMMON - CONNECTION


def main():
    known = documented()
    with tap.case("docs/AUDIT.md lists the fields of the events of a sealed connection"):
        equal(set(known), {"opened", "closed", "refused", "plain", "left"}, "events")
        check("sent_bytes" in known["closed"], f"fields of closed: {known['closed']}")

    keys, port = Keys("server", "client"), free_port()
    server = SealWrap(keys, identity="server", listen=port, clients="client", padding="padme")
    client = SealWrap(keys, identity="client", connect=port, peer="server", padding="block:512")
    ends = ((server, "server", "client"), (client, "client", "server"))
    with tap.case("both ends log that a connection was opened, with which peer and how"):
        equal(exchange(server.argv([]), client.argv([]), port), str(SENT), "bytes the client received")
        for wrap, role, name in ends:
            event = wrap.wait_event("opened")
            equal(fields(event), known["opened"], f"fields of {event}")
            equal((event["role"], event["rule"], event["layer"]), (role, "test", "socket"), "role, rule and layer")
            equal((event["peer_name"], event["pattern"], event["rekey"], event["padding"]), (name, "IK", 1, "both"), "who and how")
        equal(server.events("opened")[0]["peer"], client.events("opened")[0]["local"], "the client's address")

    with tap.case("both ends log that it was closed, with the bytes of each direction"):
        for wrap, role, name in ends:
            event = wrap.wait_event("closed")
            equal(fields(event), known["closed"] - {"reason"}, f"fields of {event}")
            sent, received = ("received", "sent") if role == "client" else ("sent", "received")
            equal((event[f"{sent}_bytes"], event[f"{received}_bytes"]), (SENT, RECEIVED), "bytes each way")
            equal(event[f"{sent}_rekeys"], event[f"{sent}_chunks"], "a rekey for each chunk")
            check(event[f"{sent}_chunks"] >= 3, f"chunks of 16 KiB in {event}")
            equal((event["peer_name"], event["end"], event["rehandshakes"]), (name, "clean", 0), "who and how")

    with tap.case("a refusal has its reason, with a text that docs/AUDIT.md explains"):
        text = (ROOT / "docs/AUDIT.md").read_text()
        unknown = SealWrap(Keys("client", "server"), identity="client", connect=port, peer="server")
        for other, reason in ((unknown.argv([]), "the client expects a server with another key"),
                              ([], "the peer does not speak the seal protocol")):
            again = SealWrap(keys, identity="server", listen=port, clients="client")
            exchange(again.argv([]), other, port)
            event = again.wait_event("refused")
            equal(fields(event), known["refused"], f"fields of {event}")
            equal(event["reason"], reason, "reason")
            contains(text, f"| {reason}", "docs/AUDIT.md")
        event = unknown.wait_event("refused")
        equal(event["reason"], "the peer closed the connection during the handshake", "reason at the client")

    with tap.case("with seal = prefer, an unsealed client leaves a plain event and a sealed one does not"):
        prefer = SealWrap(keys, identity="server", listen=port, clients="any", seal="prefer", padding="allow")
        equal(exchange(prefer.argv([]), [], port), str(SENT), "bytes the plain client received")
        event = prefer.wait_event("plain")
        equal(fields(event), known["plain"], f"fields of {event}")
        equal(exchange(prefer.argv([]), client.argv([]), port), str(SENT), "bytes the sealed client received")
        prefer.wait_event("opened")
        equal(len(prefer.events("plain")), 1, "plain lines")

    with tap.case("a child that gave up its user has no keys and opens no sealed connection: the log says why"):
        if os.geteuid() != 0 or not find("setpriv"):
            raise Skip("only root with setpriv can become another user")
        again = SealWrap(keys, identity="server", listen=port, clients="client")
        child = SealWrap(keys, identity="client", connect=port, peer="server")
        child.log.touch()
        for path, mode in ((child.log, 0o666), (child.policy, 0o644), (keys.peers, 0o644)):
            path.chmod(mode)
        become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        if run([*become, "test", "-r", LIBRARY]).status != 0:
            raise Skip("the user nobody cannot reach the build tree")
        with Process([*again.argv([]), *PYTHON, programs() / "server.py", port]) as process:
            process.wait_for_port(port)
            result = run(child.argv([*become, "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port} && cat <&3"]))
            contains(result.text, "Connection refused", f"what bash prints in {result!r}")
        event = child.wait_event("refused")
        equal((event["reason"], event["role"]), ("no identity key", "client"), "reason and role")
        contains(text, "| no identity key", "docs/AUDIT.md")
    tap.finish()


main()
