"""[tls] max-certificate-age, max-key-age, warn-before, expired and key-state: the ages of a server's certificate and key."""

import datetime
import json
import os
import subprocess

from lib import certs
from lib.process import PYTHON, Process, find, free_port, run, temporary_directory
from lib.reload import applied, refused_with
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import LAUNCHER, Wrap

SERVER = """
import socket, ssl, sys, os
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
if len(sys.argv) > 4:
    os.chroot(sys.argv[4])
    os.setuid(65534)
while True:
    try:
        with context.wrap_socket(listener.accept()[0], server_side=True) as tls:
            tls.sendall(b"data")
    except OSError as error:
        print(error, flush=True)
"""
tap = Tap()


def date(days):
    """The time so many days ago."""
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Server:
    """A Python server with a certificate that is made for it; settings are keys of [tls]."""

    def __init__(self, mode="enforce", arguments=(), state=None, pair=None, prepare=None, **settings):
        self.port, self.pair = free_port(), pair or certs.server("p256")
        tls = {name.replace("_", "-"): value for name, value in settings.items()}
        self.wrap = Wrap(mode=mode, tls=tls)
        self.state = state or self.wrap.folder / "key.state"
        if "max-key-age" in tls:
            text = self.wrap.policy.read_text().replace("[tls]\n", f"[tls]\nkey-state = {self.state}\n")
            self.wrap.policy.write_text(text)
        text = self.wrap.policy.read_text().replace("[policy]\n", "[policy]\nreload = request\n")
        self.wrap.policy.write_text(text + "[end]\n")
        if prepare:
            prepare(self)
        self.process = Process(self.wrap.argv([*PYTHON, "-c", SERVER, self.port, self.pair.cert, self.pair.key, *arguments]))
        self.process.wait_for_port(self.port)

    def connects(self):
        """Whether a client gets data."""
        result = run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-servername", "a.test", "-quiet", "-ign_eof"])
        return b"data" in result.out

    def set(self, **settings):
        """Other values, and a reload."""
        text = self.wrap.policy.read_text()
        for name, value in settings.items():
            name = name.replace("_", "-")
            lines = [line for line in text.splitlines() if not line.startswith(f"{name} = ")]
            lines.insert(lines.index("[tls]") + 1, f"{name} = {value}")
            text = "\n".join(lines) + "\n"
        self.wrap.policy.write_text(text)
        return run([LAUNCHER, "reload", self.process.pid])

    def digest(self):
        return self.pair.pin()

    def known(self):
        """The lines of the state file."""
        return [line for line in self.state.read_text().splitlines() if line]


def old_pair(days, valid=400):
    """A certificate that began so many days ago, signed by itself."""
    folder = temporary_directory()
    pair = certs.Certificate.__new__(certs.Certificate)
    pair.name, pair.cert, pair.key = "old", folder / "old.crt", folder / "old.key"
    pair.key.write_bytes(certs.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"))
    begin = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=days)
    end = begin + datetime.timedelta(days=valid)
    for name in ("index", "new"):
        (folder / name).touch()
    (folder / "index.attr").write_text("unique_subject = no\n")
    request = folder / "request"
    request.write_bytes(certs.openssl("req", "-new", "-key", pair.key, "-subj", "/CN=old"))
    (folder / "ca.conf").write_text(f"""[ca]
default_ca = d
[d]
database = {folder}/index
new_certs_dir = {folder}
serial = {folder}/serial
default_md = sha256
policy = p
[p]
commonName = supplied
""")
    (folder / "serial").write_text("01\n")
    pair.cert.write_bytes(certs.openssl("ca", "-batch", "-config", folder / "ca.conf", "-selfsign", "-keyfile", pair.key, "-in", request,
                                        "-startdate", begin.strftime("%y%m%d%H%M%SZ"), "-enddate", end.strftime("%y%m%d%H%M%SZ"), "-notext"))
    return pair


