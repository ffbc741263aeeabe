"""What `pfswrap agent` answers to whom, and programs whose agent answers nonsense: a handshake is refused, never unsealed."""

import base64
import os
import signal

from lib.agent import ANSWER, DH, IDENTIFY, IDENTIFY_PSK, OK, PSK, REFUSED, Agent, AgentService, WrongAgent, ask
from lib.process import run, wait_until
from lib.seal import Keys
from lib.tap import Skip, Tap, check, equal
from lib.wrap import LAUNCHER

tap = Tap()


def send_short(connection, request):
    connection.send(ANSWER.pack(request[0], OK, request[2], bytes(32), 0)[:20])


def send_long(connection, request):
    connection.send(ANSWER.pack(request[0], OK, request[2], bytes(32), 0) + b"more")


def send_other_id(connection, request):
    connection.send(ANSWER.pack(request[0], OK, request[2] + 1, os.urandom(32), 0))


def send_nonsense(connection, _):
    connection.send(os.urandom(ANSWER.size))


def send_zeros(connection, request):
    connection.send(ANSWER.pack(request[0], OK, request[2], bytes(32), 0))


def send_wrong_result(connection, request):
    connection.send(ANSWER.pack(request[0], OK, request[2], os.urandom(32), 0))


def hang_up(connection, _):
    connection.close()


def check_wrong_answers():
    service = AgentService()
    client = service.client()
    equal(client.ask("open 2"), "open 2", "connections")
    for answer in (send_short, send_long, send_other_id, send_nonsense, send_zeros, send_wrong_result, hang_up):
        with tap.case(f"an agent that does this: {answer.__name__.replace('_', ' ')}: the handshake is refused"):
            service.agent.kill()
            with WrongAgent(service.agent.socket, answer) as wrong:
                check(client.ask("try").startswith("failed"), "a new connection")
                check(wrong.asked > 0, "expected that it was asked")
                equal(client.ask("echo"), "echo 2", "open connections")
            service.agent.start()
            wait_until(lambda: client.ask("try") == "ok", "handshakes with the real agent")


