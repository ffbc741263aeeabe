"""Who carries the load of the socket benchmark: raw TCP, pfswrap, and what a user would pick instead of it.

A contender makes a chain: a server program, the proxies in front of it if it has any, and the port that a client goes
to. All listen on 127.0.0.1. The proxies run as their manuals advise, with TLS 1.3, a P-256 certificate that the client
side verifies, and no resumption, so that each connection has the ephemeral key exchange that pfswrap's have.
"""

import contextlib
import os
import re
import resource
import socket
import subprocess
import time
from pathlib import Path

from lib import certs
from lib.process import BUILD, Process, find, free_port, run, temporary_directory, wait_until
from lib.wrap import LAUNCHER

PROGRAMS = BUILD / "tests" / "bench"
FOLDER = temporary_directory()
CLIENT_CORE, SERVER_CORE = 0, 1
# As large as the reads of the bulk load. HAProxy's own is 16 KiB, with which it takes some percent more processor time and
# as much memory; socat's is 8, half of a record.
PROXY_BUFFER = 65536
STARTING = 30  # seconds a proxy may take to listen


def pinned(argv, core):
    return [str(word) for word in (argv if core is None else ["taskset", "-c", core, *argv])]


def family(pid):
    """The process and all that came from it and are still there."""
    found = [pid]
    for each in found:
        for children in Path(f"/proc/{each}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # a thread that ended meanwhile
                found += map(int, children.read_text().split())
    return found


def cpu_seconds(pid):
    """Processor time of a process, user and kernel, ended threads' too (clock_getcpuclockid(3)); 0: it is gone."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0


def memory_bytes(pid):
    """What is resident, and the share of it that counts as the process's (proc(5), smaps_rollup: Rss, Pss)."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except ProcessLookupError:
        return 0, 0  # a zombie has no memory
    return tuple(int(re.search(rf"^{name}: +(\d+) kB$", text, re.MULTILINE)[1]) * 1024 for name in ("Rss", "Pss"))


class Chain:
    """The running server and proxies of a contender; a context that ends them. `port` is where clients connect."""

    def __init__(self, contender, server, pin=False, watch=None):
        """
        `server` is a load program and its subcommand; the port is appended. `pin`: a core for each side. `watch` gives
        the argv that runs the server under a tool, from an argv and what its environment has in addition.
        """
        self.contender = contender
        self.cores = (CLIENT_CORE, SERVER_CORE) if pin else (None, None)
        self.processes = []
        self.back = self.port = free_port()
        argv = [PROGRAMS / server[0], *server[1:], self.back]
        argv = (watch(argv, contender.preload(self.back, "server")) if watch else
                contender.server_argv(argv, self.back))
        self.server = self.start(argv, 1, self.back)
        contender.start_proxies(self)

    def start(self, argv, side, port):
        """Starts a process of the client's (0) or server's (1) side, and waits until it listens."""
        self.processes.append(Process(pinned(argv, self.cores[side])))
        self.processes[-1].wait_for_port(port, seconds=STARTING)
        return self.processes[-1]

    def client_argv(self, client, watch=None):
        """The argv of a client: `client` is a load program, its subcommand, and what follows the port."""
        argv = [PROGRAMS / client[0], client[1], self.port, *client[2:]]
        argv = (watch(argv, self.contender.preload(self.port, "client")) if watch else
                self.contender.client_argv(argv, self.port))
        return pinned(argv, self.cores[0])

    def run_client(self, *client, timeout=60, watch=None):
        """Runs a client to its end and returns what it printed."""
        done = run(self.client_argv(client, watch), timeout=timeout)
        if done.status != 0:
            self.fail(done)
        return done.out.decode()

    @contextlib.contextmanager
    def client_that_stays(self, *client, timeout=60):
        """Runs a client until it has printed a line, yields it and that line, and then lets it leave."""
        process = Process(self.client_argv(client), stdin=subprocess.PIPE)
        wait_until(lambda: "\n" in process.text() or not process.running(), f"a line of {client}", timeout)
        line = process.text()
        if not process.running() or line.startswith(client[0]):  # a program that fails says why, and may not have ended yet
            self.fail(line)
        yield process, line
        process.popen.stdin.close()
        process.popen.stdin = None
        if process.wait() != 0:
            self.fail(process.text())

    def fail(self, what):
        """Ends the benchmark with what the server and the proxies said."""
        words = " | ".join(f"{Path(process.argv[0]).name}: {process.text()[-300:]}" for process in self.processes)
        raise SystemExit(f"bench: {self.contender.name}: {what}; {words}")

    def pids(self):
        return {pid for process in self.processes for pid in family(process.pid)}

    def stop(self):
        for process in reversed(self.processes):
            process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Contender:
    """Raw TCP, and what the others have in common."""

    name, label = "raw", "raw TCP"
    needs = ()
    connections_max = 10000  # that it is asked to hold

    def missing(self):
        """What is not installed, or None."""
        return next((program for program in self.needs if find(program) is None), None)

    def server_argv(self, argv, _port):
        return argv

    def client_argv(self, argv, _port):
        return argv

    def preload(self, _port, _side):
        """What a client or server needs in its environment to take part without a launcher."""
        return {}

    def start_proxies(self, _chain):
        """Between the client and the server of raw TCP stands nobody."""


class Pfswrap(Contender):
    """Both ends under `pfswrap run`, each with its policy: IK, a rekey at every chunk, peers by name."""

    name, label = "pfswrap", "pfswrap"
    rule = ""  # further lines of the rule

    def __init__(self):
        self.folder = FOLDER / "pfswrap"

    def keys(self):
        """Makes the keys and lists of peers of both sides once."""
        if self.folder.exists():
            return
        self.folder.mkdir(mode=0o700)
        for side in ("client", "server"):
            secret = run([LAUNCHER, "genkey"]).out
            public = run([LAUNCHER, "pubkey"], data=secret).out
            self.write(f"{side}.key", secret)
            self.write(f"{side}.peers", f"{side} ".encode() + public)

    def write(self, name, content):
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)
        return path

    def policy(self, port, side):
        """The policy file of one side for one port; opening, refusing and closing go to SIDE.jsonl."""
        self.keys()
        path = self.folder / f"{side}-{port}.conf"
        if not path.exists():
            rule = (f"[listen bench]\naddress = 127.0.0.1:{port}\nseal = require\nclients = client\n"
                    if side == "server" else
                    f"[connect bench]\naddress = 127.0.0.1:{port}\nseal = require\npeer = server\n")
            other = "server" if side == "client" else "client"
            self.write(path.name, (f"[policy]\nmode = enforce\nlog = {self.folder}/{side}.jsonl\n[seal]\nidentity = "
                                   f"{self.folder}/{side}.key\npeers = {self.folder}/{other}.peers\n{rule}{self.rule}").encode())
        return path

    def server_argv(self, argv, port):
        return [LAUNCHER, "run", "--policy", self.policy(port, "server"), "--", *argv]

    def client_argv(self, argv, port):
        return [LAUNCHER, "run", "--policy", self.policy(port, "client"), "--", *argv]

    def preload(self, port, side):
        """The environment that does the same without the launcher."""
        return {"LD_PRELOAD": str(BUILD / "libpfswrap.so"), "PFSWRAP_POLICY": str(self.policy(port, side))}


