"""`pfswrap agent` for the test scripts, services whose identities it has, and stand-ins that answer wrongly."""

import contextlib
import os
import re
import signal
import socket
import struct
import threading

from lib.process import PYTHON, Process, run, temporary_directory, wait_until
from lib.reload import Service
from lib.seal import Keys, make_psk
from lib.tap import equal
from lib.wrap import LAUNCHER

REQUEST = struct.Struct("=IIQ32s32s64s")  # shim/config/agent_message.h
ANSWER = struct.Struct("=IIQ32sq")
IDENTIFY, DH, JOIN, REPORT, IDENTIFY_PSK, PSK = 1, 2, 3, 4, 5, 6
OK, REFUSED = 0, 1


class Agent:
    """
    An agent with its configuration: `identities` is a list of (name, path of the key, more lines). A name `psk NAME` is that of
    a psk.
    """

    def __init__(self, identities, wait=True):
        self.folder = temporary_directory()
        self.socket, self.configuration = self.folder / "agent.sock", self.folder / "agent.conf"
        self.write(identities)
        self.process = None
        if wait:
            self.start()

    def write(self, identities):
        lines = ["[agent]", f"socket = {self.socket}"]
        for name, path, more in identities:
            lines += [f"[{name}]" if name.startswith("psk ") else f"[identity {name}]", f"key = {path}", *more]
        self.configuration.touch(0o600)
        self.configuration.write_text("\n".join(lines) + "\n")

    def argv(self, *more):
        return [LAUNCHER, "agent", "--config", self.configuration, *more]

    def start(self):
        self.process = Process(self.argv())
        wait_until(lambda: "identities at" in self.process.text(), lambda: f"the agent: {self.process.text()}")

    def start_activated(self, listener):
        """With a socket that somebody else listens on, as systemd does it (sd_listen_fds(3))."""
        script = ("import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); "
                  "os.execv(sys.argv[2], sys.argv[2:])")
        self.process = Process([*PYTHON, "-c", script, listener.fileno(), LAUNCHER, *self.argv()[1:]],
                               pass_fds=[listener.fileno()])

    def kill(self, number=signal.SIGKILL):
        os.kill(self.process.pid, number)
        if number != signal.SIGSTOP:
            self.process.wait()

    def reload(self):
        before = self.process.text().count("again: ")
        os.kill(self.process.pid, signal.SIGHUP)
        wait_until(lambda: self.process.text().count("again: ") > before, lambda: f"a reload: {self.process.text()}")

    def restart(self):
        self.kill()
        self.start()

    def status(self):
        return run(self.argv("--status")).text

    def answered(self, name, kind="identity"):
        """How many results the agent has computed for this identity since it started."""
        return int(re.search(rf"^{kind} {name} .*\n(?:{kind} .*\n)*  answered (\d+)", self.status(), re.MULTILINE)[1])


class AgentService(Service):
    """An echo server and clients whose identities an agent has. `site`: the path of a psk that it has, too."""

    def __init__(self, how="thread", agent=None, allowed=(), site=None, **settings):
        self.agent, self.allowed, self.site = agent, list(allowed), site
        super().__init__(how, **settings)

    def wrap(self, identity, reload="off", keys=None, **settings):
        keys = keys or self.keys
        if self.agent is None:
            site = [("psk site", self.site, self.allowed)] if self.site else []
            self.agent = Agent([(name, keys.path(name), self.allowed) for name in ("server", "first", "second")] + site)
        wrap = super().wrap(identity, reload, keys, **settings)
        more = "psk = agent:site\n" if self.site else ""
        text = wrap.policy.read_text().replace(
            f"identity = {keys.path(identity)}\n", f"identity = agent:{identity}\n{more}agent-socket = {self.agent.socket}\n")
        wrap.policy.write_text(text)
        return wrap


class Rotation:
    """The server's identity or psk of a running service, whose agent has it."""

    def __init__(self, kind):
        self.kind = kind
        self.site = make_psk(Keys()) if kind == "psk" else None
        self.service = AgentService(site=self.site)
        self.agent, self.policy = self.service.agent, self.service.server_wrap.policy
        self.file = self.site or self.service.keys.path("server")
        self.next = self.file.with_name(self.file.name + ".next")
        equal(self.service.reload().status, 0, "the first reload")

    def argv(self, *words, launcher=LAUNCHER):
        *options, step = words or ("",)
        return [launcher, "rotate", self.kind, "--agent-config", self.agent.configuration, *options, self.policy, *filter(None, [step])]

    def step(self, *words, status=0):
        result = run(self.argv(*words))
        equal(result.status, status, f"status of {words}: {result!r}")
        return result.text

    def files(self):
        return {path: path.read_bytes() for path in (self.agent.configuration, self.policy, self.file, self.next) if path.exists()}


class WrongAgent:
    """
    Answers at the socket of an agent that has ended: `answer(connection, request)` sends what it likes. The agent's own answers
    to IDENTIFY are not needed: the programs have started.
    """

    def __init__(self, path, answer):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        self.listener.listen(64)
        self.answer, self.asked, self.connections = answer, 0, []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self.listener.accept()[0]
                self.connections.append(connection)
                threading.Thread(target=self.talk, args=[connection], daemon=True).start()

    def talk(self, connection):
        with contextlib.suppress(OSError, struct.error):
            while True:
                message = connection.recv(4096)
                if not message:
                    return
                self.asked += 1
                self.answer(connection, REQUEST.unpack(message))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def ask(path, operation, own=bytes(32), peer=bytes(32), name=b"", magic=0x61667001):
    """A request of the test's own to the agent. Returns (status, key), or None: the agent has closed the connection."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(60)
        connection.connect(str(path))
        connection.send(REQUEST.pack(magic, operation, 7, own, peer, name))
        try:
            message = connection.recv(4096)
        except ConnectionResetError:
            return None
        if not message:
            return None
        answer = ANSWER.unpack(message)
        assert answer[0] == 0x61667001 and answer[2] == 7, answer
        return answer[1], answer[3]
