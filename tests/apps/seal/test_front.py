"""haproxy and socat under pfswrap in front of programs that cannot be preloaded into, on the server's side and the client's.

The configuration and the policies are those of examples/fleet/, with the test's ports, keys and log.
"""

import hashlib

from lib import certs, hello, peers
from lib.legacy import require_programs
from lib.process import PROGRAMS, ROOT, Process, free_port, run
from lib.seal import MARK, Keys, check_wire, look, look_case
from lib.tap import Tap, check, contains, equal, lacks
from lib.wrap import LAUNCHER, Wrap

STATIC, FLEET = PROGRAMS / "seal/static_echo", ROOT / "examples/fleet"
DATA = b"".join(b"%07d " % number + MARK for number in range(1000000 // 16))
tap = Tap()


class Sidecar(Wrap):
    """A proxy with a file of examples/fleet/ as its policy; `changes` replaces text in it and in its configuration."""

    def __init__(self, side, keys, identity, changes):
        super().__init__()
        self.side = side
        self.changes = {"/etc/pfswrap/keys/service.key": keys.path(identity), "/etc/pfswrap/peers": keys.peers,
                        "log = syslog": f"log = {self.log}", **changes}
        self.policy.write_text(self.changed(f"sidecar-{side}.conf"))

    def changed(self, name):
        text = (FLEET / name).read_text()
        for old, new in self.changes.items():
            text = text.replace(old, str(new))
        return text

    def haproxy(self):
        (self.folder / "haproxy.cfg").write_text(self.changed(f"haproxy-{self.side}.cfg"))
        return self.argv(["haproxy", "-db", "-q", "-f", self.folder / "haproxy.cfg"])


class Chain:
    """Client, proxy, network, proxy, server. `out`, `between` and `inside` are the ports."""

    def __init__(self, server_knows="client"):
        keys = Keys("redis-1", "client", "stranger")
        if server_knows != "client":
            lines = [line for line in keys.peers.read_text().splitlines() if not line.startswith("client ")]
            self.known = keys.folder / "known"
            self.known.touch(0o600)
            self.known.write_text("\n".join(lines) + "\n")
        self.out, self.between, self.inside = free_port(), free_port(), free_port()
        self.server = Sidecar("server", keys, "redis-1", {"6379": self.inside, "6380": self.between})
        self.client = Sidecar("client", keys, "client", {"192.0.2.10": "127.0.0.1", "6379": self.out, "6380": self.between})
        if server_knows != "client":
            self.server.policy.write_text(self.server.policy.read_text().replace(str(keys.peers), str(self.known)))
        self.processes = [Process([STATIC, "serve", self.inside]).wait_for_port(self.inside)]

    def begin(self, server, client):
        for argv, port in ((server, self.between), (client, self.out)):
            self.processes.append(Process(argv).wait_for_port(port))
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.stop()


def exchange(port):
    done = run([STATIC, "send", port], data=DATA)
    equal(done.status, 0, f"status of {done!r}")
    check(done.out == DATA, f"expected {len(DATA)} bytes, digest {hashlib.sha256(DATA).hexdigest()[:16]}, found "
                            f"{len(done.out)}, digest {hashlib.sha256(done.out).hexdigest()[:16]}")


def socat(wrap, listen, connect):
    return wrap.argv(["socat", "-t", "30", f"TCP-LISTEN:{listen},bind=127.0.0.1,reuseaddr,fork", f"TCP:127.0.0.1:{connect}"])


def refuses():
    with tap.case("pfswrap run refuses the program itself, on either side"):
        done = run([LAUNCHER, "run", "--policy", "builtin", "--", STATIC, "send", "1"])
        equal(done.status, 125, f"{done!r}")
        contains(done.text, "statically linked", "the refusal")


def proves(name, commands):
    with tap.case(f"bare, {name} on both sides: the bytes arrive, and are readable between the machines"), Chain() as chain:
        chain.begin(*(argv[argv.index("--") + 1:] for argv in commands(chain)))
        with look(chain.between) as wire:
            exchange(chain.out)
            check_wire(wire, sealed=False)
    with tap.case(f"{name} under pfswrap on both sides: every byte and both ends arrive, and nothing is readable"), \
            Chain() as chain:
        chain.begin(*commands(chain))
        with look(chain.between) as wire:
            for _ in range(3):
                exchange(chain.out)
            check_wire(wire, sealed=True)
    with tap.case(f"{name}: a client without pfswrap gets nothing from the sealed port"), Chain() as chain:
        chain.begin(*commands(chain))
        done = run([STATIC, "send", chain.between], data=DATA[:1000])
        lacks(done.out, MARK, "what the client received")
        chain.server.wait_event("refused")
    with tap.case(f"{name}: a proxy whose key the server does not know gets nothing, and the log says so"), \
            Chain(server_knows="stranger") as chain:
        chain.begin(*commands(chain))
        done = run([STATIC, "send", chain.out], data=DATA[:1000])
        lacks(done.out, MARK, "what the client received")
        chain.server.wait_event("refused")


def terminates_tls():
    """The other kind of front: the clients have TLS but no seal."""
    config = ("global\n tune.ssl.default-dh-param 2048\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n"
              " timeout server 60s\nlisten tls\n bind 127.0.0.1:{port} ssl crt {pem} ssl-min-ver TLSv1.0\n"
              " server program 127.0.0.1:{inside}\n")
    for is_wrapped in (False, True):
        sentence = "under pfswrap it accepts TLS 1.3 only" if is_wrapped else "bare it accepts TLS 1.2"
        with tap.case(f"haproxy that ends TLS for a static server: {sentence}"), Chain() as chain:
            wrap, port = Wrap(), free_port()
            path = wrap.folder / "haproxy.cfg"
            path.write_text(config.format(port=port, pem=certs.server().combined(), inside=chain.inside))
            command = ["haproxy", "-db", "-q", "-f", path]
            chain.processes.append(Process(wrap.argv(command) if is_wrapped else command).wait_for_port(port))
            equal(hello.offer_tls12(port).accepted, not is_wrapped, "whether TLS 1.2 is accepted")
            with peers.connected(port) as connection:
                connection.sendall(MARK)
                equal((connection.version(), connection.recv(100)), ("TLSv1.3", MARK), "version, and what came back")


def main():
    require_programs("haproxy", "socat")
    refuses()
    look_case(tap)
    proves("haproxy", lambda chain: (chain.server.haproxy(), chain.client.haproxy()))
    proves("socat", lambda chain: (socat(chain.server, chain.between, chain.inside),
                                   socat(chain.client, chain.out, chain.between)))
    terminates_tls()
    tap.finish()


main()
