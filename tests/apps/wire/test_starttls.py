"""Real programs that negotiate TLS in their own protocol, under plaintext = starttls: vsftpd and PostgreSQL."""

import contextlib
import os
import socket
import subprocess
from pathlib import Path

from lib import certs, peers
from lib.process import DEADLINE, Process, find, free_port, run, temporary_directory, wait_until
from lib.replies import auth_tls, reply, say
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import WireWrap

FTP = """
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
run_as_launching_user=NO
anonymous_enable=YES
local_enable=NO
anon_root={folder}/empty
secure_chroot_dir={folder}/empty
ssl_enable=YES
allow_anon_ssl=YES
force_anon_logins_ssl=NO
force_anon_data_ssl=NO
require_ssl_reuse=NO
rsa_cert_file={certificate.cert}
rsa_private_key_file={certificate.key}
seccomp_sandbox=NO
"""


def connected(port):
    return socket.create_connection(("127.0.0.1", port), DEADLINE)


def ftp(tap):
    if find("vsftpd") is None or os.getuid() != 0:
        raise Skip("vsftpd is not installed, or this is not root")

    @contextlib.contextmanager
    def server(plaintext):
        wrap, port, folder = WireWrap(plaintext), free_port(), temporary_directory()
        (folder / "empty").mkdir(mode=0o555)
        (folder / "conf").write_text(FTP.format(port=port, folder=folder, certificate=certs.server()).lstrip())
        with Process(wrap.argv([find("vsftpd"), folder / "conf"])).wait_for_port(port):
            yield port, wrap

    with tap.case("vsftpd's clients that upgrade pass with plaintext = starttls, without a limit"):
        with server("starttls") as (port, wrap):
            with peers.connected(port, prepare=auth_tls) as connection:
                say(connection, b"USER anonymous", b"331")
                say(connection, b"PASS x@y", b"230")
                for _ in range(500):
                    say(connection, b"NOOP", b"200")
            equal(wrap.events("refused"), [], "refused")

    with tap.case("vsftpd's clients that never upgrade are cut within 4 KiB, and pass with plaintext = log"):
        for plaintext, passes in (("starttls", False), ("log", True)):
            with server(plaintext) as (port, wrap), connected(port) as connection:
                count = 0
                with contextlib.suppress(OSError, AssertionError):
                    check(reply(connection).startswith(b"220"), "a greeting")
                    say(connection, b"USER anonymous", b"331")
                    say(connection, b"PASS x@y", b"230")
                    while count < 500:
                        say(connection, b"NOOP", b"200")
                        count += 1
                equal(count == 500, passes, f"{plaintext}: {count} commands passed; log: {wrap.tail()}")
                if passes:
                    check(wrap.events("plaintext"), f"an event from each process: {wrap.tail()}")
                else:
                    equal(wrap.wait_event("refused")["reason"], "plaintext that did not become TLS", "reason")

    with tap.case("vsftpd is refused its own greeting with plaintext = refuse"):
        with server("refuse") as (port, wrap), connected(port) as connection:
            data = b"?"
            with contextlib.suppress(OSError):
                data = connection.recv(100)
            contains((b"", b"?"), data, "what came")
            equal(wrap.wait_event("refused")["role"], "server", "role")


def as_postgres(argv):
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *map(str, argv)]


@contextlib.contextmanager
def started(argv):
    """PostgreSQL when it answers queries. It listens before, and says then that it is starting up."""
    with Process(argv) as server:
        wait_until(lambda: "ready to accept connections" in server.text(), lambda: f"PostgreSQL; it printed {server.text()[-800:]}")
        yield server


def postgresql(tap):
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not binaries or os.getuid() != 0 or find("psql") is None or find("setpriv") is None:
        raise Skip("PostgreSQL is not installed, or this is not root")
    folder, port = temporary_directory(), free_port()
    folder.chmod(0o777)
    key = folder / "key"
    key.write_bytes(Path(certs.server().key).read_bytes())
    key.chmod(0o640)
    subprocess.run(["chown", "root:postgres", key], check=True)
    done = run(as_postgres([binaries[-1], "-D", folder / "data", "-A", "trust", "-U", "postgres"]))
    equal(done.status, 0, f"{done!r}")
    wrap = WireWrap("starttls")
    argv = as_postgres([binaries[-1].parent / "postgres", "-D", folder / "data", "-p", port, "-h", "127.0.0.1", "-k",
                        folder, "-c", "ssl=on", "-c", f"ssl_cert_file={certs.server().cert}", "-c",
                        f"ssl_key_file={key}"])
    wrap.policy.chmod(0o644)
    wrap.log.touch()
    wrap.log.chmod(0o666)

    def ask(mode, client=None, rows=1000):
        words = ["psql", "-X", "-At", f"host=127.0.0.1 port={port} user=postgres dbname=postgres sslmode={mode}", "-c",
                 f"select 'row ' || i from generate_series(1, {rows}) i"]
        return run(client.argv(words) if client else words)

    with started(argv), tap.case("PostgreSQL bare answers with TLS and without"):
        for mode in ("require", "disable"):
            contains(ask(mode).out, b"row 1000", mode)
    with started(argv):
        with tap.case("psql that upgrades passes with plaintext = starttls, one that does not is cut"):
            for plaintext, mode, passes in (("starttls", "require", True), ("starttls", "disable", False),
                                            ("refuse", "require", False), ("log", "disable", True)):
                client = WireWrap(plaintext)
                result = ask(mode, client)
                equal(b"row 1000" in result.out, passes, f"{plaintext}, {mode}: {result!r}; log: {client.tail()}")
                equal(len(client.events("refused")), 0 if passes else 1, f"{plaintext}, {mode}; log: {client.tail()}")
    with started(wrap.argv(argv)):
        with tap.case("PostgreSQL's clients that upgrade pass with plaintext = starttls, those that do not are cut"):
            contains(ask("require").out, b"row 1000", f"log: {wrap.tail()}")
            equal(wrap.events("refused"), [], "refused")
            check(b"row 1000" not in ask("disable").out, f"log: {wrap.tail()}")
            equal(wrap.wait_event("refused")["reason"], "plaintext that did not become TLS", "reason")


def main():
    tap = Tap()
    for part in (ftp, postgresql):
        try:
            part(tap)
        except Skip as reason:
            tap.result(True, f"STARTTLS: {part.__name__}", skip=str(reason))
    tap.finish()


main()