def check_permissions():
    keys = Keys("mine", "theirs")
    agent = Agent([("mine", keys.path("mine"), []), ("theirs", keys.path("theirs"), ["users = nobody"])])
    public, peer = (base64.b64decode(keys.public(name)) for name in ("mine", "theirs"))

    with tap.case("the agent computes X25519, and says which key an identity has"):
        status, own = ask(agent.socket, IDENTIFY, name=b"mine")
        equal((status, own), (OK, public), "the answer")
        status, shared = ask(agent.socket, DH, own=public, peer=peer)
        other = ask(agent.socket, DH, own=peer, peer=public)
        if os.geteuid() == 0:
            equal(other, (OK, shared), "the same from the other side")
        check(status == OK and shared not in (bytes(32), public, peer), f"the result {shared}")

    with tap.case("names and keys that do not exist, points of small order and other requests are refused"):
        equal(ask(agent.socket, IDENTIFY, name=b"nobodys")[0], REFUSED, "an unknown name")
        equal(ask(agent.socket, DH, own=os.urandom(32), peer=peer)[0], REFUSED, "an unknown key")
        for point in (bytes(32), b"\1" + bytes(31)):
            equal(ask(agent.socket, DH, own=public, peer=point), (2, bytes(32)), "a point of small order")
        equal(ask(agent.socket, 99)[0], 3, "an unknown operation")
        equal(ask(agent.socket, IDENTIFY, name=b"mine", magic=1), None, "another version")
        equal(ask(agent.socket, 3), (3, bytes(32)), "a join without a socket")
        equal(ask(agent.socket, IDENTIFY, name=b"mine", peer=b"\1" + bytes(31))[0], 4, "a second key")
        equal(ask(agent.socket, PSK, own=public, peer=peer)[0], REFUSED, "an identity as a psk")
        equal(ask(agent.socket, IDENTIFY_PSK, name=b"mine")[0], REFUSED, "the name of an identity as that of a psk")

    with tap.case("each user may use what the configuration says, and the log names who was refused"):
        if os.geteuid() != 0:
            raise Skip("only root can ask as other users")
        for name, wanted in (("mine", REFUSED), ("theirs", OK)):
            done = run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "python3", "-S", "-c", AS_USER,
                        str(agent.socket), name])
            equal(done.text.strip(), str(wanted), f"what nobody gets for {name}: {done!r}")
        wait_until(lambda: "refused identity mine to user 65534" in agent.process.text(),
                   lambda: f"a line of the agent: {agent.process.text()}")

    with tap.case("a program whose user may not use the identity does not start"):
        if os.geteuid() != 0:
            raise Skip("only root can start programs as other users")
        service = AgentService()
        wrap = service.wrap("first", connect=service.port, peer="server")
        for path in (wrap.folder, wrap.policy, service.keys.folder, service.keys.peers):
            os.chown(path, 65534, 65534)
        done = run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *wrap.argv(["true"])])
        equal(done.status, 125, f"status of {done!r}")
        check("identity agent:first" in done.text and "this user may not use it" in done.text, done.text)

    with tap.case("SIGHUP reads the configuration again; a mistake leaves the keys as they were"):
        agent.write([("other", keys.path("mine"), [])])
        os.kill(agent.process.pid, signal.SIGHUP)
        wait_until(lambda: "again: 1 identities" in agent.process.text(), "the reload")
        equal((ask(agent.socket, IDENTIFY, name=b"mine")[0], ask(agent.socket, IDENTIFY, name=b"other")[0]), (REFUSED, OK), "answers")
        agent.write([("third", keys.folder / "missing", [])])
        os.kill(agent.process.pid, signal.SIGHUP)
        wait_until(lambda: "the keys stay as they were" in agent.process.text(), "the refusal")
        equal(ask(agent.socket, IDENTIFY, name=b"other")[0], OK, "the old identity")

    with tap.case("the configuration's mistakes are named with their lines"):
        for text, words in (("key = /a\n", ":1: expected [agent], [identity NAME] or [psk NAME] before a key"),
                            ("[identity a]\n", ": [identity a] has no key, expected key = FILE"),
                            ("[identity a]\nkeys = /a\n", ":2: unknown key keys, expected key, users or groups"),
                            ("[identity a]\nkey = a\n", ":2: key = a, expected an absolute path"),
                            ("[identity a/b]\n", ":1: [identity a/b], expected a name"),
                            ("[agent]\n", ": no key, expected [identity NAME] or [psk NAME]"),
                            ("[psk a]\n", ": [psk a] has no key, expected key = FILE"),
                            ("[agents]\n", ":1: [agents], expected [agent], once, [identity NAME] or [psk NAME]"),
                            (f"[identity a]\nkey = {keys.path('mine')}\nusers = nobody-of-this-name\n", ":3: users = nobody-of-this-name")):
            agent.configuration.write_text(text)
            done = run(agent.argv("--check"))
            check(done.status == 1 and words in done.text, f"expected {words!r} in {done!r}")


def check_unit():
    with tap.case("`pfswrap unit` says that a service with such an identity needs the agent"):
        service = AgentService()
        unit = service.server_wrap.folder / "echo.service"
        unit.write_text("[Service]\nUser=nobody\nExecStart=/bin/true\n")
        done = run([LAUNCHER, "unit", "--policy", service.server_wrap.policy, unit])
        equal(done.status, 0, f"status of {done!r}")
        check("# identity = agent:server: in [Unit], write Requires= and After=pfswrap-agent.socket" in done.text, done.text)


AS_USER = """
import socket, struct, sys
connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
connection.connect(sys.argv[1])
connection.send(struct.pack("=IIQ32s32s64s", 0x61667001, 1, 7, b"", b"", sys.argv[2].encode()))
print(struct.unpack("=IIQ32sq", connection.recv(4096))[1])
"""


def main():
    check_wrong_answers()
    check_permissions()
    check_unit()
    tap.finish()


main()
