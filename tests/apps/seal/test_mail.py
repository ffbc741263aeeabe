"""postfix and dovecot sealed: mail by SMTP into a mailbox, and out of it by IMAP. Processes pass connections on."""

import os
import pwd

from lib.process import PYTHON, find, wait_until
from lib.sealed import MARKER, SCRIPTS, begin, ended, prove
from lib.tap import Tap, check, equal, skip_all

DOVECOT = """
base_dir = {folder}/run
log_path = {folder}/dovecot.log
protocols = imap
ssl = no
disable_plaintext_auth = no
default_login_user = dovenull
default_internal_user = dovecot
mail_location = maildir:{folder}/mail/%u
first_valid_uid = 0
service imap-login {{
  {mode}
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={folder}/mail/%u
}}
"""
POSTFIX = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.test
mydestination = mail.test
alias_maps =
alias_database =
local_recipient_maps =
local_transport = virtual
virtual_mailbox_base = {folder}/boxes
virtual_mailbox_maps = static:user/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_mailbox_limit = 0
smtpd_tls_security_level = none
smtp_tls_security_level = none
smtpd_relay_restrictions = permit_mynetworks, reject
mynetworks = 127.0.0.0/8
relayhost =
{transport}
maillog_file = {folder}/mail.log
maillog_file_prefixes = /
maillog_file_permissions = 0644
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C
"""
QUEUES = "active bounce corrupt defer deferred flush hold incoming maildrop private public saved trace".split()
MASTER = """
{port}  inet  n       -       n       -       -       smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
smtp      unix  -       -       n       -       -       smtp
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
virtual   unix  -       n       n       -       -       virtual
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""


def start_dovecot(mode):
    """The start function of dovecot, with login processes that serve one connection or many."""
    def start(ends):
        for name in ("run", "mail"):
            (ends.folder / name).mkdir(exist_ok=True)
        (ends.folder / "mail").chmod(0o777)
        (ends.folder / "dovecot.conf").write_text(DOVECOT.format(folder=ends.folder, port=ends.port, mode=mode))
        server = ends.server([find("dovecot"), "-F", "-c", ends.folder / "dovecot.conf"])
        yield server
        ended(server)
    return start


def mail(ends, *arguments):
    done = ends.client([*PYTHON, SCRIPTS / "mail_client.py", *arguments])
    equal((done.status, done.out), (0, b"ok\n"), f"{done!r}")


def imap(ends, _server):
    mail(ends, "imap", ends.port, 2)


def idle(ends, _server):
    mail(ends, "idle", ends.port)


def many(ends, _server):
    clients = [ends.background([*PYTHON, SCRIPTS / "mail_client.py", "imap", ends.port, "1"]) for _ in range(5)]
    for client in clients:
        equal((client.wait(), client.text()), (0, "ok\n"), "a client")


def configure_postfix(ends, port, name, transport=""):
    """A separate postfix in a folder; returns the folder of its configuration."""
    folder, user = ends.folder / name, pwd.getpwnam("postfix")
    for inner in ("queue/pid", "data", "boxes", "config", *(f"queue/{queue}" for queue in QUEUES)):
        (folder / inner).mkdir(parents=True)
    for inner in ("data", *(f"queue/{queue}" for queue in QUEUES)):
        os.chown(folder / inner, user.pw_uid, user.pw_gid)
    os.chown(folder / "boxes", 65534, 65534)
    (folder / "config" / "main.cf").write_text(POSTFIX.format(folder=folder, transport=transport))
    (folder / "config" / "master.cf").write_text(MASTER.format(port=f"127.0.0.1:{port}"))
    return folder


def start_postfix(ends):
    """Two of them: the first relays mail for far.test to the second."""
    first = configure_postfix(ends, ends.ports[0], "first",
                              f"transport_maps = inline:{{far.test=smtp:[127.0.0.1]:{ends.ports[1]}}}")
    second = configure_postfix(ends, ends.ports[1], "second", "virtual_mailbox_domains = far.test")
    servers = []
    for folder, port in ((first, ends.ports[0]), (second, ends.ports[1])):
        servers.append(ends.server(["/usr/lib/postfix/sbin/master", "-c", folder / "config", "-d"], port=port))
    yield servers[0]
    for server in servers:
        ended(server, (0, 1, -15))


def delivered(box):
    return [path for path in box.glob("user/new/*")]


def smtp(ends, _server):
    mail(ends, "smtp", ends.ports[0], "user@mail.test")
    box = ends.folder / "first" / "boxes"
    wait_until(lambda: len(delivered(box)) == 3, lambda: f"three mails; {maillog(ends)}")
    check(sum(path.read_bytes().count(MARKER) >= 30000 for path in delivered(box)) == 1, "expected the whole big mail")


def relayed(ends, _server):
    """The first postfix is a client of the second: both ends of that connection are servers' processes."""
    mail(ends, "smtp", ends.ports[0], "user@far.test")
    box = ends.folder / "second" / "boxes"
    wait_until(lambda: len(delivered(box)) == 3, lambda: f"three mails; {maillog(ends)}")
    check(sum(path.read_bytes().count(MARKER) >= 30000 for path in delivered(box)) == 1, "expected the whole big mail")


def maillog(ends):
    return "".join((ends.folder / name / "mail.log").read_text()[-1500:] for name in ("first", "second")
                   if (ends.folder / name / "mail.log").exists())


def prove_dovecot(tap):
    cases = [("a mail of 1 MB is stored and fetched again", imap), ("IDLE reports new mail", idle),
             ("five sessions at once store and fetch", many)]
    prove(tap, "dovecot with a login process for each connection", start_dovecot("service_count = 1"), cases)
    prove(tap, "dovecot with login processes for many connections", start_dovecot("service_count = 0"), cases)


def main():
    if os.geteuid() != 0:
        skip_all("mail servers change users, which needs root")
    tap = Tap()
    begin(tap)
    if not find("dovecot"):
        tap.result(True, "dovecot, bare and sealed", skip="it is not installed")
    else:
        prove_dovecot(tap)
    if not find("postfix"):
        tap.result(True, "postfix, bare and sealed", skip="another mail server is installed in its place")
    else:
        prove(tap, "postfix", start_postfix, [("three mails arrive by SMTP, one of them of 1 MB", smtp),
                                              ("three mails are relayed to a second server", relayed)], ports=2)
    tap.finish()


main()
