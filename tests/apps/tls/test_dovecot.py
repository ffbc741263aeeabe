"""dovecot's IMAP over TLS: it executes its login processes with an environment of its own."""

import imaplib
import os

from lib import certs
from lib.legacy import CIPHERS, LegacyServer, prove_server
from lib.process import DEADLINE, find
from lib.tap import Tap, check, equal, skip_all

# A login process serves one connection in a chroot, as its own user; libssl gets its bytes through a pair of BIOs.
CONFIG = """
base_dir = {folder}/run
log_path = {folder}/log
protocols = imap
ssl = required
ssl_cert = <{certificate.cert}
ssl_key = <{certificate.key}
ssl_dh = <{dh}
ssl_min_protocol = TLSv1.2
ssl_cipher_list = {ciphers}
default_login_user = dovenull
default_internal_user = dovecot
mail_location = maildir:{folder}/mail/%u
first_valid_uid = 0
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {port}
    ssl = yes
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
MAIL = b"Subject: a mail\r\n\r\n" + os.urandom(750000).hex().encode() + b"\r\n"


def command(folder, port):
    (folder / "run").mkdir()
    (folder / "mail").mkdir()
    (folder / "mail").chmod(0o777)
    (folder / "dovecot.conf").write_text(CONFIG.format(folder=folder, port=port, certificate=certs.server(),
                                                       dh=certs.dh_parameters(), ciphers=CIPHERS))
    return [find("dovecot"), "-F", "-c", folder / "dovecot.conf"]


def exchange(port, context):
    """Stores a mail of 1.5 MB and fetches it again."""
    with imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=context, timeout=DEADLINE) as imap:
        imap.login("user", "secret")
        equal(imap.append("INBOX", None, None, MAIL)[0], "OK", "answer to APPEND")
        imap.select()
        newest = imap.search(None, "ALL")[1][0].split()[-1]
        check(imap.fetch(newest, "(RFC822)")[1][0][1] == MAIL, "the mail should come back unchanged")


def main():
    if os.geteuid() != 0:
        skip_all("dovecot changes users, which needs root")
    tap = Tap()
    server = LegacyServer("dovecot", command, exchange, needs=["dovecot"], addresses=False)
    wrap = prove_server(tap, server)
    with tap.case("dovecot's login processes log when it is wrapped, though it executes them with another environment"):
        event = wrap.wait_event("handshake", role="server")
        equal(event["program"], "imap-login", f"program in {event}")
    tap.finish()


main()
