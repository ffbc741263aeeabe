"""exim with GnuTLS and old priorities, as a server that begins with TLS and as one with STARTTLS."""

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

from lib import certs, peers
from lib.legacy import LegacyServer, prove_server
from lib.process import find, run, temporary_directory
from lib.replies import reply, say
from lib.tap import Tap, check, one_line, skip_all

CONFIG = """
primary_hostname = localhost
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
tls_on_connect_ports = {immediate}
tls_advertise_hosts = *
tls_certificate = {certificate.cert}
tls_privatekey = {certificate.key}
tls_require_ciphers = NORMAL:-VERS-TLS1.3:+RSA:+DHE-RSA:+GROUP-FFDHE2048:%COMPAT
log_file_path = {folder}/%slog
spool_directory = {folder}/spool
pid_file_path = {folder}/exim.pid
host_lookup =
rfc1413_query_timeout = 0s
keep_environment = LD_PRELOAD : PFSWRAP_POLICY
acl_smtp_rcpt = accept
begin acl
begin routers
begin transports
begin retry
begin rewrite
begin authenticators
"""


def in_a_namespace_with_its_user():
    """Debian's exim does not start without its user, which its package creates. Here the user exists for this script
    alone, in a mount namespace (unshare(1)) with other files in place of /etc/passwd and /etc/group."""
    try:
        pwd.getpwnam("Debian-exim")
    except KeyError:
        folder = temporary_directory()
        for name, line in (("passwd", "Debian-exim:x:65533:65533::/nonexistent:/usr/sbin/nologin"),
                           ("group", "Debian-exim:x:65533:")):
            (folder / name).write_text(Path("/etc", name).read_text() + line + "\n")
        if (refused := run(["unshare", "--mount", "true"])).status != 0:
            skip_all(f"exim's user does not exist, and there are no mount namespaces here: {one_line(refused.text)}")
        done = subprocess.run(["unshare", "--mount", "sh", "-c", 'mount --bind "$1/passwd" /etc/passwd && '
                               'mount --bind "$1/group" /etc/group && shift && exec "$@"', "sh", folder,
                               sys.executable, "-B", *sys.argv], check=False)
        sys.exit(done.returncode)


def exim():
    """The installed exim, or one that is only unpacked: a machine has one mail server, which may be another."""
    if find("exim4"):
        return find("exim4")
    folder = temporary_directory()
    done = subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=", "download", "exim4-daemon-light"], cwd=folder,
                          capture_output=True, text=True, check=False)
    packages = list(folder.glob("*.deb"))
    if done.returncode != 0 or not packages:
        skip_all(f"exim4 is neither installed nor available: {one_line(done.stderr)[-200:]}")
    subprocess.run(["dpkg-deb", "-x", packages[0], folder / "root"], check=True)
    return folder / "root/usr/sbin/exim4"


if os.getuid() != 0:
    skip_all("exim has to be started by root")
in_a_namespace_with_its_user()
EXIM = exim()


def server(name, starttls):
    def command(folder, port):
        """exim is set-user-ID, and then ld.so ignores a preload unless root starts it: a copy is not set-user-ID."""
        program = folder / "exim"
        shutil.copyfile(EXIM, program)
        program.chmod(0o755)
        (folder / "spool").mkdir(mode=0o777)
        folder.chmod(0o777)
        (folder / "exim.conf").write_text(CONFIG.format(port=port, folder=folder, certificate=certs.server(),
                                                        immediate="" if starttls else port).lstrip())
        return [program, "-C", folder / "exim.conf", "-bdf", "-oX", port]

    return LegacyServer(name, command, exchange(starttls), prepare=prepare if starttls else None,
                        weak=("tls12", "static-rsa"))


def prepare(connection):
    """RFC 3207: STARTTLS, after which TLS begins."""
    check(reply(connection).startswith(b"220"), "a greeting")
    say(connection, b"EHLO tester", b"250")
    say(connection, b"STARTTLS", b"220")


def exchange(starttls):
    def mail(port, context):
        with peers.connected(port, context, prepare=prepare if starttls else None) as connection:
            if not starttls:
                check(reply(connection).startswith(b"220"), "a greeting")
            say(connection, b"EHLO tester", b"250")
            say(connection, b"NOOP", b"250")
            say(connection, b"QUIT", b"221")
    return mail


tap = Tap()
for words, upgrades in (("exim", False), ("exim STARTTLS", True)):
    prove_server(tap, server(words, upgrades))
tap.finish()