class Proxies(Contender):
    """A proxy at either side of the wire. Both sides' configurations come from `side_argv`."""

    connections_max = resource.getrlimit(resource.RLIMIT_NOFILE)[1] * 48 // 100  # two each; stunnel keeps some

    def start_proxies(self, chain):
        wire, front = free_port(), free_port()
        for side, (listen, connect) in ((1, (wire, chain.back)), (0, (front, wire))):
            chain.start(self.side_argv(side == 0, listen, connect), side, listen)
        chain.port = front

    def side_argv(self, is_client, listen, connect):
        """The proxy that takes plain connections and makes protected ones (`is_client`), or the other way round."""
        raise NotImplementedError

    def file(self, name, text):
        path = FOLDER / f"{self.name}-{name}"
        path.write_text(text)
        path.chmod(0o600)
        return path


class Stunnel(Proxies):
    name, label, needs = "stunnel", "stunnel", ("stunnel4",)

    def side_argv(self, is_client, listen, connect):
        certificate = certs.server("p256")
        service = (["client = yes", "verifyChain = yes", f"CAfile = {certs.authority().cert}", "checkHost = localhost"]
                   if is_client else [f"cert = {certificate.cert}", f"key = {certificate.key}"])
        common = ["foreground = yes", "pid =", "debug = err", "sslVersionMin = TLSv1.3", "sessionResume = no",
                  "options = NO_TICKET", "socket = a:SO_REUSEADDR=1", "socket = l:TCP_NODELAY=1",
                  "socket = r:TCP_NODELAY=1", "[bench]", f"accept = 127.0.0.1:{listen}",
                  f"connect = 127.0.0.1:{connect}"]
        return [find("stunnel4"), self.file(f"{listen}.conf", "\n".join([*common, *service, ""]))]


