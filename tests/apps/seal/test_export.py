"""Connections that two programs use at the same time: after exec, posix_spawn, and in messages."""


from lib.process import PROGRAMS, PYTHON, Process, free_port, run, wait_until
from lib.seal import MODES, Keys, Scenarios, SealWrap, check_wire, look, needs_seal
from lib.tap import Tap, contains, equal


# The parent and its programs answer in turn.
SERVER = """
import socket, subprocess, sys
TAKE = "import socket, sys; s = socket.socket(fileno=int(sys.argv[1])); s.sendall(s.recv(100).replace(b'say', b'said'))"
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
peer, _ = listener.accept()
for turn in range(6):
    if turn % 2:
        subprocess.run([sys.executable, "-S", "-c", TAKE, str(peer.fileno())], pass_fds=[peer.fileno()], check=True)
    else:
        peer.sendall(peer.recv(100).replace(b"say", b"said"))
peer.close()
"""
CLIENT = """
import socket, sys
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for turn in range(6):
    peer.sendall(b"PFSMARK: say %d" % turn)
    assert peer.recv(100) == b"PFSMARK: said %d" % turn
assert peer.recv(100) == b""
print("ok")
"""


def ends_cleanly(mode, _result, wrap):
    """Each end is logged once, whichever process was the last."""
    if mode.sealed:
        for role in ("server", "client"):
            equal(wrap.wait_event("closed", role=role)["end"], "clean", f"the {role}'s end")
        equal(len(wrap.events("closed")), 2, "ends in the log")
        equal(wrap.events("left") + wrap.events("refused"), [], "connections left behind")


def is_refused_by(other):
    def look_at_logs(mode, _result, wrap):
        if mode.sealed:
            contains(other.wait_event("refused")["reason"], "another policy", "why")
            ends_cleanly(mode, None, wrap)
    return look_at_logs


def pass_fds(mode, keys):
    """Python's subprocess: vfork, and the descriptor at its number."""
    port = free_port()
    wrap = SealWrap(keys, listen=port, connect=port)
    with look(port) as wire:
        server = Process(mode.argv(wrap, [*PYTHON, "-c", SERVER, port]))
        wait_until(lambda: "listening" in server.text(), lambda: f"the server: {server.text()}")
        client = run(mode.argv(wrap, [*PYTHON, "-c", CLIENT, port]))
        equal((client.status, client.out), (0, b"ok\n"), f"the client: {client!r}; the server: {server.text()}")
        equal(server.wait(), 0, f"the server: {server.text()}")
    check_wire(wire, mode.sealed)
    ends_cleanly(mode, None, wrap)


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_export")
    on.both("fork", "fork and exec while the parent keeps it: parent and programs take turns; one of them executes "
            "a program that fails, and then another", then=ends_cleanly)
    on.both("generations", "a program's own children execute programs in turn, at another descriptor number", then=ends_cleanly)
    on.both("killed", "a program that is killed does not end the connection for the others", then=ends_cleanly)
    on.both("last", "the parent closes at once: the program continues, and ends it", then=ends_cleanly)
    on.both("unprivileged", "a program that gave up its user, and may not read the keys, continues with it",
            then=ends_cleanly)
    other = SealWrap(Keys("peer"), listen=1, service="another")
    on.environment = {"SOCK_OTHER_POLICY": str(other.policy)}
    on.both("other_policy", "a program with another policy gets errors, and the others continue", then=is_refused_by(other))
    on.both("vfork", "children of vfork leave it to programs, at its number and at another, and the parent uses it in between",
            then=ends_cleanly)
    on.both("vfork_static", "a child of vfork leaves it to a static program at another number",
            more=("both", PROGRAMS / "seal/sock_inetd_static"), then=ends_cleanly)
    on.both("spawn", "posix_spawn exports it, at its number and by file actions, and once fails", then=ends_cleanly)
    on.both("message", "a process that may not fork sends it in a message, and continues; peeked at, and lost",
            then=ends_cleanly)
    for mode in MODES:
        with tap.case(f"{mode.name}: Python's subprocess exports it by pass_fds, and the parent uses it in between"):
            if mode.sealed:
                needs_seal()
            pass_fds(mode, on.keys)
    tap.finish()


main()
