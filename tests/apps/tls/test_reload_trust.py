"""A reload reads the ca-file again when its content has changed, and the pins of the policy: with processes that go on running."""

import os
import pathlib
import subprocess

from lib import certs
from lib.process import PYTHON, Process, find, free_port, run, wait_until
from lib.reload import applied, refused_with, reloads
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import LAUNCHER, Wrap

CLIENT = """
import socket, ssl, sys
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
for line in sys.stdin:
    try:
        with context.wrap_socket(socket.create_connection(("127.0.0.1", int(line))), server_hostname="localhost") as tls:
            print(tls.recv(4).decode(), flush=True)
    except OSError:
        print("refused", flush=True)
"""
SERVER = """
import socket, ssl, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
while True:
    try:
        with context.wrap_socket(listener.accept()[0], server_side=True) as tls:
            tls.sendall(b"data")
    except OSError:
        pass
"""
GOOD, OTHER = "data", "refused"
tap = Tap()


def resident(pid):
    """KiB of memory that the process has (proc(5), VmRSS)."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))


class Trust:
    """A client that runs, two servers with certificates of two CAs, and a ca-file that the test writes."""

    def __init__(self, reload="request", **settings):
        self.pairs = [certs.server(), certs.signed("server-other-ca", ca="other-ca")]
        self.ports = [free_port(), free_port()]
        self.servers = [Process([*PYTHON, "-c", SERVER, port, pair.cert, pair.key]).wait_for_port(port)
                        for port, pair in zip(self.ports, self.pairs)]
        self.authorities = [certs.authority().cert.read_text(), certs.authority("other-ca").cert.read_text()]
        tls = {"verify-server": "require", **{name.replace("_", "-"): value for name, value in settings.items()}}
        self.wrap = Wrap(tls=tls)
        self.file = self.wrap.folder / "ca.pem"
        if not settings:
            self.replace(self.authorities[0])
            self.wrap.policy.write_text(self.wrap.policy.read_text().replace("[tls]\n", f"[tls]\nca-file = {self.file}\n"))
        self.policy = reloads(self.wrap, reload)
        self.client = Process(self.wrap.argv([*PYTHON, "-c", CLIENT]), stdin=subprocess.PIPE)
        self.answers = 0

    def replace(self, text):
        """Another content, by rename."""
        new = self.file.with_name("ca.new")
        new.write_text(text)
        os.rename(new, self.file)

    def try_each(self):
        """What the client says about each of the two servers."""
        return [self.try_one(port) for port in self.ports]

    def try_one(self, port):
        self.client.popen.stdin.write(f"{port}\n".encode())
        self.client.popen.stdin.flush()
        self.answers += 1
        wait_until(lambda: self.client.text().count("\n") >= self.answers, lambda: f"an answer: {self.client.text()[-500:]}")
        return self.client.text().splitlines()[self.answers - 1]

    def reload(self):
        return run([LAUNCHER, "reload", self.client.pid])


def check_openssl():
    with tap.case("a client trusts another CA after a reload, and again the first one after the next"):
        trust = Trust()
        equal(trust.try_each(), [GOOD, OTHER], "servers before")
        for text, expected in ((trust.authorities[1], [OTHER, GOOD]), (trust.authorities[0], [GOOD, OTHER]),
                               ("".join(trust.authorities), [GOOD, GOOD])):
            trust.replace(text)
            applied(trust.reload())
            equal(trust.try_each(), expected, f"servers; {trust.wrap.tail()}")
        equal([event["generation"] for event in trust.wrap.events("reload", result="applied")], [2, 3, 4], "generations")
        contains(trust.reload().text, "unchanged", "a reload without a change")
        trust.replace("".join(trust.authorities))
        contains(trust.reload().text, "unchanged", "a reload of a new file with the same content")

    with tap.case("without a reload, a process goes on with what it has read"):
        trust = Trust()
        equal(trust.try_each(), [GOOD, OTHER], "servers before")
        trust.replace(trust.authorities[1])
        equal(trust.try_each(), [GOOD, OTHER], "servers afterwards")

    with tap.case("a ca-file that is cut, empty, no PEM or gone is refused as a whole, and the old one stays in force"):
        trust = Trust()
        equal(trust.try_each(), [GOOD, OTHER], "servers before")
        both = "".join(reversed(trust.authorities))
        for text, words in ((both[:-60], "a part of it is missing"), ("", "it has no certificate"), ("certificates\n", "it has no certificate"),
                            (both.replace("-----END CERTIFICATE-----\n", "", 1), "a part of it is missing")):
            trust.replace(text)
            refused_with(trust.reload(), f"ca-file {trust.file}: {words}")
            equal(trust.try_each(), [GOOD, OTHER], f"servers with {text[-40:]!r}")
        trust.file.unlink()
        refused_with(trust.reload(), f"ca-file {trust.file}: No such file or directory")
        equal(trust.try_each(), [GOOD, OTHER], "servers without the file")
        trust.replace(both)
        applied(trust.reload())
        equal(trust.try_each(), [GOOD, GOOD], "servers in the end")

    with tap.case("reload = auto notices a changed ca-file"):
        trust = Trust("auto")
        equal(trust.try_each(), [GOOD, OTHER], "servers before")
        trust.replace(trust.authorities[1])
        trust.wrap.wait_event("reload", result="applied")
        equal(trust.try_each(), [OTHER, GOOD], "servers afterwards")

    with tap.case("a client goes by another pin after a reload"):
        pairs = certs.server(), certs.signed("server-other-ca", ca="other-ca")
        trust = Trust(pin_sha256=pairs[0].pin(), ca_file=str(both_authorities()))
        equal(trust.try_each(), [GOOD, OTHER], "servers before")
        trust.wrap.policy.write_text(trust.policy.replace(pairs[0].pin(), pairs[1].pin()))
        applied(trust.reload())
        equal(trust.try_each(), [OTHER, GOOD], "servers afterwards")

    with tap.case("a process that has read 100 ca-files keeps one of them"):
        trust = Trust()
        large = ["".join([first] + trust.authorities * 10) for first in ("# one\n", "# other\n")]
        sizes = []
        equal(trust.try_each(), [GOOD, OTHER], "servers before")
        for number in range(100):
            trust.replace(large[number % 2])
            applied(trust.reload())
            equal(trust.try_one(trust.ports[0]), GOOD, f"the server after {number} reloads")
            sizes.append(resident(trust.client.pid))
        check(sizes[-1] - sizes[19] < 512, f"KiB after 20 reloads and in the end: {sizes[19]}, {sizes[-1]}")


def both_authorities():
    path = Wrap().folder / "both.pem"
    path.write_text(certs.authority().cert.read_text() + certs.authority("other-ca").cert.read_text())
    return path


def check_gnutls():
    with tap.case("a server that uses GnuTLS trusts clients of another CA after a reload"):
        if not find("gnutls-serv"):
            raise Skip("gnutls-serv is not installed")
        port, pair = free_port(), certs.server("p256")
        clients = [certs.client(), certs.signed("client-other-ca", "p256", names="DNS:client.test", usage="clientAuth", ca="other-ca")]
        texts = [certs.authority().cert.read_text(), certs.authority("other-ca").cert.read_text()]
        wrap = Wrap(tls={"client-certificates": "require"})
        file = wrap.folder / "ca.pem"
        file.write_text(texts[0])
        wrap.policy.write_text(wrap.policy.read_text().replace("[tls]\n", f"[tls]\nca-file = {file}\n"))
        reloads(wrap)
        server = Process(wrap.argv(["gnutls-serv", "--http", "--port", port, "--x509certfile", pair.cert, "--x509keyfile", pair.key]))
        server.wait_for_port(port)

        def accepted():
            argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", "-ign_eof"]
            return [b"HTTP/1.0 200" in run([*argv, "-cert", client.cert, "-key", client.key], data=b"GET / HTTP/1.0\r\n\r\n").out
                    for client in clients]

        equal(accepted(), [True, False], f"clients before; {wrap.tail()}")
        for number in (1, 0, 1, 0, 1, 0):
            new = file.with_name("ca.new")
            new.write_text(texts[number])
            os.rename(new, file)
            applied(run([LAUNCHER, "reload", server.pid]))
            equal(accepted(), [number == 0, number == 1], f"clients of CA {number}; {wrap.tail()}")


check_openssl()
check_gnutls()
tap.finish()