class Haproxy(Proxies):
    name, label, needs = "haproxy", "HAProxy", ("haproxy",)

    def side_argv(self, is_client, listen, connect):
        protect = (f"ssl verify required ca-file {certs.authority().cert} verifyhost localhost no-ssl-reuse "
                   "no-tls-tickets")
        accept = f"ssl crt {certs.server('p256').combined()} no-tls-tickets"
        text = f"""
global
    maxconn {self.connections_max}
    nbthread {os.cpu_count()}
    tune.bufsize {PROXY_BUFFER}
    tune.ssl.cachesize 0
    ssl-default-bind-options ssl-min-ver TLSv1.3
    ssl-default-server-options ssl-min-ver TLSv1.3
defaults
    mode tcp
    timeout connect 10s
    timeout client 1h
    timeout server 1h
listen bench
    bind 127.0.0.1:{listen} {'' if is_client else accept}
    server peer 127.0.0.1:{connect} {protect if is_client else ''}
"""
        return [find("haproxy"), "-db", "-q", "-f", self.file(f"{listen}.conf", text)]


class Spiped(Proxies):
    """It looks at all its connections for each event: with thousands it makes a few of them a second."""

    name, label, needs = "spiped", "spiped", ("spiped",)
    connections_max = 1000

    def side_argv(self, is_client, listen, connect):
        key = FOLDER / "spiped.key"
        if not key.exists():
            key.touch(mode=0o600)
            key.write_bytes(os.urandom(32))
        return [find("spiped"), "-e" if is_client else "-d", "-s", f"[127.0.0.1]:{listen}", "-t",
                f"[127.0.0.1]:{connect}", "-k", key, "-n", self.connections_max, "-F", "-p",
                FOLDER / f"spiped-{listen}.pid"]


class Socat(Proxies):
    """A process for each connection: it takes no part where there are thousands."""

    name, label, needs = "socat", "socat", ("socat",)
    connections_max = 1000

    def side_argv(self, is_client, listen, connect):
        certificate = certs.server("p256")
        accept = f"{listen},bind=127.0.0.1,reuseaddr,fork,nodelay,backlog=4096"
        if is_client:
            return [find("socat"), "-b", PROXY_BUFFER, f"TCP4-LISTEN:{accept}",
                    f"OPENSSL:127.0.0.1:{connect},nodelay,cafile={certs.authority().cert},commonname=localhost,"
                    "openssl-min-proto-version=TLS1.3"]
        return [find("socat"), "-b", PROXY_BUFFER, f"OPENSSL-LISTEN:{accept},pf=ip4,cert={certificate.cert},"
                f"key={certificate.key},verify=0,openssl-min-proto-version=TLS1.3", f"TCP4:127.0.0.1:{connect},nodelay"]


ALL = [Contender, Pfswrap, Stunnel, Haproxy, Spiped, Socat]


def chosen(names):
    """The contenders with these names, in the order of ALL; exits with a clear word if one cannot take part."""
    known = [kind.name for kind in ALL]
    for name in names:
        if name not in known:
            raise SystemExit(f"bench: no contender is called '{name}', expected one of: {' '.join(known)}")
    found = [kind() for kind in ALL if kind.name in names]
    for contender in found:
        if contender.missing():
            raise SystemExit(f"bench: {contender.missing()} is not installed, expected it by: "
                             "scripts/install-deps bench")
    return found


def check_sealed(port):
    """A server that is sealed answers no stranger: what a silent fall-back to plain TCP would do."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as stranger, contextlib.suppress(OSError):
        stranger.sendall(b"x" * 64)
        if stranger.recv(64):
            raise SystemExit("bench: a plain client got an answer from the sealed server: nothing is sealed")