def check_certificates():
    with tap.case("a certificate that is older than max-certificate-age is an event, once, and is still used"):
        server = Server(pair=old_pair(100), max_certificate_age="90d")
        equal([server.connects() for _ in range(3)], [True] * 3, "connections")
        event, = server.wrap.events("expired")
        equal((event["kind"], event["reason"], event["subject"], event["server_name"]),
              ("certificate", "max-certificate-age", "/CN=old", "a.test"), "the event")
        equal((event["created"][:10], event["expires"][:10]), (date(100)[:10], date(10)[:10]), "dates")
        document = json.loads(run([LAUNCHER, "report", "--json", server.wrap.log]).out)
        equal(document["incident_totals"]["expired"], 1, "incidents in the report")
        control, = [control for control in document["controls"] if control["id"] == "pci-3.7.4"]
        equal(control["exceptions"]["expired"], 1, "exceptions of PCI DSS 3.7.4")

    with tap.case("with expired = refuse it is refused, and accepted after a reload with a longer age"):
        server = Server(pair=old_pair(100), max_certificate_age="90d", expired="refuse")
        check(not server.connects(), "the client got data")
        contains(server.wrap.wait_event("refused")["reason"], "older than max-certificate-age", "the reason")
        applied(server.set(max_certificate_age="120d"))
        check(server.connects(), "the client got no data after the reload")
        applied(server.set(max_certificate_age="99d"))
        check(not server.connects(), "the client got data after the second reload")

    with tap.case("a certificate whose validity ends within warn-before is the event expiring"):
        server = Server(pair=old_pair(100, 110), warn_before="30d")
        check(server.connects(), "the client got no data")
        event, = server.wrap.events("expiring")
        equal((event["reason"], event["expires"][:10]), ("validity", date(-10)[:10]), "the event")
        equal(server.wrap.events("expired"), [], "events")

    with tap.case("a certificate whose validity has ended is refused, and with mode = audit only logged"):
        pair = old_pair(100, 99)
        server = Server(pair=pair, expired="refuse")
        check(not server.connects(), "the client got data")
        equal(server.wrap.wait_event("refused")["reason"], "the server's certificate has expired", "the reason")
        server = Server(mode="audit", pair=pair, expired="refuse")
        check(server.connects(), "the client got no data under mode = audit")
        server.wrap.wait_event("would-refuse")

    with tap.case("a server that uses GnuTLS refuses all connections under expired = refuse, and none otherwise"):
        if not find("gnutls-serv"):
            raise Skip("gnutls-serv is not installed")
        for expired in ("log", "refuse"):
            port, pair, wrap = free_port(), certs.server("p256"), Wrap(tls={"warn-before": "1d", "expired": expired})
            argv = ["gnutls-serv", "--http", "--port", port, "--x509certfile", pair.cert, "--x509keyfile", pair.key]
            with Process(wrap.argv(argv)).wait_for_port(port):
                result = run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", "-ign_eof"], data=b"GET / HTTP/1.0\r\n\r\n")
                equal(b"HTTP/1.0 200" in result.out, expired == "log", f"whether the client got a page: {result!r}")

    with tap.case("a good certificate is no event, and without the keys none is looked at"):
        server = Server(max_certificate_age="365d", warn_before="1d", expired="refuse")
        check(server.connects(), "the client got no data")
        equal(server.wrap.events("expired") + server.wrap.events("expiring"), [], "events")
        server = Server(pair=old_pair(100, 99))
        check(server.connects(), "the client got no data")
        equal(server.wrap.events("expired"), [], "events")


