"""The audit log of programs that close every descriptor, change their root and drop privileges, and logs that fail."""

import json
import os
import socket
import subprocess
import threading
from pathlib import Path

from lib import certs, peers
from lib.legacy import check_handshake
from lib.process import DEADLINE, PROGRAMS, run
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import Wrap

LIMITS = PROGRAMS / "tls/limits"
POLICY = "[policy]\nlog = {log}\n"


def curl_with_log(server, log):
    """curl under a policy whose log is `log`; (Result, the Wrap whose folder it is in)."""
    wrap = Wrap()
    wrap.policy.write_text(POLICY.format(log=log))
    return run(wrap.argv(["curl", "-sS", "--tls-max", "1.2", "--cacert", certs.authority().cert,
                          f"https://localhost:{server.port}/", f"https://localhost:{server.port}/"])), wrap


def prove_detached(tap, server):
    for how in ("close", "close_range", "closefrom"):
        with tap.case(f"a program that calls {how} on all descriptors, chroots and drops root is still logged"):
            if os.getuid() != 0:
                raise Skip("only root can chroot and drop privileges")
            wrap = Wrap()
            folder = wrap.folder / "root"
            folder.mkdir()
            result = run(wrap.argv([PROGRAMS / "tls/detached", how, server.port, folder]))
            equal(result.status, 0, f"exit status of {result!r}; log: {wrap.tail()}")
            check_handshake(wrap.wait_event("handshake", role="client"), "client")
        with tap.case(f"a program that calls {how} on all descriptors finds only its own words in its files"):
            contents = {path.name: path.read_bytes() for path in sorted(folder.glob("own-*"))}
            equal(len(contents), 20, "files")
            for name, content in contents.items():
                equal(content, b"mine\nmine\n", name)
            equal([line for line in result.text.splitlines() if line.startswith("first descriptor")], [], "descriptors")
            equal(result.err, b"", "standard error")


def prove_failing(tap, server):
    with tap.case("a log that cannot be written is reported on stderr once, and the program continues"):
        result, _ = curl_with_log(server, "/dev/full")
        equal(result.status, 0, f"exit status of {result!r}")
        lines = [line for line in result.err.decode().splitlines() if "/dev/full" in line or "log" in line]
        equal(len(lines), 1, f"lines about the log in {result.err!r}")
    with tap.case("a log on stderr is written there as JSON lines"):
        result, _ = curl_with_log(server, "stderr")
        equal(result.status, 0, f"exit status of {result!r}")
        events = [json.loads(line) for line in result.err.decode().splitlines()]
        equal([event["event"] for event in events if event["event"] == "policy"], ["policy"], "policy events")
        check([event for event in events if event["event"] == "handshake"], f"a handshake in {events}")
    with tap.case("every event has a time, a kind, a process id and a program"):
        wrap = Wrap()
        run(wrap.argv(["curl", "-sS", "--tls-max", "1.2", "--cacert", certs.authority().cert,
                       f"https://localhost:{server.port}/"]))
        check(len(wrap.events()) >= 3, f"policy, override and handshake; log: {wrap.tail()}")
        for event in wrap.events():
            check({"time", "event", "pid", "program"} <= set(event), f"{event}")
            equal(event["program"], "curl", "program")
    with tap.case("an override is logged once in a process, however often it happens"):
        wrap = Wrap()
        run(wrap.argv(["curl", "-sS", "--no-keepalive", "--tls-max", "1.2", "--cacert", certs.authority().cert] +
                      [f"https://localhost:{server.port}/"] * 5))
        equal(len(wrap.events("handshake")), 5, f"handshakes; log: {wrap.tail()}")
        seen = [(event["setting"], event["asked"]) for event in wrap.events("override")]
        equal(len(seen), len(set(seen)), f"overrides {seen}")


class Interrupted:
    """A listener that accepts one connection, does something, and closes it: the handshake fails, and is logged."""

    def __init__(self, act):
        self.listener, self.act = socket.create_server(("127.0.0.1", 0)), act

    def serve(self):
        connection, _ = self.listener.accept()
        connection.recv(4096)
        self.act()
        connection.close()

    def __enter__(self):
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self.listener.getsockname()[1]

    def __exit__(self, *_):
        self.thread.join(DEADLINE)
        self.listener.close()


def policy_with_log(log):
    wrap = Wrap()
    wrap.policy.write_text(POLICY.format(log=log))
    return wrap


def prove_hostile(tap, server):
    with tap.case("a log on stderr, which is a file, does not raise SIGXFSZ in a program that limits its files to 0 bytes"):
        wrap = policy_with_log("stderr")
        with open(wrap.folder / "err", "wb") as err:
            process = subprocess.run(wrap.argv([LIMITS, "file-size", str(server.port), "-"]), stdout=subprocess.PIPE,
                                     stderr=err, check=False, timeout=DEADLINE)
        equal((process.returncode, process.stdout.split()[:2]), (0, [b"version", b"TLSv1.3"]), "status and output")
    with tap.case("a log that is a pipe without a reader does not raise SIGPIPE in the program"):
        wrap = Wrap()
        os.mkfifo(wrap.folder / "pipe")
        wrap = policy_with_log(wrap.folder / "pipe")
        # The reader opens the pipe with the log, and closes it before the handshake is logged.
        reader = os.open(wrap.policy.read_text().split("log = ")[1].strip(), os.O_RDONLY | os.O_NONBLOCK)
        with Interrupted(lambda: os.close(reader)) as port:
            result = run(wrap.argv([LIMITS, "nothing", port, "-"]))
        equal(result.status, 2, f"{result!r}")
        contains(result.err.decode(), "cannot write the audit log", "standard error")
    with tap.case("a program whose new root has the log's path, too, is still logged in the old place"):
        if os.getuid() != 0:
            raise Skip("only root can chroot")
        wrap = Wrap()
        inside = Path(str(wrap.folder / "root") + str(wrap.folder))
        inside.mkdir(parents=True)
        result = run(wrap.argv([LIMITS, "root", server.port, wrap.folder / "root"]))
        equal(result.status, 0, f"{result!r}")
        wrap.wait_event("handshake", role="client")
        equal(list(inside.iterdir()), [], "files inside the root")
    with tap.case("a program that takes the log's descriptor number by system calls keeps its file, and is logged"):
        wrap = Wrap()
        result = run(wrap.argv([LIMITS, "descriptors", server.port, wrap.folder / "own"]))
        equal((result.status, result.out), (0, b"version TLSv1.3 open 1021\n"), f"{result!r}; log: {wrap.tail()}")
        equal((wrap.folder / "own").read_bytes(), b"", "the program's file")
        wrap.wait_event("handshake", role="client")


def main():
    tap = Tap()
    with peers.Server(peers.echo) as server:
        prove_detached(tap, server)
        prove_hostile(tap, server)
    with peers.Server(peers.reply_http(b"body")) as server:
        prove_failing(tap, server)
    tap.finish()


main()