def check_keys():
    with tap.case("the first start writes down when a key was first used, and later ones leave it"):
        server = Server(max_key_age="90d", expired="refuse")
        check(server.connects() and server.connects(), "the client got no data")
        line, = server.known()
        equal(line.split()[0], server.digest(), "the key's SHA-256")
        check(date(1) < line.split()[1] <= date(0), f"its date: {line}")
        equal(server.state.stat().st_mode & 0o777, 0o644 & ~umask(), "the mode of the file")
        again = Server(state=server.state, pair=server.pair, max_key_age="90d")
        check(again.connects(), "the client got no data from a second server")
        equal(again.known(), [line], "the lines")

    with tap.case("a key that was first used longer ago than max-key-age is refused; the earliest of several lines counts"):
        def aged(server):
            server.state.write_text(f"# a comment\n{server.digest()} {date(10)}\n\n{server.digest()} {date(100)}\ncut li")
            server.state.chmod(0o600)

        server = Server(prepare=aged, max_key_age="90d", expired="refuse")
        check(not server.connects(), "the client got data")
        contains(server.wrap.wait_event("refused")["reason"], "in use for longer than max-key-age", "the reason")
        equal(server.wrap.events("expired")[0]["created"], date(100)[:10] + server.wrap.events("expired")[0]["created"][10:], "created")
        applied(server.set(max_key_age="101d"))
        check(server.connects(), "the client got no data after the reload")
        refused_with(server.set(key_state="/tmp/other"), "key-state")

    with tap.case("a line behind one that was cut is whole"):
        server = Server(prepare=lambda server: (server.state.write_text("cut by a full disk"), server.state.chmod(0o600)),
                        max_key_age="90d", expired="refuse")
        check(server.connects(), "the client got no data")
        equal([len(line) for line in server.known()], [len("cut by a full disk"), 65], "lines")

    with tap.case("a date in the future, since a clock was wrong, is replaced by now"):
        server = Server(prepare=lambda server: (server.state.write_text(f"{server.digest()} {date(-1000)}\n"), server.state.chmod(0o600)),
                        max_key_age="90d", expired="refuse")
        check(server.connects(), "the client got no data")
        equal([line.split()[1][:10] for line in server.known()], [date(-1000)[:10], date(0)[:10]], "dates")

    with tap.case("while the clock is before the certificate's beginning, no date is written down"):
        server = Server(pair=old_pair(-2), max_key_age="90d")
        check(server.connects(), "the client got no data")
        equal(server.known(), [], "lines")

    with tap.case("two processes that begin at once write two lines at most, and neither is damaged"):
        servers = [Server(max_key_age="90d")]
        servers += [Server(state=servers[0].state, pair=servers[0].pair, max_key_age="90d") for _ in range(3)]
        clients = [subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-quiet", "-ign_eof"],
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for server in servers]
        equal([b"data" in client.communicate()[0] for client in clients], [True] * 4, "connections")
        lines = servers[0].known()
        check(1 <= len(lines) <= 4 and {line.split()[0] for line in lines} == {servers[0].digest()}, f"lines: {lines}")


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def check_places():
    with tap.case("a key-state that cannot be made is a finding; with expired = refuse, no connection is accepted"):
        server = Server(state="/nowhere/at/all", max_key_age="90d")
        check(server.connects(), "the client got no data")
        event, = [event for event in server.wrap.events("finding") if event["kind"] == "key-state"]
        equal((event["file"], event["detail"]), ("/nowhere/at/all", "No such file or directory"), "the finding")
        applied(server.set(expired="refuse"))
        check(not server.connects(), "the client got data")
        contains(server.wrap.wait_event("refused")["reason"], "expected a key-state that can be written", "the reason")

    with tap.case("a key-state that others can write is not used"):
        server = Server(prepare=lambda server: (server.state.touch(), server.state.chmod(0o666)), max_key_age="90d", expired="refuse")
        check(not server.connects(), "the client got data")

    with tap.case("a server that has changed its root directory and its user still writes its key-state"):
        if os.geteuid() != 0:
            raise Skip("only root can change the root directory")
        empty = temporary_directory()
        server = Server(arguments=[empty], max_key_age="90d", expired="refuse")
        check(server.connects(), f"the client got no data: {server.process.text()} {server.wrap.tail()}")
        equal([line.split()[0] for line in server.known()], [server.digest()], "lines")

    with tap.case("a key-state that can only be read serves for the keys that it has"):
        if os.geteuid() != 0:
            raise Skip("only root can make a read-only mount")
        folder = temporary_directory()
        pair = certs.server("p256")
        (folder / "key.state").write_text(f"{pair.pin()} {date(5)}\n")
        mounted = run(["unshare", "-m", "sh", "-c", f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder}"])
        if mounted.status != 0:
            raise Skip(f"no read-only mount can be made here: {mounted.text.strip()}")
        for name, expected in (("p256", True), ("p384", False)):
            port, wrap = free_port(), Wrap(tls={"max-key-age": "90d", "expired": "refuse", "key-state": folder / "key.state"})
            pair = certs.server(name)
            script = f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} && exec \"$@\""
            argv = ["unshare", "-m", "sh", "-c", script, "sh", *wrap.argv([*PYTHON, "-c", SERVER, port, pair.cert, pair.key])]
            with Process(argv).wait_for_port(port):
                result = run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", "-ign_eof"])
                equal(b"data" in result.out, expected, f"whether the client of {name} got data")

    with tap.case("pfswrap check prints the keys, and says what is missing"):
        server = Server(max_key_age="90d", max_certificate_age="365d", warn_before="14d", expired="refuse")
        text = run([LAUNCHER, "check", server.wrap.policy]).out.decode()
        contains(text, f"max-certificate-age = 365d\nmax-key-age = 90d\nwarn-before = 14d\nexpired = refuse\nkey-state = {server.state}\n", "check")
        wrap = Wrap(tls={"max-key-age": "90d"})
        contains(run([LAUNCHER, "check", wrap.policy]).text, "max-key-age, expected key-state = FILE as well", "check")


check_certificates()
check_keys()
check_places()
tap.finish()
